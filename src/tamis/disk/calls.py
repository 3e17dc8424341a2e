"""What a disk is asked at the lowest level: one method for each system call that reads or changes it.

`RealDisk` is written over these alone, so a test can count, refuse or forget each one and keep RealDisk's
logic. Errors are OSError.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
FILE_MODE, FOLDER_MODE = 0o600, 0o700
"""What is kept here is nobody's business but its owner's."""
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP)


class SystemCalls:
    """The operating system's own. Stateless."""

    def create(self, path: Path, mode: int = FILE_MODE) -> int:
        """A new empty file, open for appending; FileExistsError when the name is taken."""
        return os.open(path, _APPEND | os.O_CREAT | os.O_EXCL, mode)

    def open_append(self, path: Path) -> int:
        """An existing file, open for appending."""
        return os.open(path, _APPEND)

    def write(self, handle: int, data: Sequence[memoryview]) -> int:
        """Append; return how many bytes were taken, which may be fewer than given."""
        return os.writev(handle, data)

    def sync(self, handle: int) -> None:
        """Make a file's content safe."""
        if _FULL_SYNC is not None:  # macOS: fsync stops at the drive's cache
            fcntl.fcntl(handle, _FULL_SYNC)
        else:
            os.fdatasync(handle)

    def drop_cached(self, handle: int) -> None:
        """Forget what memory holds of a file and the device has too, or should have."""
        with contextlib.suppress(AttributeError, OSError):  # not on every system; then memory is believed
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)

    def truncate(self, handle: int, size: int) -> None:
        """Cut a file."""
        os.ftruncate(handle, size)

    def close(self, handle: int) -> None:
        """Give a handle back."""
        os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name on its file system, replacing what has that name."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Take a file's name away."""
        path.unlink()

    def make_folder(self, path: Path) -> None:
        """Make a folder for its owner alone in an existing one."""
        path.mkdir(FOLDER_MODE)

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder safe."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        except OSError as error:
            # Some network file systems know no fsync of a folder; their server keeps names by itself.
            if error.errno not in _NO_FOLDER_SYNC:
                raise
        finally:
            os.close(handle)

    def open_read(self, path: Path) -> int:
        """An existing file, open for reading."""
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with contextlib.suppress(AttributeError, OSError):  # advice only; not on every system
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        return handle

    def read_at(self, handle: int, length: int, position: int) -> bytes:
        """Up to `length` bytes from `position`; empty at the end."""
        return os.pread(handle, length, position)

    def size(self, handle: int) -> int:
        """Bytes in an open file."""
        return os.fstat(handle).st_size

    def stat(self, path: Path) -> os.stat_result:
        """What stands at a path; FileNotFoundError when nothing does."""
        return path.stat()

    def names(self, path: Path) -> list[str]:
        """The names in a folder, in any order."""
        return [entry.name for entry in path.iterdir()]

    def free_bytes(self, path: Path) -> int:
        """Bytes an ordinary user may still write on the file system of an existing path."""
        facts = os.statvfs(path)
        return facts.f_bavail * facts.f_frsize
