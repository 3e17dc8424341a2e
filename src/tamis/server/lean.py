"""Keeps the server's process lean.

pyarrow and DuckDB import pandas when it is installed, for nothing that Tamis uses; it takes seconds and 60 MB.
Python's cyclic garbage collector looks through the thousands of fresh objects of a body as often as it can, and
finds nothing: a fifth of the time of decoding. pyarrow's own allocator keeps what it once had: at full ingest the
process was 660 MB, with the system's 430 MB, for 165 MB of tables.
"""

import gc
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

GARBAGE_AFTER_OBJECTS = 100_000
SWITCH_INTERVAL_S = 0.001
"""How long a thread keeps the interpreter while others wait: the event loop answers between two pieces of a worker's
work, and has to wait for each."""


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
    """From now on pandas counts as not installed in this process, memory comes from the system's allocator, garbage
    is looked for after so many objects that a body seldom makes them, and as many files and connections may be open
    as the system lets it. Call it before pyarrow is imported: what is loaded already stays as it is."""
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # a system may say "any number" and not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(GARBAGE_AFTER_OBJECTS, 50, 20)
    if not any(isinstance(one, _Unwanted) for one in sys.meta_path):
        sys.meta_path.insert(0, _Unwanted())
