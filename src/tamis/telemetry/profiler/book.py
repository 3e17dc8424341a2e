"""What is known of one function's calls: as a whole, minute by minute, and of late every five seconds."""

from collections import deque

from tamis.telemetry.histogram import Histogram, count_durations

MINUTE_S = 60.0
SLICE_S = 5.0
FINE_MINUTES = 5
"""For so many minutes back times are told apart by SLICE_S; before that, by the minute."""
_SLICES = int(MINUTE_S // SLICE_S)


class Tally:
    """Calls of some time. Durations are of outermost calls: a call inside another of the same function is in that
    one's time already. Not thread-safe."""

    __slots__ = (
        "calls",
        "cancelled",
        "counts",
        "failures",
        "least_ns",
        "most_ns",
        "nested",
        "own_ns",
        "peak_bytes",
        "period",
        "total_ns",
    )

    def __init__(self, period: int = 0) -> None:
        self.period = period
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

    __slots__ = ("_minutes", "_slices", "name", "whole")

    def __init__(self, name: str, minutes_max: int) -> None:
        self.name = name
        self.whole = Tally()
        self._minutes: deque[Tally] = deque(maxlen=minutes_max + 1)
        self._slices: deque[Tally] = deque(maxlen=FINE_MINUTES * _SLICES + 1)

    def at(self, period: int) -> tuple[Tally, Tally, Tally]:
        """The whole, and the minute and SLICE_S that calls ended in. Told late, they count in the newest ones."""
        return self.whole, _newest(self._minutes, period // _SLICES), _newest(self._slices, period)

    def since(self, begin_s: float | None, now_s: float) -> Tally:
        """Everything, or what ended since a time, or up to SLICE_S (a minute, when it is long ago) earlier."""
        if begin_s is None:
            return self.whole
        is_fine = now_s - begin_s <= FINE_MINUTES * MINUTE_S
        kept, first = (self._slices, begin_s // SLICE_S) if is_fine else (self._minutes, begin_s // MINUTE_S)
        found = Tally()
        for tally in kept:
            if tally.period >= first:
                found.add(tally)
        return found

    def clear(self) -> None:
        """Nothing was called."""
        self.whole = Tally()
        self._minutes.clear()
        self._slices.clear()


def _newest(kept: deque[Tally], period: int) -> Tally:
    if not kept or kept[-1].period < period:
        kept.append(Tally(period))
    return kept[-1]
