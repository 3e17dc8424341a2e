"""The executors that this process has, for those who look at all of them."""

import weakref
from typing import Protocol

from tamis.resilience.executor.book import ExecutorMetrics


class Seen(Protocol):
    """What every executor shows of itself."""

    name: str

    def peek(self) -> ExecutorMetrics:
        """What it counts, as far as it looked: from any thread, changes nothing."""
        ...


_ALIVE: "weakref.WeakSet[Seen]" = weakref.WeakSet()


def remember(executor: Seen) -> None:
    """It is there, until nobody holds it any more."""
    _ALIVE.add(executor)


def executors() -> list[Seen]:
    """All that are there."""
    return list(_ALIVE)
