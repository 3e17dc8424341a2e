"""Bytes of a spool that are not whole: kept beside it, for people, and counted."""

from contextlib import closing, suppress
from pathlib import Path

from tamis.disk.base import Disk
from tamis.disk.frame import HEADER_BYTES
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

    def keep(self, path: Path, item: Gap | Frame) -> None:
        """Bytes between whole frames, or a whole frame that does not hold what it says."""
        length = item.length if isinstance(item, Gap) else HEADER_BYTES + len(item.payload)
        if not length or (path.name, item.position) in self._seen:
            return
        self._seen.add((path.name, item.position))
        with suppress(DiskError), closing(self._disk.open_read(path)) as source:
            self._write(path, item.position, source.read_at(item.position, min(length, KEPT_BYTES_MAX)))

    def _write(self, path: Path, position: int, data: bytes) -> None:
        place = self._folder.parent / DAMAGED
        self._disk.create_folder(place)
        if len(self._disk.names(place)) < KEPT_FILES_MAX:
            name = f"{self._folder.name}-{path.stem}-{position}.bytes"
            self._disk.write_whole(place / name, [data])
