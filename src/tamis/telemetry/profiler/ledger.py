"""Where every timed call is noted: at once and without a lock, counted a thousand at a time."""

import threading
from collections import deque
from collections.abc import Callable

from tamis.clock import NS_PER_S
from tamis.telemetry.profiler.book import SLICE_S, Book, Tally
from tamis.telemetry.profiler.limits import ProfilerLimits
from tamis.telemetry.profiler.places import CallTree, Place

OK, FAILED, CANCELLED = 0, 1, 2
"""How a call ended: returned; raised an Exception; was ended from without (cancelled, closed, interrupted)."""
OTHER = "(other)"
PENDING_MAX = 1_024
PENDING_HARD_MAX = 16 * PENDING_MAX
"""Over this a caller waits for its turn to count: many threads must not note faster than one counts."""

_NS_PER_S = float(NS_PER_S)

Noted = tuple[Place, float, float, float, int]
"""Where the call stood, when it ended (s), how long it took and how much of that measured calls ran inside it, and
how it ended."""


class _Batch:
    """Calls of one place that ended within SLICE_S, and are counted together."""

    __slots__ = ("cancelled", "durations_s", "failures", "within_s")

    def __init__(self) -> None:
        self.durations_s: list[float] = []
        self.within_s = 0.0
        self.failures = self.cancelled = 0


class Ledger:
    """All books of a profiler. Thread-safe. A call only appends to `pending`."""

    def __init__(self, limits: ProfilerLimits, now_s: Callable[[], float]) -> None:
        self.limits, self.now_s = limits, now_s
        self.pending: deque[Noted] = deque()
        self.tree = CallTree(limits.paths_max)
        self.books: dict[str, Book] = {}
        self._begin()

    def _begin(self) -> None:
        # Re-entrant: a garbage collection while counting may end a generator that is timed.
        self.lock = threading.RLock()
        self._is_counting = False

    def book(self, name: str) -> Book:
        """The book of this name; of all others when there are too many."""
        with self.lock:
            if name not in self.books and len(self.books) >= self.limits.functions_max:
                name = OTHER
            return self.books.setdefault(name, Book(name, self.limits.minutes_max))

    def note(self, noted: Noted) -> None:
        """A call is over."""
        self.pending.append(noted)
        if len(self.pending) >= PENDING_MAX:
            self.relieve()

    def relieve(self) -> None:
        """Count what is noted, unless another thread does: what a call does when much is."""
        must = len(self.pending) >= PENDING_HARD_MAX
        if self.lock.acquire(blocking=must):
            try:
                self._count()
            finally:
                self.lock.release()

    def count(self) -> None:
        """Count all that is noted."""
        with self.lock:
            self._count()

    def peak(self, book: Book, size: int) -> None:
        """A call of the function held so many bytes at most."""
        with self.lock:
            for tally in book.at(int(self.now_s() // SLICE_S)):
                tally.peak(size)

    def clear(self) -> None:
        """Forget what was counted; names and ways stay."""
        with self.lock:
            self.pending.clear()
            for book in self.books.values():
                book.clear()
            self.tree.forget_counts()

    def after_fork(self) -> None:
        """In the child nothing was called yet."""
        self._begin()
        self.tree.after_fork()
        self.clear()

    def _count(self) -> None:
        if self._is_counting:
            return
        self._is_counting = True
        try:
            while number := len(self.pending):
                self._count_some(number)
                if number < PENDING_MAX:
                    break
        finally:
            self._is_counting = False

    def _count_some(self, number: int) -> None:
        batches: dict[tuple[Place, int], _Batch] = {}
        take = self.pending.popleft
        last: Place | None = None
        batch, until_s = _Batch(), 0.0
        for place, ended_s, took_s, within_s, outcome in [take() for _ in range(number)]:
            if place is not last or not until_s - SLICE_S <= ended_s < until_s:
                last, period = place, int(ended_s // SLICE_S)
                until_s = (period + 1) * SLICE_S
                batch = batches.setdefault((place, period), _Batch())
            batch.durations_s.append(took_s)
            if within_s:
                batch.within_s += within_s
            if outcome:
                batch.failures += outcome == FAILED
                batch.cancelled += outcome == CANCELLED
        for (place, period), batch in batches.items():
            _enter(place, period, batch)


def _enter(place: Place, period: int, batch: _Batch) -> None:
    """Into the function's book and its node. A nested call's time is in the outermost's; its own is its own."""
    assert place.book is not None
    made = Tally()
    made.own_ns = round((sum(batch.durations_s) - batch.within_s) * _NS_PER_S)
    place.node.own_ns += made.own_ns
    if place.is_nested:
        made.nested = len(batch.durations_s)
    else:
        sorted_ns = sorted(map(_NS_PER_S.__mul__, batch.durations_s))
        made.take(sorted_ns, failures=batch.failures, cancelled=batch.cancelled)
    for tally in place.book.at(period):
        tally.add(made)
