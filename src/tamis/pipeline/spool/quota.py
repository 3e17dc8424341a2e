"""The quota of a sink's spools: one for all processes, and the disk's reserve."""

from pathlib import Path

from tamis.disk.base import Disk
from tamis.disk.space import require_space
from tamis.errors import NoSpaceError
from tamis.pipeline.limits import SpoolLimits
from tamis.pipeline.spool.place import others_bytes

_SPACE_CHECK_BYTES = 256 << 10
_LOOK_BYTES = 1 << 20
"""After so much was asked for, another look at what other processes hold."""


class Quota:
    """Says whether a spool may grow. Not thread-safe."""

    def __init__(self, disk: Disk, folder: Path, limits: SpoolLimits) -> None:
        self.others_bytes = 0
        """What stands beside the spool in the sink's folder, as last seen."""
        self._disk, self._folder, self._limits = disk, folder, limits
        self._unchecked_bytes, self._unseen_bytes = _SPACE_CHECK_BYTES, 0

    def require(self, size: int, *, used: int) -> None:
        """NoSpaceError unless so many more bytes fit beside those that the spool has."""
        limits = self._limits
        # Other processes fill the same quota, all at once when the sink is away.
        self._unseen_bytes += size
        if self._unseen_bytes >= min(_LOOK_BYTES, limits.bytes_max // 64):
            self._unseen_bytes = 0
            self.others_bytes = others_bytes(self._disk, self._folder.parent, self._folder)
        used += self.others_bytes
        if used + size > limits.bytes_max:
            raise NoSpaceError(str(self._folder), size, max(limits.bytes_max - used, 0))
        self._unchecked_bytes += size
        if self._unchecked_bytes >= _SPACE_CHECK_BYTES:
            require_space(self._disk, self._folder, size, limits.reserve_bytes)
            self._unchecked_bytes = 0
