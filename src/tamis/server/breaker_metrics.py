"""The breakers of this process in /metrics: brought up to date when somebody asks."""

import threading
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from tamis.resilience.breaker import BreakerMetrics, CircuitBreaker
from tamis.resilience.known import breakers
from tamis.resilience.machine import BreakerState
from tamis.telemetry.metrics import Metrics

SHOWN_MAX = 200
"""Breakers told of: each is some twenty lines."""
_WORST_FIRST = (BreakerState.HARD_OPEN, BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED)
_STATE = "tamis_breaker_state"

Counted = dict[tuple[str, str], float]
"""By metric and its second label."""


class BreakerLines:
    """Adds to the counters what breakers counted since the last time, and says the state of each. Of several with one
    name the counts are summed up, and the worst state is told. Thread-safe.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics, self._lock = metrics, threading.Lock()
        self._last: WeakKeyDictionary[CircuitBreaker, Counted] = WeakKeyDictionary()
        self._shown: set[str] = set()

    def refresh(self) -> None:
        """Bring the metrics up to date."""
        with self._lock:
            states: dict[str, set[BreakerState]] = {}
            for breaker in breakers():
                if breaker.name not in states and len(states) >= SHOWN_MAX:
                    continue
                found = breaker.metrics()
                states.setdefault(found.name, set()).add(found.state)
                self._count(breaker, found)
            self._tell(states)

    def _count(self, breaker: CircuitBreaker, found: BreakerMetrics) -> None:
        last, now = self._last.get(breaker, {}), dict(_counted(found))
        for (metric, label), value in now.items():
            more = value - last.get((metric, label), 0.0)
            if more > 0 or (metric, label) not in last:
                self._metrics.add(metric, max(more, 0.0), found.name, label)
        self._last[breaker] = now

    def _tell(self, states: dict[str, set[BreakerState]]) -> None:
        for name, among in states.items():
            worst = next(state for state in _WORST_FIRST if state in among)
            for state in BreakerState:
                self._metrics.set(_STATE, int(state is worst), name, state.value)
        for name in self._shown - states.keys():
            for state in BreakerState:
                self._metrics.drop(_STATE, name, state.value)
        self._shown = set(states)


def _counted(found: BreakerMetrics) -> Iterator[tuple[tuple[str, str], float]]:
    counts = found.counts
    for result, count in (
        ("success", counts.successes),
        ("failure", counts.failures),
        ("refused", counts.refused),
        ("rejection", counts.rejections),
        ("abandoned", counts.abandoned),
        ("late", counts.late),
    ):
        yield ("tamis_breaker_calls_total", result), count
    for state in BreakerState:
        yield ("tamis_breaker_entered_total", state.value), found.entered[state]
        yield ("tamis_breaker_seconds_total", state.value), found.seconds[state]
