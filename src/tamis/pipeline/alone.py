"""A lock that knows who holds it: for work that must not wait for itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tamis.clock import SYSTEM_CLOCK, Clock


class Alone:
    """One thread at a time. Whoever has it already does not get it again: a signal's handler, a finalizer or a sink
    that asks for it in the middle of the work is told no, instead of waiting for ever.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._holder = 0

    @property
    def is_mine(self) -> bool:
        """Whether this thread has it."""
        return self._holder == threading.get_ident()

    @contextmanager
    def hold(self, deadline_s: float) -> Iterator[bool]:
        """Have it for the block; False when it is not to be had in time (monotonic seconds)."""
        wait_s = min(max(deadline_s - self._clock.monotonic_s(), 0.0), threading.TIMEOUT_MAX)
        if self.is_mine or not self._lock.acquire(timeout=wait_s):
            yield False
            return
        try:
            self._holder = threading.get_ident()
            yield True
        finally:
            self._holder = 0
            self._lock.release()
