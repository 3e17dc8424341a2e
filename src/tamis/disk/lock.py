"""One writer to a folder: a lock that the kernel gives back when its holder dies, however it dies."""

import contextlib
import fcntl
import os
import weakref
from pathlib import Path

from tamis.disk.calls import FILE_MODE
from tamis.disk.failure import disk_errors
from tamis.errors import LockedError

LOCK_NAME = "lock"
_HOLDER_BYTES_MAX = 1_024


class FolderLock:
    """A folder held by this process until `release`, or its death. A forked child does not hold it.

    Usable with `with`.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        _held.add(self)

    def release(self) -> None:
        """Let others have the folder. Idempotent."""
        if self._handle >= 0:
            with contextlib.suppress(OSError):  # the name inside is for people; the lock is the kernel's
                os.ftruncate(self._handle, 0)
            fcntl.flock(self._handle, fcntl.LOCK_UN)  # closing is not enough while a child is being forked
            self.forget()

    def forget(self) -> None:
        """Close this process's handle: in a forked child the parent keeps the lock."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)
        _held.discard(self)

    def __enter__(self) -> "FolderLock":
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


def lock_folder(path: Path, purpose: str = "tamis") -> FolderLock:
    """Hold an existing folder, at once or not at all: LockedError names the process that has it and its
    purpose.

    Works between processes and within one. The lock file stays when the lock is released.
    """
    file = path / LOCK_NAME
    with disk_errors("lock", file):
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_there(file, handle):
                raise BlockingIOError  # its holder removed it meanwhile: another may have a new one
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()} {purpose}\n".encode()[:_HOLDER_BYTES_MAX], 0)
        except BlockingIOError:
            holder = _holder(os.pread(handle, _HOLDER_BYTES_MAX, 0))
            os.close(handle)
            raise LockedError(str(path), holder) from None
        except BaseException:
            os.close(handle)
            raise
    return FolderLock(path, handle)


def _is_there(file: Path, handle: int) -> bool:
    """Whether the open file still has its name: a lock on one that was removed keeps nobody out."""
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except FileNotFoundError:
        return False


def _holder(content: bytes) -> str:
    pid, _, purpose = content.decode("utf-8", "replace").strip().partition(" ")
    return f"process {pid} ({purpose})" if pid else "another process"


_held: "weakref.WeakSet[FolderLock]" = weakref.WeakSet()


def _forget_in_child() -> None:
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_forget_in_child)
