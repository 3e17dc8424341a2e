"""Where every timed call is noted: at once and without a lock, counted a thousand at a time."""

import threading
from collections import deque
from collections.abc import Callable

from tamis.clock import NS_PER_S
from tamis.telemetry.profiler.book import MINUTE_S, Book
from tamis.telemetry.profiler.limits import ProfilerLimits
from tamis.telemetry.profiler.places import CallTree, Place

OK, FAILED, CANCELLED = 0, 1, 2
"""How a call ended: returned; raised an Exception; was ended from without (cancelled, closed, interrupted)."""
OTHER = "(other)"
PENDING_MAX = 1_024
PENDING_HARD_MAX = 16 * PENDING_MAX
"""Over this a caller waits for its turn to count: many threads must not note faster than one counts."""

_NS_PER_S = float(NS_PER_S)

Noted = tuple[Place, float, float, int]
"""Where the call stood, when it began and ended (s), and how."""


class _Batch:
    """Calls of one place and minute that are counted together."""

    __slots__ = ("cancelled", "durations_s", "failures")

    def __init__(self) -> None:
        self.durations_s: list[float] = []
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

    def note(self, place: Place, begun_s: float, ended_s: float, outcome: int) -> None:
        """A call is over."""
        self.pending.append((place, begun_s, ended_s, outcome))
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
            for tally in book.at(int(self.now_s() // MINUTE_S)):
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
        for place, begun_s, ended_s, outcome in [take() for _ in range(number)]:
            if place is not last or not until_s - MINUTE_S <= ended_s < until_s:
                last, minute = place, int(ended_s // MINUTE_S)
                until_s = (minute + 1) * MINUTE_S
                batch = batches.setdefault((place, minute), _Batch())
            batch.durations_s.append(ended_s - begun_s)
            if outcome:
                batch.failures += outcome == FAILED
                batch.cancelled += outcome == CANCELLED
        for (place, minute), batch in batches.items():
            _enter(place, minute, batch)


def _enter(place: Place, minute: int, batch: _Batch) -> None:
    """Into the function's book and its node; its time is none of its caller's own."""
    assert place.book is not None
    if place.is_nested:
        for tally in place.book.at(minute):
            tally.nested += len(batch.durations_s)
        return
    sorted_ns = sorted(map(_NS_PER_S.__mul__, batch.durations_s))
    total_ns = round(sum(sorted_ns))
    for tally in place.book.at(minute):
        tally.take(sorted_ns, failures=batch.failures, cancelled=batch.cancelled)
    place.node.calls += len(sorted_ns)
    place.node.total_ns += total_ns
    caller = place.node.parent
    if caller is not None and caller.book is not None:
        for tally in caller.book.at(minute):
            tally.own_ns -= total_ns
