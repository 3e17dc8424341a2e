"""The machine's own disk."""

import contextlib
import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from tamis.disk.base import AppendFile, Buffers, Disk, ReadFile
from tamis.disk.calls import FILE_MODE, SystemCalls
from tamis.disk.failure import disk_errors
from tamis.errors import DiskError

_VECTORS_MAX = 1_024
"""How many pieces one writev takes (IOV_MAX on Linux, macOS and the BSDs)."""

_TEMPORARY = re.compile(r"\.tamis-[0-9a-f]{16}\.tmp")


class RealDisk:
    """`Disk` over system calls. Stateless but for them."""

    def __init__(self, calls: SystemCalls | None = None) -> None:
        self._calls = calls or SystemCalls()

    def create_folder(self, path: Path) -> None:
        """Make the folder and its parents where absent; the way to it and the names in it are safe."""
        missing: list[Path] = []
        folder = path
        while not self.exists(folder):
            missing.append(folder)
            folder = folder.parent
        for folder in reversed(missing):
            with disk_errors("create", folder), contextlib.suppress(FileExistsError):
                self._calls.make_folder(folder)
            self.sync_folder(folder.parent)
        if not missing:
            with disk_errors("sync", path.parent), contextlib.suppress(PermissionError):
                self._calls.sync_folder(path.parent)  # one that we may not read was not made by us
        self.sync_folder(path)

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder safe."""
        with disk_errors("sync", path):
            self._calls.sync_folder(path)

    def names(self, path: Path) -> list[str]:
        """The names in a folder, sorted."""
        with disk_errors("list", path):
            return sorted(self._calls.names(path))

    def read(self, path: Path) -> bytes:
        """The whole file."""
        with contextlib.closing(self.open_read(path)) as file:
            return file.read_at(0, file.size)

    def open_read(self, path: Path) -> ReadFile:
        """For reading in pieces."""
        with disk_errors("read", path):
            handle = self._calls.open_read(path)
            try:
                return RealReadFile(self._calls, path, handle=handle, size=self._calls.size(handle))
            except BaseException:
                self._calls.close(handle)
                raise

    def size(self, path: Path) -> int:
        """Bytes in a file."""
        with disk_errors("measure", path):
            return self._calls.stat(path).st_size

    def exists(self, path: Path) -> bool:
        """Whether a file or folder has this name."""
        try:
            with disk_errors("look for", path):
                self._calls.stat(path)
        except DiskError as error:
            if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                return False
            raise
        return True

    def write_whole(self, path: Path, data: Buffers, *, mode: int = FILE_MODE) -> None:
        """Make or replace a file: a temporary name, write, sync, rename, sync of the folder."""
        views = as_views(data)
        needed = sum(map(len, views))
        temporary = path.with_name(f".tamis-{os.urandom(8).hex()}.tmp")
        with disk_errors("write", path, needed=needed):
            try:
                self._write_new(temporary, views, mode=mode)
                self._calls.rename(temporary, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    self._calls.unlink(temporary)
                raise
            self._calls.sync_folder(path.parent)

    def _write_new(self, path: Path, views: Sequence[memoryview], *, mode: int) -> None:
        handle = self._calls.create(path, mode)
        try:
            write_all(self._calls, handle, views)
            self._calls.sync(handle)
        finally:
            self._calls.close(handle)

    def move(self, path: Path, target: Path) -> None:
        """Give a file another name; the new one is safe on return, and the old one stays away."""
        with disk_errors("move", path):
            if self.exists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
            self._calls.rename(path, target)
            self._calls.sync_folder(target.parent)
            if path.parent != target.parent:
                self._calls.sync_folder(path.parent)

    def replace(self, path: Path, target: Path) -> None:
        """Give a file, whose content is safe, another name in its folder; what had that name is gone."""
        with disk_errors("rename", path):
            self._calls.rename(path, target)
            self._calls.sync_folder(target.parent)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there; on return it stays away."""
        with disk_errors("remove", path):
            with contextlib.suppress(FileNotFoundError):
                self._calls.unlink(path)
            self._calls.sync_folder(path.parent)

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder, if it is there; on return it stays away."""
        with disk_errors("remove", path):
            with contextlib.suppress(FileNotFoundError):
                self._calls.remove_folder(path)
            self._calls.sync_folder(path.parent)

    def open_append(self, path: Path) -> AppendFile:
        """Open at the end, making an empty file if absent; its name is safe on return, and so is what is
        read from now on.
        """
        with disk_errors("open", path):
            try:
                handle, made = self._calls.create(path), True
            except FileExistsError:
                handle, made = self._calls.open_append(path), False
            try:
                if not made:
                    self._calls.sync(handle)
                    self._calls.drop_cached(handle)
                # Also for a file that was there: whoever made it may have been killed before this.
                self._calls.sync_folder(path.parent)
                return RealAppendFile(self._calls, path, handle=handle, size=self._calls.size(handle))
            except BaseException:
                self._calls.close(handle)
                raise

    def free_bytes(self, path: Path) -> int:
        """Bytes this process may still write where `path` is or will be."""
        while not self.exists(path) and path != path.parent:
            path = path.parent
        with disk_errors("measure", path):
            return self._calls.free_bytes(path)


class RealAppendFile:
    """`AppendFile` over a handle."""

    def __init__(self, calls: SystemCalls, path: Path, *, handle: int, size: int) -> None:
        self._calls, self._path, self._handle, self._size = calls, path, handle, size

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    @property
    def size(self) -> int:
        """Bytes in it, safe or not."""
        return self._size

    def append(self, data: Buffers) -> int:
        """Write at the end; return the position where `data` begins."""
        views = as_views(data)
        length = sum(map(len, views))
        with disk_errors("append to", self._path, needed=length):
            write_all(self._calls, self._open_handle(), views)
        position = self._size
        self._size += length
        return position

    def sync(self) -> None:
        """Make all that was appended or truncated before this call safe."""
        with disk_errors("sync", self._path):
            self._calls.sync(self._open_handle())

    def truncate(self, size: int) -> None:
        """Keep the first `size` bytes."""
        with disk_errors("truncate", self._path):
            self._calls.truncate(self._open_handle(), size)
        self._size = size

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            with disk_errors("close", self._path):
                self._calls.close(handle)

    def _open_handle(self) -> int:
        if self._handle < 0:
            raise DiskError(f"{self._path} was closed; open it again")
        return self._handle


class RealReadFile:
    """`ReadFile` over a handle."""

    def __init__(self, calls: SystemCalls, path: Path, *, handle: int, size: int) -> None:
        self._calls, self._path, self._handle, self._size = calls, path, handle, size

    @property
    def size(self) -> int:
        """Bytes in it when it was opened."""
        return self._size

    def read_at(self, position: int, length: int) -> bytes:
        """The bytes from `position` on, fewer than `length` only at the end of the file."""
        if self._handle < 0:
            raise DiskError(f"{self._path} was closed; open it again")
        with disk_errors("read", self._path):
            data = self._calls.read_at(self._handle, length, position)
            if len(data) == length or not data:
                return data
            pieces = [data]
            got = len(data)
            while data and got < length:
                data = self._calls.read_at(self._handle, length - got, position + got)
                pieces.append(data)
                got += len(data)
            return b"".join(pieces)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            with disk_errors("close", self._path):
                self._calls.close(handle)


def sweep_temporary(disk: Disk, path: Path) -> list[str]:
    """Remove what interrupted `write_whole` calls left in a folder; return the names. Needs the lock."""
    left = [name for name in disk.names(path) if _TEMPORARY.fullmatch(name)]
    for name in left:
        disk.remove(path / name)
    return left


def as_views(data: Buffers) -> list[memoryview]:
    """Each non-empty piece as plain bytes, uncopied."""
    views = (memoryview(piece) for piece in data)
    return [view.cast("B") for view in views if view.nbytes]


def write_all(calls: SystemCalls, handle: int, views: Sequence[memoryview]) -> None:
    """Append every byte, however few the system takes at a time."""
    waiting = list(views)
    first = 0
    while first < len(waiting):
        taken = calls.write(handle, waiting[first : first + _VECTORS_MAX])
        while first < len(waiting) and taken >= len(waiting[first]):
            taken -= len(waiting[first])
            first += 1
        if taken:
            waiting[first] = waiting[first][taken:]
