"""Mending: what is missing or damaged is staged, all of it, and only then put in its place.

Because nothing is replaced before everything is staged, files that changed places are mended from each other.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tamis.disk.base import Disk
from tamis.disk.real import sweep_temporary
from tamis.disk.space import require_space
from tamis.errors import DiskError, IntegrityError, ManifestError, NoSpaceError
from tamis.integrity.holdings import Held, Holdings
from tamis.integrity.manifest import FileEntry
from tamis.integrity.mirrors import Mirrors
from tamis.integrity.seeds import Seeds
from tamis.integrity.staging import PART_NAME, Stage, part_of
from tamis.integrity.state import FOLDER_NAME
from tamis.telemetry.status import StatusBoard


@dataclass(slots=True)
class Staged:
    """What is ready to be put in its place, and why the rest is not."""

    parts: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    """By path: where it is, and where it belongs."""
    failed: dict[str, str] = field(default_factory=dict)
    bytes_reused: int = 0


class Mender:
    """Stages and places files of one folder. To be used under the folder's lock."""

    def __init__(
        self, disk: Disk, folder: Path, holdings: Holdings, *, mirrors: Mirrors, board: StatusBoard
    ) -> None:
        self._disk, self._folder, self._holdings = disk, folder, holdings
        self._mirrors, self._board = mirrors, board

    def stage(
        self, held: Sequence[Held], *, older: Iterable[FileEntry] = (), reserve_bytes: int = 0
    ) -> Staged:
        """Put together what is not whole. `older` are entries of the manifest before, whose chunks may be here.

        NoSpaceError, before anything is written, when there is no room for all of it.
        """
        wanted = [one.entry for one in held if one.place is None]
        staged = Staged()
        if not wanted:
            return staged
        require_space(self._disk, self._folder, self._needed(wanted), reserve_bytes)
        seeds = self._seeds(held, older)
        total = sum(entry.size for entry in wanted)
        with self._board.doing("mend files", total=total, unit="bytes") as work:
            for entry in wanted:
                try:
                    target = self._holdings.place_for(entry.path)
                    stage = Stage(self._disk, entry, target, seeds=seeds, mirrors=self._mirrors, work=work)
                    staged.parts[entry.path] = (stage.run(), target)
                except NoSpaceError:
                    raise
                except (IntegrityError, DiskError) as error:
                    staged.failed[entry.path] = str(error)
            if staged.failed:
                work.fail(f"{len(staged.failed)} of {len(wanted)} files could not be had")
        staged.bytes_reused = seeds.bytes_read
        return staged

    def place(self, staged: Staged) -> tuple[str, ...]:
        """Put what was staged in its place, each file at once; the paths of those that are there now."""
        placed = []
        for path, (part, target) in staged.parts.items():
            try:
                self._disk.replace(part, target)
                placed.append(path)
            except DiskError as error:
                staged.failed[path] = f"cannot be put in its place: {error}"
        return tuple(placed)

    def sweep(self, entries: Iterable[FileEntry], keep: Iterable[FileEntry] = ()) -> None:
        """Remove what stagings of other versions, and what was killed, left; `keep` are still to be staged."""
        kept = {part_of(self._folder / entry.path, entry) for entry in keep}
        for folder in {self._folder, self._folder / FOLDER_NAME, *self._folders(entries)}:
            if folder.is_dir():
                sweep_temporary(self._disk, folder)
                for name in self._disk.names(folder):
                    if PART_NAME.fullmatch(name) and folder / name not in kept:
                        self._disk.remove(folder / name)

    def _folders(self, entries: Iterable[FileEntry]) -> Iterator[Path]:
        for entry in entries:
            with suppress(ManifestError):  # a link leads elsewhere; nothing was staged there
                yield self._holdings.place_for(entry.path).parent

    def _needed(self, wanted: Iterable[FileEntry]) -> int:
        """Bytes still to be written: what an interrupted staging left is there."""
        needed = 0
        for entry in wanted:
            part = part_of(self._folder / entry.path, entry)
            there = self._disk.size(part) if self._disk.exists(part) else 0
            needed += max(entry.size - there, 0)
        return needed

    def _seeds(self, held: Iterable[Held], older: Iterable[FileEntry]) -> Seeds:
        """Where bytes may be had without a mirror: in files that are whole, damaged, or of the version before."""
        seeds = Seeds(self._disk)
        damaged: list[Path] = []
        for one in held:
            if one.place is not None:
                seeds.add(one.place, one.entry.chunk_list())
            else:
                damaged += [place for place in self._holdings.places(one.entry.path) if _is_file(place)]
        for entry in older:
            for place in self._holdings.places(entry.path):
                seeds.add(place, entry.chunk_list())
        for path in damaged:
            seeds.add_file(path)
        return seeds


def _is_file(path: Path) -> bool:
    try:
        return path.is_file() and not path.is_symlink()
    except OSError:
        return False
