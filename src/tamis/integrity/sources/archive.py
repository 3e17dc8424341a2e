"""A tar archive as a source, read where it lies: what was packed to be carried into a closed network."""

import tarfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from tamis.disk.base import Disk
from tamis.errors import AbsentError, DiskError, ManifestError, SourceError
from tamis.integrity.paths import require_path


class ArchiveSource:
    """`Source` over an uncompressed tar archive. Nothing is unpacked: only plain files with plain names count."""

    is_local = True

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk, self._path = disk, path
        self.name = f"archive {path}"
        self._places: Mapping[str, tuple[int, int]] | None = None

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return self._place(path)[1]

    def read(self, path: str, *, start: int, length: int) -> bytes:
        """Exactly `length` bytes of a file from `start` on."""
        begin, size = self._place(path)
        if start + length > size:
            raise AbsentError(self.name, path, f"it ends at byte {size:,}")
        try:
            with closing(self._disk.open_read(self._path)) as file:
                data = file.read_at(begin + start, length)
        except DiskError as error:
            raise SourceError(self.name, path, str(error)) from error
        if len(data) < length:
            raise AbsentError(self.name, path, "the archive is cut off")
        return data

    def close(self) -> None:
        """Nothing is held."""

    def _place(self, path: str) -> tuple[int, int]:
        if self._places is None:
            self._places = self._index(path)
        found = self._places.get(path)
        if found is None:
            raise AbsentError(self.name, path, "it is not in there")
        return found

    def _index(self, asked: str) -> Mapping[str, tuple[int, int]]:
        try:
            with tarfile.open(self._path, "r:") as archive:
                return {
                    one.name: (one.offset_data, one.size)
                    for one in archive
                    if one.isreg() and not one.issparse() and _is_plain(one.name)
                }
        except (OSError, tarfile.TarError, EOFError) as error:
            reason = f"{self._path} cannot be read as an uncompressed tar archive ({error})"
            raise SourceError(self.name, asked, reason) from error


def _is_plain(name: str) -> bool:
    try:
        require_path(name)
    except ManifestError:
        return False
    return True
