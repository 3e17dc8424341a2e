"""A value set in all levels: writes of one key have one order, and none hides what another process changed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tamis.cache.flights import Flights
from tamis.cache.lower import LowerLevels
from tamis.cache.memory import MemoryLevel


class Turns:
    """One at a time for each key. A thread that has its turn may have it again."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._turns: dict[str, list[Any]] = {}

    @contextmanager
    def of(self, key: str) -> Iterator[None]:
        """Wait for the others who came before for this key."""
        with self._lock:
            turn = self._turns.setdefault(key, [threading.RLock(), 0])
            turn[1] += 1
        try:
            with turn[0]:
                yield
        finally:
            with self._lock:
                turn[1] -= 1
                if not turn[1]:
                    del self._turns[key]


class Writing:
    """Sets values in memory and below it. Thread-safe."""

    def __init__(self, memory: MemoryLevel, lower: LowerLevels, flights: Flights) -> None:
        self._memory, self._lower, self._flights = memory, lower, flights
        self._turns = Turns()

    def after_fork(self) -> None:
        """In the child, where nobody's turn ends."""
        self._turns = Turns()

    def write(
        self, key: str, value: Any, *, memory_s: float, lower_s: float | None, tags: tuple[str, ...]
    ) -> bool:
        """Keep it; False when it is too large for the memory. Where another process changed the key before this ended,
        the first of the slower levels says which came last, and nothing faster or slower does.
        """
        if not self._lower.levels:
            with self._flights.lock:
                self._flights.spoil_key(key)
                return self._memory.write(key, value, ttl_s=memory_s, tags=tags)
        with self._turns.of(key):
            flight = self._flights.write(key, tags)
            try:
                self._lower.write(key, value, ttl_s=lower_s, tags=tags)
                with self._flights.lock:
                    is_last = not flight.spoilt
                    self._flights.spoil_key(key)
                    if is_last:
                        return self._memory.write(key, value, ttl_s=memory_s, tags=tags)
                    self._memory.remove(key)
                self._lower.remove_below_first(key)
                return True
            finally:
                self._flights.end(flight)

    def is_kept_last(self, key: str, value: Any) -> bool:
        """Whether memory has the value that was just written, and nothing that began before replaces it."""
        with self._flights.lock:
            self._flights.spoil_key(key)
            entry = self._memory.peek(key)
            return entry is not None and entry[0] is value
