"""What the operating system refused, said with the path and what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tamis.errors import DiskError, NoSpaceError

_ADVICE = {
    errno.EACCES: "let the user that runs Tamis read and write there",
    errno.EPERM: "let the user that runs Tamis read and write there",
    errno.EROFS: "the file system is mounted read-only: find out why in the kernel's log, then remount it",
    errno.EIO: "the device failed: look in the kernel's log, and move the folder to a sound disk",
    errno.EMFILE: "raise the limit of open files of this process (ulimit -n)",
    errno.ENFILE: "raise the limit of open files of this machine",
    errno.ENOENT: "check that the path is right and its folder is there",
    errno.ENOTDIR: "check the path: a part of it is a file, not a folder",
    errno.EISDIR: "check the path: it is a folder, not a file",
    errno.ENOTEMPTY: "move away what is still in the folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EFBIG: "raise the limit of file size of this process (ulimit -f), or choose another file system",
}
_OTHERWISE = "look at the disk and the kernel's log"


@contextmanager
def disk_errors(action: str, path: Path, *, needed: int = 0) -> Iterator[None]:
    """Turn OSError into DiskError, and a full disk into NoSpaceError for `needed` bytes.

    `action` completes "cannot … PATH".
    """
    try:
        yield
    except OSError as error:
        raise as_disk_error(error, action, path, needed=needed) from error


def as_disk_error(error: OSError, action: str, path: Path, *, needed: int = 0) -> DiskError:
    """The error to raise for what the system said."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        # With a quota the file system's free bytes are not this user's.
        available = 0 if error.errno == errno.EDQUOT else _free_bytes(path)
        return NoSpaceError(str(path), needed, available)
    reason = error.strerror or str(error)
    advice = _ADVICE.get(error.errno or 0, _OTHERWISE)
    return DiskError(f"cannot {action} {path}: {reason}; {advice}")


def _free_bytes(path: Path) -> int:
    try:
        facts = os.statvfs(path.parent)
    except OSError:
        return 0
    return facts.f_bavail * facts.f_frsize
