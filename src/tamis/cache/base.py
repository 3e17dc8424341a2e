"""The contract of a cache's levels."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class Found(NamedTuple):
    """An entry of a level: what is kept, for how many seconds still, and under which tags."""

    value: Any
    ttl_left_s: float
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class LevelCounts:
    """What happened in a level since the start. hits + misses are the reads."""

    hits: int = 0
    negative_hits: int = 0
    """Those of the hits that say that there is nothing (None)."""
    misses: int = 0
    expired: int = 0
    """Entries whose time was over when they were come upon."""
    evicted: int = 0
    """Entries that made room for others."""
    writes: int = 0
    refused: int = 0
    """Values larger than the whole level: not kept."""
    removed: int = 0
    """Entries that were deleted, invalidated or cleared."""


@dataclass(frozen=True, slots=True)
class LevelStatistics:
    """A level at one instant. Entries whose time is over may still be among `entries` and `bytes`."""

    name: str
    entries: int
    bytes: int
    counts: LevelCounts


class CacheLevel(Protocol):
    """Keeps values under keys for a time. Thread-safe; bounded in bytes.

    Never gives what was removed, replaced or is past its time; may forget anything at any moment. Each method either
    does what it says or raises; a raised error means that nothing is known of what was done, and whoever calls goes
    on without the level. Values other than the memory level's are copies.
    """

    @property
    def name(self) -> str:
        """What statistics call it."""
        ...

    @property
    def ttl_s(self) -> float:
        """How long it keeps an entry for which nobody says."""
        ...

    def read(self, key: str) -> Found | None:
        """The entry, or None. It counts as used now."""
        ...

    def write(self, key: str, value: Any, *, ttl_s: float, tags: tuple[str, ...] = ()) -> bool:
        """Keep it instead of what was there; False when it is too large: then nothing is there."""
        ...

    def remove(self, key: str) -> bool:
        """Whether there was an entry; there is none afterwards."""
        ...

    def remove_prefix(self, prefix: str) -> int:
        """Remove all whose key begins so; how many there were."""
        ...

    def remove_tag(self, tag: str) -> int:
        """Remove all that were written with this tag; how many there were."""
        ...

    def clear(self) -> int:
        """Remove all; how many there were."""
        ...

    def statistics(self) -> LevelStatistics:
        """Entries, bytes, and what happened."""
        ...

    def check(self) -> None:
        """Raise what is wrong with it, as a read or write would."""
        ...

    def close(self) -> None:
        """Let go of everything; nothing else is called afterwards."""
        ...
