"""A folder as a source: a copy on another disk, a share, what was carried over on a stick."""

from contextlib import closing
from pathlib import Path

from tamis.disk.base import Disk
from tamis.errors import AbsentError, DiskError, SourceError
from tamis.integrity.paths import require_inside


class FolderSource:
    """`Source` over a folder. It only reads; links that lead out of the folder are not followed."""

    is_local = True

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk, self._folder = disk, folder
        self.name = f"folder {folder}"

    def size(self, path: str) -> int:
        """Bytes of a file."""
        try:
            return self._disk.size(self._file(path))
        except DiskError as error:
            raise SourceError(self.name, path, str(error)) from error

    def read(self, path: str, *, start: int, length: int) -> bytes:
        """Exactly `length` bytes of a file from `start` on."""
        file = self._file(path)
        try:
            with closing(self._disk.open_read(file)) as opened:
                data = opened.read_at(start, length)
        except DiskError as error:
            raise SourceError(self.name, path, str(error)) from error
        if len(data) < length:
            raise AbsentError(self.name, path, f"it ends at byte {start + len(data):,}")
        return data

    def close(self) -> None:
        """Nothing is held."""

    def _file(self, path: str) -> Path:
        file = require_inside(self._folder, path)
        if not file.is_file():
            raise AbsentError(self.name, path, "there is no such file")
        return file
