"""Steps: what is done for one sink, by its own thread or by whoever cannot wait for that."""

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.alone import Alone
from tamis.pipeline.base import Sink
from tamis.pipeline.delivery.dead import DeadLetters
from tamis.pipeline.delivery.lanes import Lanes
from tamis.pipeline.delivery.tally import Tally
from tamis.pipeline.own import own_work
from tamis.telemetry.diagnostics import Diagnostics

_IDLE_S = 0.5
_POLL_S = 0.002


class Steps:
    """Sends one load a step, and lets everything go at the end. Thread-safe: one thread at a time takes a step, so
    that no batch is sent, or counted, twice. `inherited` says that the sink's connections are a forked parent's.
    """

    def __init__(
        self,
        sink: Sink,
        lanes: Lanes,
        tally: Tally,
        *,
        dead: DeadLetters | None,
        diagnostics: Diagnostics,
        inherited: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.is_closed = False
        """Whether nothing but our own records is sent any more."""
        self._sink, self._lanes, self._tally, self._dead = sink, lanes, tally, dead
        self._diagnostics, self._clock = diagnostics, clock
        self._alone = Alone(clock)
        self._is_inherited, self._is_leaving, self._lost = inherited, False, 0

    @property
    def is_mine(self) -> bool:
        """Whether this thread is in the middle of a step."""
        return self._alone.is_mine

    def turn(self) -> float:
        """A step of the sink's own thread; seconds to wait before the next."""
        with self._alone.hold(self._clock.monotonic_s() + _IDLE_S) as is_mine:
            return self._step(hurry=self._tally.is_hurried, own_only=self.is_closed) if is_mine else 0.0

    def drain(self, deadline_s: float, *, patient: bool = True) -> bool:
        """Send what waits, one load at least; whether nothing is left. Not `patient`: ends at the first trouble."""
        if self._alone.is_mine:
            return False
        with own_work():
            while self._tally.waiting:
                with self._alone.hold(deadline_s) as is_mine:
                    if not is_mine:
                        return False
                    wait_s = self._step(hurry=True, own_only=True)
                left_s = deadline_s - self._clock.monotonic_s()
                if left_s <= wait_s or (wait_s > 0 and not patient):
                    return not self._tally.waiting
                self._clock.sleep(min(wait_s, _POLL_S * 5))
        return True

    def leave(self, deadline_s: float) -> bool:
        """Let everything go, now or when the step under way has ended; whether nothing is lost by it."""
        lost_before, self._is_leaving = self._lost, True
        with self._alone.hold(max(deadline_s, self._clock.monotonic_s() + _POLL_S)) as is_mine:
            if is_mine:
                self._leave()
        if self._is_leaving and not self._lanes.is_safe:
            self._tell_closed(f"{self._sink.name} has not answered by the end, records wait for it in memory")
            return False
        return self._lost == lost_before

    def _step(self, *, hurry: bool, own_only: bool) -> float:
        """Send one load if one is due; seconds to wait before the next step."""
        if self._is_inherited:
            self._is_inherited = False
            self._close_sink()
        try:
            return self._lanes.step(hurry=hurry, own_only=own_only)
        finally:
            if self._is_leaving:  # `leave` could not wait for the answer
                self._leave()

    def _leave(self) -> None:
        self._is_leaving = False
        lost, spooled = self._lanes.leave()
        self._lost += lost
        self._tally.go(lost + spooled)
        if lost:
            self._tell_closed(f"{lost:,} records could not be delivered to {self._sink.name} at the end")
        if self._dead is not None:
            self._dead.close()
        self._close_sink()

    def _close_sink(self) -> None:
        sink = self._sink
        try:
            sink.close()
        except Exception as error:  # a sink's edge: that it cannot close is no reason to lose anything
            self._diagnostics.tell(f"close {sink.name}", f"{sink.name} cannot close: {error}")

    def _tell_closed(self, sentence: str) -> None:
        self._diagnostics.tell(f"closed {self._sink.name}", sentence)
