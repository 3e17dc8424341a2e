"""A runtime manager on the status board: degraded while its primary engine is not called."""

import weakref

from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.listeners import StateChange
from tamis.resilience.machine import BreakerState
from tamis.telemetry.status import StatusBoard


def tell_board(board: StatusBoard, manager: object, breaker: CircuitBreaker, *, has_fallback: bool) -> None:
    """Say on the board from now on what the breaker means for whoever calls, until the manager is gone."""
    degraded = f"engine {breaker.name}"
    where = "calls go to the fallback engine" if has_fallback else "calls are refused"

    def told(change: StateChange) -> None:
        if change.after is BreakerState.CLOSED:
            board.mend(degraded)
        elif change.before is BreakerState.CLOSED or change.after is BreakerState.HARD_OPEN:
            board.degrade(degraded, f"{where} ({change.reason})")

    breaker.listen(told)
    weakref.finalize(manager, board.mend, degraded).atexit = False
