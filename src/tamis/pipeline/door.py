"""The door of the queue: who may come in when it is full, and who waits."""

import threading
from collections import deque
from collections.abc import Callable

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.captured import FIELDS, LEVEL, MESSAGE, Captured
from tamis.pipeline.limits import KEPT_BELOW, QueueLimits, share_of
from tamis.pipeline.own import is_interrupted
from tamis.pipeline.pace import Pace

OPEN_RECORDS = 512
"""While fewer wait nobody is asked for their number, whatever the records' size."""
LARGE_BYTES = 16 << 10
"""Records from this size on are measured one by one; others count as a part of the bound on records."""
_POLL_S, _POLL_MAX_S = 0.001, 0.05
"""Who waits looks so often, more seldom as more do: they and the worker share the processor."""


class Door:
    """Decides over records when the queue is no longer nearly empty. Takes no lock, keeps no count that two
    threads could both change: what it reads may be a few records old, so a bound may be passed by as many
    records as there are threads.

    `pace` is told by the worker how it gets on. While more wait than it takes in time callers wait, for the limit of
    the policy at most, and are let in then: only for want of room is a record refused.
    """

    def __init__(
        self,
        limits: QueueLimits,
        queue: "deque[Captured]",
        *,
        presses: Callable[[], bool],
        hurry: Callable[[], object] = int,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.limits, self.pace = limits, Pace(limits.pace_s)
        self._queue, self._presses, self._hurry, self._clock = queue, presses, hurry, clock
        self._large: deque[int] = deque()
        self._gave_up = self._is_closed = False
        self._rounds = 0
        self._waiting: set[int] = set()
        """The threads that wait, each of which adds and takes away itself."""

    def close(self) -> None:
        """Nobody waits any more: there is no worker that would come round."""
        self._is_closed = True

    def admit(self, captured: Captured) -> bool:
        """Whether the record may be put into the queue now; waits when the policy says so."""
        level = captured[LEVEL]
        size = _size(captured)
        fits = self._fits(level, size)
        if self.limits.overflow != "drop" and not self._gave_up and not self._is_open(fits=fits):
            fits = self._wait(level, size)
        if fits and size >= LARGE_BYTES:
            self._large.append(size)
        return fits

    def open_records(self, bytes_each: float) -> int:
        """While fewer wait nobody is asked anything, as records are about so large now."""
        if self._presses():
            return 0
        limits = self.limits
        most = limits.records_max * KEPT_BELOW[0][1]
        small = max(limits.bytes_max / 4 / max(bytes_each, 1.0), OPEN_RECORDS)
        return int(min(most, small, self.pace.records))

    def took(self) -> None:
        """The worker has taken some: who waits from now on may hope again."""
        if not self._queue:
            self._large.clear()
        if not self._presses():
            self._rounds += 1
            self._gave_up = False

    def _is_open(self, *, fits: bool) -> bool:
        """Whether a record goes straight in. Not while others wait: who logs most would take all the room from them."""
        return fits and not self._waiting and not self._is_late() and not self._presses()

    def _is_late(self) -> bool:
        """Whether more wait than the worker takes in time."""
        return len(self._queue) >= self.pace.records

    def _fits(self, level: int, size: int) -> bool:
        share = share_of(level)
        if len(self._queue) >= self.limits.records_max * share:
            return False
        waiting = sum(self._large.copy())
        return waiting + size <= self.limits.bytes_max * share or not self._queue

    def _wait(self, level: int, size: int) -> bool:
        """Until there is room and no sink presses; whether there is room at the end. Who waited in vain while the
        worker took nothing waits for everybody: nobody does again before it came round. A signal's handler that logs
        in the middle of a wait does not wait too, else each signal would nest in the last one's; nor do handlers and
        finalizers anywhere while there is room.
        """
        thread, fits = threading.get_ident(), self._fits(level, size)
        if thread in self._waiting or (fits and is_interrupted()):
            return fits
        self._hurry()
        self._waiting.add(thread)
        try:
            return self._wait_for_room(level, size)
        finally:
            self._waiting.discard(thread)

    def _wait_for_room(self, level: int, size: int) -> bool:
        deadline_s, rounds = self._clock.monotonic_s() + self.limits.block_s, self._rounds
        while not self._gave_up and not self._is_closed and self._clock.monotonic_s() < deadline_s:
            self._clock.sleep(min(_POLL_S * len(self._waiting), _POLL_MAX_S))
            if self._fits(level, size) and not self._is_late() and not self._presses():
                return True
        if self._rounds == rounds:
            self._gave_up = True
        return self._fits(level, size)


def _size(captured: Captured) -> int:
    """About the bytes of what is long in a record."""
    size = len(captured[MESSAGE])
    fields = captured[FIELDS]
    if fields:
        size += sum(len(value) for value in fields.values() if type(value) is str)
    return size
