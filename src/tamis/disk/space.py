"""Room on the disk, asked for before anything is written."""

from pathlib import Path

from tamis.disk.base import Disk
from tamis.errors import NoSpaceError


def require_space(disk: Disk, path: Path, needed_bytes: int, reserve_bytes: int = 0) -> None:
    """Raise NoSpaceError unless `needed_bytes` fit where `path` is or will be and leave `reserve_bytes` free.

    The error's `needed` is the sum of both, its `available` what is free. Others may write at the same time:
    a write can still meet a full disk.
    """
    available = disk.free_bytes(path)
    needed = needed_bytes + reserve_bytes
    if available < needed:
        raise NoSpaceError(str(path), needed, available)
