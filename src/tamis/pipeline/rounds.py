"""Rounds: what the worker does whenever it comes round, and others do in its place when there is no time to wait."""

from collections import deque

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.alone import Alone
from tamis.pipeline.captured import Captured
from tamis.pipeline.door import Door
from tamis.pipeline.pump import Pump

TICK_S = 0.02
"""How long a record waits for the worker at most, when that has nothing else to do."""
HELD_S = 0.002
"""How soon the worker looks again whether a sink has room by now, while records wait for that."""
_PATIENCE_S = 1.0
_DUE_INTERVAL_S = 0.25


class Rounds:
    """Hands out what is in the queue. Thread-safe: one thread at a time does it, and `alone` is for whoever must not
    be disturbed by that.
    """

    def __init__(
        self, queue: "deque[Captured]", pump: Pump, door: Door, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.alone = Alone(clock)
        self._queue, self._pump, self._door, self._clock = queue, pump, door, clock
        self._due_s = 0.0

    def turn(self) -> float:
        """One round of the worker; how long it may wait for the next."""
        began_s = self._clock.monotonic_s()
        with self.alone.hold(began_s + _PATIENCE_S) as is_mine:
            if not is_mine:
                return TICK_S
            self._pump.may_start = True
            taken = self._take()
            self._send_due()
        if not self._queue:
            return TICK_S
        return 0.0 if taken else HELD_S

    def drain(self, deadline_s: float, *, final: bool = False, start: bool = True) -> bool:
        """Hand out what is in the queue now; whether all of it was. `final`: what does not fit is dropped, and
        counted. `start`: deliveries may start threads.
        """
        with self.alone.hold(deadline_s) as is_mine:
            if not is_mine:
                return False
            self._pump.may_start = start
            done = self._pump.drain(self._queue, deadline_s, final=final)
            if final:
                self._pump.finish()
        return done

    def write(self, deadline_s: float) -> bool:
        """The same for durable records; whether all that was there is delivered, done with, or in its sink's spool.
        While this thread is in the middle of a round already, that will see to it.
        """
        if self.alone.is_mine:
            return True
        with self.alone.hold(deadline_s) as is_mine:
            if not is_mine:
                return False
            self._pump.may_start = True
            done = self._pump.drain(self._queue, deadline_s)
            return done and all(delivery.is_kept for delivery in self._pump.deliveries)

    def _take(self) -> int:
        began_s = self._clock.monotonic_s()
        taken = self._pump.take(self._queue)
        if taken:
            self._door.pace.note(taken, self._clock.monotonic_s() - began_s)
        if taken or not self._queue:
            self._door.took()
        return taken

    def _send_due(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s >= self._due_s:
            self._due_s = now_s + _DUE_INTERVAL_S
            self._pump.due()
