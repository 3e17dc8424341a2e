"""Who wants to know of a breaker's changes of state, told in order and never in the caller's way."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tamis.resilience.machine import BreakerState, Change
from tamis.telemetry.status import StatusBoard


@dataclass(frozen=True, slots=True)
class StateChange:
    """A breaker went from one state to another; `at_s` is on its clock's monotonic scale."""

    name: str
    before: BreakerState
    after: BreakerState
    at_s: float
    reason: str


Listener = Callable[[StateChange], None]


def tell_board(board: StatusBoard, change: StateChange) -> None:
    """Put a change of state on the status board."""
    is_worse = change.after in (BreakerState.OPEN, BreakerState.HARD_OPEN)
    board.tell(
        "breaker",
        f"{change.name} is {change.after.value.replace('_', ' ')}: {change.reason}",
        severity="warning" if is_worse else "info",
        name=change.name,
        before=change.before.value,
        after=change.after.value,
        reason=change.reason,
    )


class Listeners:
    """Takes changes from a queue and tells them to everyone, one thread at a time, so that order holds. What a
    listener raises is counted. A listener may use the breaker: what that changes is told after it.
    """

    def __init__(self, name: str, changes: "deque[Change]") -> None:
        self.errors = 0
        self._name, self._changes = name, changes
        self._all: tuple[Listener, ...] = ()
        self._adding, self._telling = threading.Lock(), threading.Lock()

    def add(self, listener: Listener) -> Callable[[], None]:
        """Tell it from now on; what comes back ends that."""

        def one(change: StateChange) -> None:
            listener(change)

        with self._adding:
            self._all = (*self._all, one)

        def end() -> None:
            with self._adding:
                self._all = tuple(other for other in self._all if other is not one)

        return end

    def tell(self) -> None:
        """Tell what is queued, unless another thread does already: it will see these too."""
        while self._changes and self._telling.acquire(blocking=False):
            try:
                self._tell_queued()
            finally:
                self._telling.release()

    def after_fork(self) -> None:
        """In the child: locks that other threads of the parent held would never be free."""
        self._adding, self._telling = threading.Lock(), threading.Lock()

    def _tell_queued(self) -> None:
        while self._changes:
            change = StateChange(self._name, *self._changes.popleft())
            for listener in self._all:
                try:
                    listener(change)
                except Exception:  # a listener's fault is never the fault of who made the call
                    self.errors += 1
