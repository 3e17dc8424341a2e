"""What is here of a manifest's files: in a folder, and beneath it in what was shipped."""

import hashlib
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tamis.disk.base import Disk
from tamis.errors import DiskError, ManifestError
from tamis.integrity.digest import PREFIX, pieces_of
from tamis.integrity.manifest import FileEntry
from tamis.integrity.paths import require_inside, require_place
from tamis.integrity.state import Checked

ALWAYS_READ_BYTES: Final = 1 << 20
"""Up to this size a file is read and compared at every look: that costs less than remembering it."""
_SETTLED_NS: Final = 2_000_000_000
"""A file changed less than this before it was compared may have been changed again in the same tick of its time."""

Pace = Callable[[int], object]
"""Told of so many bytes read; it may wait."""


def at_full_speed(_: int) -> None:
    """No waiting."""


@dataclass(frozen=True, slots=True)
class Held:
    """How a file is: `place` where it is whole, else what is wrong with it."""

    entry: FileEntry
    place: Path | None
    problem: str = ""


class Holdings:
    """The files of a folder, and of `shipped` beneath it, which is only read. Thread-safe."""

    def __init__(self, disk: Disk, folder: Path, shipped: Path | None, now_ns: Callable[[], int]) -> None:
        self._disk, self._folder, self._shipped, self._now_ns = disk, folder, shipped, now_ns
        self.checked: dict[str, Checked] = {}
        """Large files that were compared with their digests, as the state keeps them."""

    def place_for(self, path: str) -> Path:
        """Where a file of a manifest belongs; ManifestError when a link leads away from there."""
        return require_place(self._folder, path)

    def places(self, path: str) -> Iterator[Path]:
        """Where a file may be, in the order in which it counts."""
        for root in (self._folder, self._shipped):
            if root is not None:
                yield root / path

    def look(self, entry: FileEntry, *, is_full: bool, pace: Pace = at_full_speed) -> Held:
        """Whether a file is whole; `is_full` compares every byte, else a large one that was compared before is
        known by its size and time.
        """
        problems: list[str] = []
        for root in (self._folder, self._shipped):
            if root is not None:
                found = self._look_in(root, entry, is_full=is_full, pace=pace)
                if found is None:
                    return Held(entry, root / entry.path)
                problems.append(found)
        worst = next((one for one in problems if one != _MISSING), _MISSING)
        return Held(entry, None, worst)

    def _look_in(self, root: Path, entry: FileEntry, *, is_full: bool, pace: Pace) -> str | None:
        """What is wrong with it there; None: nothing."""
        try:
            path = require_inside(root, entry.path)
            facts = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return _MISSING
        except ManifestError as error:
            return str(error)
        except OSError as error:
            return f"cannot be looked at: {error.strerror}"
        if not stat.S_ISREG(facts.st_mode):
            return "is no file"
        if facts.st_size != entry.size:
            return f"has {facts.st_size:,} bytes, not {entry.size:,}"
        seen = Checked(entry.sha256, facts.st_size, facts.st_mtime_ns)
        if not is_full and self.checked.get(str(path)) == seen:
            return None
        return self._compare(path, seen, pace)

    def _compare(self, path: Path, seen: Checked, pace: Pace) -> str | None:
        self.checked.pop(str(path), None)
        try:
            found = self._digest(path, pace)
        except DiskError as error:
            return f"cannot be read: {error}"
        if found != seen.sha256:
            return "is not what was written (its SHA-256 differs)"
        if seen.size > ALWAYS_READ_BYTES and self._now_ns() - seen.mtime_ns > _SETTLED_NS:
            self.checked[str(path)] = seen
        return None

    def _digest(self, path: Path, pace: Pace) -> str:
        state = hashlib.sha256()
        with closing(self._disk.open_read(path)) as file:
            for piece in pieces_of(file):
                state.update(piece)
                pace(len(piece))
        return PREFIX + state.hexdigest()


_MISSING = "is missing"
