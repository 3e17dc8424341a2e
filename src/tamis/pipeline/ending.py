"""The end of a pipeline: everything delivered or let go, on the thread that asks."""

from collections.abc import Sequence, Sized
from typing import Protocol

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.alone import Alone
from tamis.pipeline.delivery.delivery import Delivery
from tamis.pipeline.own import own_work
from tamis.pipeline.pump import Pump

LAST_S = 1.0
"""How long a caller works for the record it logs after the end."""


class Drain(Protocol):
    """Hands out what is in the queue now; whether all of it was."""

    def __call__(self, deadline_s: float, *, final: bool = False, start: bool = True) -> bool:
        """`final`: what does not fit is dropped, and counted. `start`: deliveries may start threads."""
        ...


class Ending:
    """Delivers what there is and starts no thread. One thread at a time: whoever logs meanwhile leaves the record to
    it, and cuts nobody's time short. Thread-safe.
    """

    def __init__(self, queue: Sized, pump: Pump, drain: Drain, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._queue, self._pump, self._drain, self._clock = queue, pump, drain, clock
        self._alone = Alone(clock)

    def end(self, deadline_s: float) -> bool:
        """Deliver, and let sinks go; whether all arrived in time."""
        with own_work(), self._alone.hold(deadline_s) as is_mine:
            if not is_mine:
                return False
            drained = self._drain(deadline_s, final=True, start=False)
            done = _let_go(self._pump.deliveries, deadline_s) and drained
            last_s = max(deadline_s, self._clock.monotonic_s() + LAST_S)
            while self._queue and self._clock.monotonic_s() < last_s:  # logged while we were at it
                drained = self._drain(last_s, start=False)
                done = _let_go(self._pump.deliveries, last_s) and drained and done
        return done

    def end_late(self) -> bool:
        """The same for a record that came after the end."""
        return self.end(self._clock.monotonic_s() + LAST_S)

    def write_now(self) -> None:
        """Deliver, and go on: no thread can be started now."""
        deadline_s = self._clock.monotonic_s() + LAST_S
        with own_work():
            self._drain(deadline_s, start=False)
            for delivery in self._pump.deliveries:
                delivery.drain(deadline_s)


def _let_go(deliveries: Sequence[Delivery], deadline_s: float) -> bool:
    """Close deliveries, those first whose records stand nowhere else; whether all was delivered."""
    for delivery in deliveries:
        delivery.hurry()
    in_order = sorted(deliveries, key=lambda delivery: delivery.sink.spooled)
    closed = [delivery.close(deadline_s) for delivery in in_order]
    return all(closed)
