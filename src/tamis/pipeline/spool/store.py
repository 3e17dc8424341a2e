"""The spools of one sink: this process's own, those that others left, and its dead letters."""

from pathlib import Path

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.disk.real import RealDisk
from tamis.errors import DiskError, FormatError
from tamis.pipeline.limits import SpoolLimits
from tamis.pipeline.spool.place import (
    DEAD_LETTERS,
    SPOOL,
    create_own,
    hold_orphans,
    others_bytes,
    sink_key,
)
from tamis.pipeline.spool.spool import Spool, new_begin, open_spool

_AGAIN_S = 1.0


class SpoolStore:
    """Makes spools for one sink in a state folder. Thread-safe as far as its spools are."""

    def __init__(
        self,
        state: Path,
        sink: str,
        *,
        limits: SpoolLimits | None = None,
        disk: Disk | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.sink, self.limits = sink, limits or SpoolLimits()
        self.place = state / SPOOL / sink_key(sink)
        self.dead_place = state / DEAD_LETTERS / sink_key(sink)
        self.disk: Disk = disk or RealDisk()
        self._clock = clock
        self._not_before_s = 0.0
        self._failure: DiskError | None = None

    def create(self, process: str) -> Spool:
        """A new spool of this process; DiskError when it cannot be made, asked of the disk once a second."""
        now_s = self._clock.monotonic_s()
        if self._failure is not None and now_s < self._not_before_s:
            raise self._failure
        try:
            lock = create_own(self.disk, self.place, f"spool of {self.sink}")
        except DiskError as error:
            self._failure, self._not_before_s = error, now_s + _AGAIN_S
            raise
        self._failure = None
        begin = new_begin(self.sink, process, self._clock)
        spool = Spool(self.disk, lock, begin, limits=self.limits, clock=self._clock)
        spool.quota.others_bytes = self.others_bytes(spool)
        return spool

    def others_bytes(self, own: Spool | None) -> int:
        """What stands in the sink's folder beside our own spool."""
        return others_bytes(self.disk, self.place, None if own is None else own.folder)

    def adopt(self) -> Spool | None:
        """One that was left with something in it; what is empty is removed on the way. One that cannot be read is
        left where it is: DiskError or FormatError, when there is no other.
        """
        trouble: DiskError | FormatError | None = None
        for lock in hold_orphans(self.disk, self.place, f"replay to {self.sink}"):
            try:
                spool = open_spool(self.disk, lock, limits=self.limits, clock=self._clock)
            except (DiskError, FormatError) as error:
                lock.release()
                trouble = trouble or error
                continue
            except BaseException:
                lock.release()
                raise
            if spool.unsettled:
                return spool
            spool.close()
        if trouble is not None:
            raise trouble
        return None

    def discard(self, spool: Spool) -> None:
        """Remove a spool with all that is in it."""
        spool.settle(range(0, spool.next_ordinal))
        spool.close()
