"""Sets of whole numbers that mostly lie next to each other."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence


class Ranges:
    """A set of ordinals, kept as runs. Not thread-safe."""

    def __init__(self, runs: Sequence[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in runs:
            self.add(start, end)

    def add(self, start: int, end: int) -> None:
        """The numbers from `start` to before `end`."""
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def __contains__(self, number: int) -> bool:
        return self.end_at(number) > number

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._starts, self._ends, strict=True)))

    def end_at(self, number: int) -> int:
        """The first number from `number` on that is not in the set."""
        place = bisect_right(self._starts, number) - 1
        return max(self._ends[place], number) if place >= 0 else number

    def covers(self, start: int, end: int) -> bool:
        """Whether all numbers from `start` to before `end` are in the set."""
        return start >= end or self.end_at(start) >= end

    def missing(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The runs from `start` to before `end` that are not in the set."""
        at = start
        while at < end:
            at = self.end_at(at)
            place = bisect_right(self._starts, at)
            stop = min(self._starts[place], end) if place < len(self._starts) else end
            if at < stop:
                yield at, stop
            at = max(stop, at + 1)

    def count(self, start: int, end: int) -> int:
        """How many of the numbers from `start` to before `end` are in the set."""
        return end - start - sum(stop - at for at, stop in self.missing(start, end)) if start < end else 0


def runs_of(ordinals: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending ordinals as runs; negative ones are left out."""
    if isinstance(ordinals, range):
        return [(ordinals.start, ordinals.stop)] if ordinals else []
    runs: list[tuple[int, int]] = []
    for number in sorted(number for number in ordinals if number >= 0):
        if runs and runs[-1][1] == number:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs
