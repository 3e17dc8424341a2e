"""Seeds: bytes that are on this machine already, by the digest of the chunk that they are."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from tamis.disk.base import Disk
from tamis.errors import DiskError
from tamis.integrity.chunks import Chunk, split
from tamis.integrity.digest import sha256_of


class Seeds:
    """Where chunks may be had without a mirror. What is read is compared; a seed that was changed since is no seed."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._places: dict[str, tuple[Path, int]] = {}
        self.bytes_read = 0

    def add(self, path: Path, chunks: Iterable[Chunk]) -> None:
        """Say which chunks a file has, or should have."""
        for chunk in chunks:
            self._places.setdefault(chunk.sha256, (path, chunk.offset))

    def add_file(self, path: Path) -> None:
        """Cut a file into chunks, whatever it holds; one that cannot be read is none."""
        try:
            with closing(self._disk.open_read(path)) as file:
                self.add(path, split(file))
        except DiskError:
            return

    def read(self, chunk: Chunk) -> bytes | None:
        """The bytes of a chunk; None when they are not here."""
        place = self._places.get(chunk.sha256)
        if place is None:
            return None
        try:
            with closing(self._disk.open_read(place[0])) as file:
                data = file.read_at(place[1], chunk.length)
        except DiskError:
            data = b""
        if sha256_of(data) != chunk.sha256:
            del self._places[chunk.sha256]
            return None
        self.bytes_read += len(data)
        return data
