"""Two lanes to one sink: this process's records, and what another process left."""

from collections.abc import Callable

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.delivery.adoption import Adoption
from tamis.pipeline.delivery.sender import Lane, Sender
from tamis.pipeline.unbroken import unbroken

CLOSED = "closed"
"""The reason for records that could not be sent before the end, and stand in no spool."""
IDLE_S = 0.5
"""How long to wait when nothing is due."""


class Lanes:
    """Sends one load after the other, the lanes in turn. Used by one thread at a time."""

    def __init__(
        self,
        own: Lane,
        sender: Sender,
        *,
        adoption: Adoption | None,
        prefix: Callable[[], str],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._own, self._sender, self._adoption, self._prefix = own, sender, adoption, prefix
        self._clock = clock
        self._is_adopted_turn = False

    @property
    def is_safe(self) -> bool:
        """Whether all of our own that waits stands in the spool."""
        backlog = self._own.backlog
        if backlog.spool is None or backlog.is_private:
            return False
        return all(load.spooled == len(load.records) for load in self._own.begun.copy())

    def step(self, *, hurry: bool, own_only: bool) -> float:
        """Send one load if one is due; seconds to wait before the next step."""
        now_s = self._clock.monotonic_s()
        if now_s < self._sender.not_before_s:
            return self._sender.not_before_s - now_s
        if self._adoption is not None and not own_only and not self._sender.is_failing:
            self._adoption.look(prefix=self._prefix(), own=self._own.backlog)
        lane = self._next(now_s, hurry=hurry, own_only=own_only)
        if lane is None:
            self._own.backlog.prepare()
            due_s = self._own.backlog.due_in_s(self._sender.sink.limits, now_s)
            return IDLE_S if due_s is None else min(max(due_s, 0.001), IDLE_S)
        return self._sender.try_first(lane)

    @unbroken()
    def _next(self, now_s: float, *, hurry: bool, own_only: bool) -> Lane | None:
        """The lane whose first load is to be sent now."""
        lanes = [self._own]
        adopted = self._adoption.lane if self._adoption is not None and not own_only else None
        if adopted is not None:
            lanes.insert(0 if self._is_adopted_turn else 1, adopted)
        for lane in lanes:
            if lane.next_load(self._sender.sink.limits, now_s=now_s, hurry=hurry) is not None:
                self._is_adopted_turn = lane is self._own
                return lane
        return None

    @unbroken()
    def leave(self) -> tuple[int, int]:
        """What is not sent stands in the spool, or is gone; how many records of our own are gone, and how many stand
        there.
        """
        own = self._own
        begun = sum(len(load.records) - load.spooled for load in own.begun)
        own.begun.clear()
        lost, spooled = own.backlog.close()
        lost += begun
        if lost:
            self._sender.meter.drop(CLOSED, queued=lost)
        if self._adoption is not None:
            self._adoption.leave()
        return lost, spooled

    def abandon(self) -> None:
        """In a forked child: all of it is the parent's."""
        self._own.backlog.abandon()
        if self._adoption is not None:
            self._adoption.after_fork()
