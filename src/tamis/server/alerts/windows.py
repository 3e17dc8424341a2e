"""`Windows`: how many records came in the steps of time that windows are made of, group by group."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

STEPS = 64
"""A window is so many whole steps, aligned to 1970. Every window of whole milliseconds divides."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A window of a group: `end` is its last step, `count` what lies in it."""

    end: int
    count: int


class Windows:
    """Counts by group and step. A step's number is its start divided by `step_ns`; a window that ends at step n holds
    the steps n - 63 to n. No clock, no lock.
    """

    def __init__(self, window_ns: int) -> None:
        self.step_ns = window_ns // STEPS
        self._counts: dict[str, dict[int, int]] = {}

    def step_of(self, instant_ns: int) -> int:
        """The step that an instant lies in."""
        return instant_ns // self.step_ns

    def start_ns(self, end: int) -> int:
        """Where the window that ends at a step begins."""
        return (end - STEPS + 1) * self.step_ns

    def end_ns(self, end: int) -> int:
        """Where a step ends (not included)."""
        return (end + 1) * self.step_ns

    def add(self, key: str, step: int, count: int) -> None:
        """So many more records of a group in a step."""
        steps = self._counts.setdefault(key, {})
        steps[step] = steps.get(step, 0) + count

    def keys(self) -> list[str]:
        """Groups that have records in some step."""
        return list(self._counts)

    def __contains__(self, key: str) -> bool:
        return key in self._counts

    def total(self, key: str, end: int) -> int:
        """What lies in the window that ends at a step."""
        steps = self._counts.get(key)
        if not steps:
            return 0
        if len(steps) <= STEPS:
            return sum(count for step, count in steps.items() if end - STEPS < step <= end)
        return sum(steps.get(step, 0) for step in range(end - STEPS + 1, end + 1))

    def around(self, key: str, touched: Iterable[int], last: int) -> Iterator[Sum]:
        """Every window that holds one of the steps `touched` and ends at `last` at the latest, oldest first."""
        looked_at: int | None = None
        for step in sorted(set(touched)):
            first = step if looked_at is None else max(step, looked_at + 1)
            for end in range(first, min(step + STEPS, last + 1)):
                yield Sum(end, self.total(key, end))
                looked_at = end

    def forget_before(self, step: int) -> None:
        """Drop older steps, and groups that have none left."""
        for key, steps in list(self._counts.items()):
            for old in [one for one in steps if one < step]:
                del steps[old]
            if not steps:
                del self._counts[key]

    def counts(self) -> dict[str, dict[int, int]]:
        """A copy of everything."""
        return {key: dict(steps) for key, steps in self._counts.items()}
