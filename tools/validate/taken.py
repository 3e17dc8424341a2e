"""Results that are taken as they are given instead of made: which, and of which commit they are."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from tools.validate.history import DIRTY

COMMITS = "commits.json"
"""Beside results: each file's name, and the commit that it was made of."""


class Results:
    """A folder of results that were given, or none, and the folder where all end up."""

    def __init__(self, given: Path | None, out: Path, commit: str) -> None:
        self._given, self._out, self._commit = given, out, commit
        self._known = {} if given is None else _read(given)
        self._commits: dict[str, str] = {}
        self.notes: list[str] = []
        """A sentence for each that is of another commit than what is checked out."""

    def take(self, name: str) -> bool:
        """Bring a given file along. What was not given is not there afterwards: nothing stays from another time."""
        source, target = self._given and self._given / name, self._out / name
        if source is None or not source.exists():
            target.unlink(missing_ok=True)
            return False
        if source.resolve() != target.resolve():
            shutil.copy(source, target)
        of = self._known.get(name, "")
        if of != self._commit or of.endswith(DIRTY):
            told = f"of {of}" if of else "of a commit that nobody wrote down"
            self.notes.append(f"{name} was given and is {told}; checked out is {self._commit}")
        self._commits[name] = of
        return True

    def made(self, name: str) -> None:
        """The file is new, of what is checked out."""
        self._commits[name] = self._commit

    def take_some(self, names: Iterable[str]) -> tuple[list[str], list[str]]:
        """Those that were given, and those that were not."""
        all_of_them = list(names)
        taken = [name for name in all_of_them if self.take(name)]
        return taken, [name for name in all_of_them if name not in taken]

    def keep(self) -> None:
        """Write down of which commit each is, for who takes them from here."""
        (self._out / COMMITS).write_text(json.dumps(self._commits, indent=1), encoding="utf-8")


def _read(folder: Path) -> dict[str, str]:
    path = folder / COMMITS
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(
            f"{path}: it must hold an object of names and commits; remove it, or make the results anew"
        )
    return {str(name): str(commit) for name, commit in found.items()}
