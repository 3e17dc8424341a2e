"""Every store that the contract holds for, in one table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tamis.clock import Clock
from tamis.store.base import Store
from tamis.store.embedded.options import StoreOptions
from tamis.store.embedded.store import EmbeddedStore, create_store
from tamis.store.memory import MemoryStore

FEW_TO_MERGE = 3


@dataclass
class StillClock:
    """A clock that moves when it is told to."""

    wall_ns: int = 1_763_719_200_000_000_000
    running_s: float = 1_000.0

    def now_ns(self) -> int:
        """The instant now."""
        return self.wall_ns

    def monotonic_s(self) -> float:
        """Seconds that never go back."""
        return self.running_s

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.pass_s(seconds)

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.running_s += seconds
        self.wall_ns += int(seconds * 1_000_000_000)


def nothing_to_settle(_: Store) -> None:
    """For stores that keep records in one way only."""


@dataclass(frozen=True)
class Member:
    """How a store is made in a folder, and how it is made to move what it has to its final place."""

    name: str
    create: Callable[[Path, Clock], Store]
    settle: Callable[[Store], None] = nothing_to_settle


def _memory(_: Path, clock: Clock) -> Store:
    return MemoryStore(clock)


def _embedded(folder: Path, clock: Clock) -> Store:
    options = StoreOptions(background=False, merge_count=FEW_TO_MERGE, query_memory_bytes=64 << 20)
    return create_store(folder, options, clock=clock)


def _seal_and_merge(store: Store) -> None:
    assert isinstance(store, EmbeddedStore)
    store.seal_now()
    store.merge_now()


REFERENCE = Member("memory", _memory)
OTHERS = (Member("embedded", _embedded, _seal_and_merge),)
MEMBERS = (REFERENCE, *OTHERS)
