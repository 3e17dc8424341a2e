"""Latencies, counted in buckets that grow with them: bounded memory, a known error, no sample left out."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

_PER_OCTAVE = 8
_FIRST_NS = 1_000
_OCTAVES = 37
BOUNDS_NS = tuple(round(_FIRST_NS * 2 ** (step / _PER_OCTAVE)) for step in range(_OCTAVES * _PER_OCTAVE + 1))
"""Upper ends of the buckets: from 1 µs to over a day, each 9 % over the one before."""


def count_durations(sorted_ns: Sequence[float]) -> dict[int, int]:
    """How many of these durations, the shortest first, lie in which bucket: only the buckets that are met."""
    counts: dict[int, int] = {}
    start = 0
    while start < len(sorted_ns):
        bucket = bisect_left(BOUNDS_NS, sorted_ns[start])
        end = len(sorted_ns)
        if bucket < len(BOUNDS_NS):
            end = bisect_right(sorted_ns, BOUNDS_NS[bucket], start)
        counts[bucket] = end - start
        start = end
    return counts


class Histogram:
    """How many lay in which bucket. Not thread-safe."""

    __slots__ = ("_counts", "count", "sum_ns")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_NS) + 1)
        self.count, self.sum_ns = 0, 0

    def observe_ages(self, stamps_ns: Sequence[int], now_ns: int) -> None:
        """Count the ages of a batch of instants; one that lies in the future is 0 old.

        Records of a batch are of about one age, so this takes a few steps for each bucket met, not for each
        record.
        """
        stamps = sorted(stamps_ns)
        self.count += len(stamps)
        self.sum_ns += max(len(stamps) * now_ns - sum(stamps), 0)
        end = len(stamps)
        while end:
            age_ns = max(now_ns - stamps[end - 1], 0)
            bucket = bisect_left(BOUNDS_NS, age_ns)
            start = 0
            if bucket < len(BOUNDS_NS):
                start = bisect_left(stamps, now_ns - BOUNDS_NS[bucket], 0, end - 1)
            self._counts[bucket] += end - start
            end = start

    def add(self, counts: Mapping[int, int], sum_ns: int) -> None:
        """Count what `count_durations` found; `sum_ns` is the durations' sum."""
        for bucket, number in counts.items():
            self._counts[bucket] += number
            self.count += number
        self.sum_ns += sum_ns

    def quantile_s(self, share: float) -> float | None:
        """The age in seconds that `share` (0 to 1) of all were below, within 9 % above; None of none."""
        if not self.count:
            return None
        rank, seen = share * self.count, 0
        for bucket, number in enumerate(self._counts):
            seen += number
            if number and seen >= rank:
                return BOUNDS_NS[min(bucket, len(BOUNDS_NS) - 1)] / 1e9
        return None

    def below(self, bounds_s: Sequence[float]) -> list[int]:
        """How many were at most each bound (to the bucket before it), for Prometheus."""
        found = []
        for bound_s in bounds_s:
            upto = bisect_right(BOUNDS_NS, round(bound_s * 1e9))
            found.append(sum(self._counts[:upto]))
        return found
