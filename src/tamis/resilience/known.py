"""Every breaker of this process, for whoever shows them: metrics, the status, a health check."""

import threading
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tamis.resilience.breaker import BreakerMetrics, CircuitBreaker

SHOWN_MAX = 200
"""Breakers told of; an application may have one for each of its customers."""


class Known:
    """Breakers that are alive; being known keeps none alive. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._alive: weakref.WeakSet[CircuitBreaker] = weakref.WeakSet()

    def add(self, breaker: "CircuitBreaker") -> None:
        """One more."""
        with self._lock:
            self._alive.add(breaker)

    def all(self) -> "list[CircuitBreaker]":
        """Those that are alive, by name."""
        with self._lock:
            found = list(self._alive)
        return sorted(found, key=lambda breaker: breaker.name)

    def after_fork(self) -> None:
        """In the child: the lock may be another thread's of the parent, and so may those of the breakers."""
        self._lock = threading.RLock()
        for breaker in self.all():
            breaker.after_fork()


KNOWN = Known()


def breakers() -> "list[CircuitBreaker]":
    """Every breaker of this process, by name."""
    return KNOWN.all()


def breaker_metrics(among: "Iterable[CircuitBreaker] | None" = None) -> "list[BreakerMetrics]":
    """How the breakers stand, by name; of more than SHOWN_MAX, those that let through least first."""
    found = [breaker.metrics() for breaker in (breakers() if among is None else among)]
    if len(found) > SHOWN_MAX:
        found = sorted(found, key=lambda one: one.state.value == "closed")[:SHOWN_MAX]
    return sorted(found, key=lambda one: one.name)
