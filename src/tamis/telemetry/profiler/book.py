"""What is known of one function's calls: as a whole, and minute by minute."""

from collections import deque
from collections.abc import Iterable

from tamis.telemetry.histogram import Histogram, count_durations

MINUTE_S = 60.0


class Tally:
    """Calls of some time. Durations are of outermost calls: a call inside another of the same function is in that
    one's time already. Not thread-safe."""

    __slots__ = (
        "calls",
        "cancelled",
        "counts",
        "failures",
        "least_ns",
        "minute",
        "most_ns",
        "nested",
        "own_ns",
        "peak_bytes",
        "total_ns",
    )

    def __init__(self, minute: int = 0) -> None:
        self.minute = minute
        self.calls = self.nested = self.failures = self.cancelled = 0
        self.total_ns = self.own_ns = self.least_ns = self.most_ns = 0
        self.peak_bytes: int | None = None
        self.counts: dict[int, int] = {}

    def take(self, sorted_ns: list[float], *, failures: int = 0, cancelled: int = 0) -> None:
        """Count calls, the shortest first."""
        total_ns = round(sum(sorted_ns))
        self._spread(round(sorted_ns[0]), round(sorted_ns[-1]))
        self.calls += len(sorted_ns)
        self.failures += failures
        self.cancelled += cancelled
        self.total_ns += total_ns
        self.own_ns += total_ns
        self._count(count_durations(sorted_ns))

    def add(self, other: "Tally") -> None:
        """Count what another time counted."""
        if other.calls:
            self._spread(other.least_ns, other.most_ns)
        for name in ("calls", "nested", "failures", "cancelled", "total_ns", "own_ns"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self._count(other.counts)
        if other.peak_bytes is not None:
            self.peak(other.peak_bytes)

    def peak(self, size: int) -> None:
        """A call held so many bytes at most."""
        self.peak_bytes = max(size, self.peak_bytes or 0)

    def histogram(self) -> Histogram:
        """The durations, for quantiles."""
        made = Histogram()
        made.add(self.counts, self.total_ns)
        return made

    def _spread(self, least_ns: int, most_ns: int) -> None:
        self.least_ns = min(self.least_ns, least_ns) if self.calls else least_ns
        self.most_ns = max(self.most_ns, most_ns)

    def _count(self, counts: dict[int, int]) -> None:
        for bucket, number in counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + number


class Book:
    """One function's tallies, under its name. Not thread-safe."""

    __slots__ = ("name", "recent", "whole")

    def __init__(self, name: str, minutes_max: int) -> None:
        self.name = name
        self.whole = Tally()
        self.recent: deque[Tally] = deque(maxlen=minutes_max)

    def at(self, minute: int) -> tuple[Tally, Tally]:
        """The whole, and the minute that calls ended in. A call that is told late counts in the newest minute."""
        if not self.recent or self.recent[-1].minute < minute:
            self.recent.append(Tally(minute))
        return self.whole, self.recent[-1]

    def since(self, minute: int | None) -> Tally:
        """Everything, or what ended from a minute on."""
        if minute is None:
            return self.whole
        found = Tally()
        for tally in self._from(minute):
            found.add(tally)
        return found

    def clear(self) -> None:
        """Nothing was called."""
        self.whole = Tally()
        self.recent.clear()

    def _from(self, minute: int) -> Iterable[Tally]:
        return (tally for tally in self.recent if tally.minute >= minute)
