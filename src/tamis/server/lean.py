"""Keeps pandas out of the server's process: pyarrow and DuckDB import it when it is installed, for nothing that
Tamis uses, and it takes seconds and 60 MB."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Unwanted(MetaPathFinder):
    """Says that pandas is not installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise for pandas; no opinion of anything else."""
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is kept out of this process", name=fullname)
        return None


def keep_lean() -> None:
    """From now on pandas counts as not installed in this process (where it is loaded already, nothing changes)."""
    if not any(isinstance(one, _Unwanted) for one in sys.meta_path):
        sys.meta_path.insert(0, _Unwanted())
