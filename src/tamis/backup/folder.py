"""A folder as a target: on another disk, or a share that several machines mount."""

import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tamis.backup.target import AbsentObjectError, Listed, is_name, require_name
from tamis.clock import SYSTEM_CLOCK
from tamis.disk.base import Disk
from tamis.disk.real import sweep_temporary
from tamis.errors import DiskError
from tamis.keys.turn import our_turn

if TYPE_CHECKING:
    from tamis.disk.base import Buffers

_DEPTH: Final = {"packs": 1}
"""Folders whose objects are spread over folders of two digits."""


class FolderTarget:
    """`Target` over a folder, which is made when the first object is kept. Links in it are not followed."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk, self.folder = disk, folder
        self.name = f"folder {folder}"
        self._made: set[Path] = set()
        self._lock = threading.Lock()

    def put(self, name: str, data: "Buffers") -> None:
        """Keep an object."""
        path = self._path(name)
        self._make(path.parent)
        try:
            self._disk.write_whole(path, data)
        except DiskError:
            self._made.clear()  # the folder may have been taken away under us: it is made anew next time
            raise

    def put_new(self, name: str, data: "Buffers") -> bool:
        """Keep an object unless one is there."""
        path = self._path(name)
        self._make(self.folder)
        with our_turn(self.folder, SYSTEM_CLOCK, purpose="making a repository"):
            if self._disk.exists(path):
                return False
            self.put(name, data)
            return True

    def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of an object."""
        path = self._path(name)
        try:
            with closing(self._disk.open_read(path)) as file:
                return file.read_at(start, max(file.size - start, 0) if length is None else length)
        except DiskError as error:
            raise self._told(name, error) from error

    def get_again(self, name: str) -> bytes:
        """All bytes, from the device."""
        path = self._path(name)
        if not self._disk.exists(path):
            raise AbsentObjectError(self.name, name)
        with suppress(DiskError):  # it may be mounted to be read only: then memory is believed
            self._disk.open_append(path).close()  # drops what memory holds of it
        return self.get(name)

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every object of a folder, in order of name."""
        folder = self.folder / prefix
        if not self._disk.exists(folder):
            return
        for name in self._disk.names(folder):
            if prefix in _DEPTH and is_name(f"{prefix}/{name}") and len(name) == 2:
                yield from self._listed(f"{prefix}/{name}")
            else:
                yield from self._one(f"{prefix}/{name}")

    def _listed(self, prefix: str) -> Iterator[Listed]:
        for name in self._disk.names(self.folder / prefix):
            yield from self._one(f"{prefix}/{name}")

    def _one(self, name: str) -> Iterator[Listed]:
        path = self.folder / name
        if is_name(name) and not path.is_symlink() and path.is_file():
            try:
                yield Listed(name, self._disk.size(path))
            except DiskError as error:
                if self._disk.exists(path):
                    raise
                del error  # somebody else removed it meanwhile

    def delete(self, name: str) -> None:
        """Remove an object."""
        path = self._path(name)
        if self._disk.exists(path):
            self._disk.remove(path)

    def sweep(self) -> int:
        """Remove what interrupted writes left."""
        if not self._disk.exists(self.folder):
            return 0
        removed = len(sweep_temporary(self._disk, self.folder))
        for top in self._folders(self.folder):
            removed += len(sweep_temporary(self._disk, top))
            for inner in self._folders(top):
                removed += len(sweep_temporary(self._disk, inner))
        return removed

    def _folders(self, folder: Path) -> Iterator[Path]:
        for name in self._disk.names(folder):
            path = folder / name
            if name.isalnum() and path.is_dir() and not path.is_symlink():
                yield path

    def free_bytes(self) -> int | None:
        """Free bytes of its disk."""
        return self._disk.free_bytes(self.folder)

    def _path(self, name: str) -> Path:
        require_name(name)
        return self.folder / name

    def _make(self, folder: Path) -> None:
        with self._lock:
            if folder not in self._made:
                self._disk.create_folder(folder)
                self._made.add(folder)

    def _told(self, name: str, error: DiskError) -> Exception:
        if self._disk.exists(self._path(name)):
            return error
        return AbsentObjectError(self.name, name)
