"""What processes that are gone left for a sink: taken over, one after the other."""

from collections.abc import Callable

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import DiskError, FormatError
from tamis.pipeline.delivery.backlog import Backlog
from tamis.pipeline.delivery.sender import Lane
from tamis.pipeline.limits import QueueLimits
from tamis.pipeline.metrics import SinkMeter
from tamis.pipeline.spool.store import SpoolStore

Tell = Callable[[str, str], object]


class Adoption:
    """Holds at most one spool of another process at a time. Used by one thread at a time."""

    def __init__(
        self, store: SpoolStore, meter: SinkMeter, *, tell: Tell, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.lane: Lane | None = None
        self._store, self._meter, self._tell, self._clock = store, meter, tell, clock
        self._look_s = 0.0

    def look(self, *, prefix: str, own: Backlog | None = None) -> None:
        """Take over the next one, if we have none under way and it is time to look. `own` learns how much room the
        others take.
        """
        now_s = self._clock.monotonic_s()
        lane = self.lane
        if now_s < self._look_s and (lane is None or not _is_done(lane)):
            return
        if lane is not None and not _is_done(lane):
            return
        self._look_s = now_s + self._store.limits.adopt_interval_s
        self.leave()
        try:
            spool = self._store.adopt()
            own_spool = own.spool if own is not None else None
            if own_spool is not None:
                own_spool.quota.others_bytes = self._store.others_bytes(own_spool)
        except (DiskError, FormatError) as error:
            self._tell("adopt", f"what other processes left for {self._meter.name} cannot be read: {error}")
            return
        if spool is not None:
            self._meter.adopt(spool.unsettled)
            limits, tell = QueueLimits(), self._tell
            backlog = Backlog(self._meter.name, self._meter, limits, prefix=prefix, tell=tell, adopted=spool)
            self.lane = Lane(backlog)

    def leave(self) -> None:
        """Let go of it; what is unsettled is the next process's."""
        lane, self.lane = self.lane, None
        if lane is not None:
            if lane.backlog.spool is not None:
                self._meter.release(lane.backlog.spool.unsettled)
            lane.backlog.close()

    def after_fork(self) -> None:
        """In the child: it is the parent's."""
        if self.lane is not None:
            self.lane.backlog.abandon()
            self.lane = None


def _is_done(lane: Lane) -> bool:
    return not lane.begun and lane.backlog.is_empty
