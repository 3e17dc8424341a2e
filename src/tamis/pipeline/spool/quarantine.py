"""Bytes of a spool that are not whole: kept beside it, for people, and counted."""

from contextlib import closing, suppress
from pathlib import Path

from tamis.disk.base import Disk
from tamis.disk.journal import Frame, Gap
from tamis.errors import DiskError
from tamis.pipeline.spool.place import DAMAGED

KEPT_BYTES_MAX = 1 << 20
KEPT_FILES_MAX = 64


class Quarantine:
    """Keeps what is damaged in the `damaged` folder of the sink; each place of a file once. `count` is how many
    places that were.
    """

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk, self._folder = disk, folder
        self._seen: set[tuple[str, int]] = set()

    @property
    def count(self) -> int:
        """Damaged places met."""
        return len(self._seen)

    def keep(self, path: Path, gap: Gap) -> None:
        """Bytes between whole frames."""
        if gap.length and (path.name, gap.position) not in self._seen:
            self._seen.add((path.name, gap.position))
            with suppress(DiskError), closing(self._disk.open_read(path)) as source:
                data = source.read_at(gap.position, min(gap.length, KEPT_BYTES_MAX))
                self._write(path, gap.position, data)

    def keep_frame(self, path: Path, frame: Frame) -> None:
        """A whole frame that does not hold what it says."""
        if (path.name, frame.position) not in self._seen:
            self._seen.add((path.name, frame.position))
            with suppress(DiskError):
                self._write(path, frame.position, frame.payload[:KEPT_BYTES_MAX])

    def _write(self, path: Path, position: int, data: bytes) -> None:
        place = self._folder.parent / DAMAGED
        self._disk.create_folder(place)
        if len(self._disk.names(place)) < KEPT_FILES_MAX:
            name = f"{self._folder.name}-{path.stem}-{position}.bytes"
            self._disk.write_whole(place / name, [data])
