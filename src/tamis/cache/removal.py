"""What is to be forgotten: taken out of all levels, and kept out of memory when it comes too late."""

from collections.abc import Callable
from typing import Final, NamedTuple

from tamis.cache.base import Change
from tamis.cache.computing import ComputingCounts
from tamis.cache.flights import Flight, Flights
from tamis.cache.lower import LowerLevels
from tamis.cache.memory import MemoryLevel


class Meant(NamedTuple):
    """Which flights a change concerns, and how memory and the levels below forget it: how many there were."""

    is_meant: Callable[[Flight], bool]
    in_memory: Callable[[MemoryLevel], int]
    below: Callable[[LowerLevels], int]


EVERYTHING: Final = Meant(lambda _: True, MemoryLevel.clear, LowerLevels.clear)


class Removal:
    """Removes entries on behalf of this process, in all levels, and of others, in memory. Thread-safe."""

    def __init__(
        self, memory: MemoryLevel, lower: LowerLevels, *, flights: Flights, counts: ComputingCounts
    ) -> None:
        self._memory, self._lower = memory, lower
        self._flights, self._counts = flights, counts

    def remove(self, change: Change | None) -> int:
        """Remove what it names (None: everything); how many there were, in the level that had the most."""
        meant = self._meant(change)
        # Twice: a flight that began before the slower levels let go may have read there what was to go.
        self._flights.spoil(meant.is_meant)
        found = meant.below(self._lower) if self._lower.levels else 0
        return max(found, self._from_memory(meant))

    def forget(self, changes: tuple[Change, ...] | None) -> None:
        """What other processes changed is no more in memory, nor comes into it from what had begun before."""
        self._counts.told += 1 if changes is None else len(changes)
        for change in (None,) if changes is None else changes:
            self._from_memory(self._meant(change))

    def _from_memory(self, meant: Meant) -> int:
        with self._flights.lock:
            self._flights.spoil(meant.is_meant)
            return meant.in_memory(self._memory)

    def _meant(self, change: Change | None) -> Meant:
        if change is None:
            return EVERYTHING
        kind, name = change
        if kind == "key":
            return Meant(
                lambda flight: flight.key == name,
                lambda memory: int(memory.remove(name)),
                lambda lower: int(lower.remove(name)),
            )
        if kind == "prefix":
            return Meant(
                lambda flight: flight.key.startswith(name),
                lambda memory: memory.remove_prefix(name),
                lambda lower: lower.remove_prefix(name),
            )
        # What comes up from a slower level has tags that are not known before: such are all meant.
        has_lower = bool(self._lower.levels)
        return Meant(
            lambda flight: (has_lower and not flight.is_write) or name in flight.tags,
            lambda memory: memory.remove_tag(name),
            lambda lower: lower.remove_tag(name),
        )
