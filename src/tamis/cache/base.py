"""The contract of a cache's levels."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable


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
    """Values not kept: larger than the level takes, or of a kind that it cannot keep."""
    removed: int = 0
    """Entries that were deleted, invalidated or cleared."""
    unreadable: int = 0
    """Entries of levels outside of this process that were damaged, or not such as this release writes."""


@dataclass(frozen=True, slots=True)
class LevelStatistics:
    """A level at one instant. Entries whose time is over may still be among `entries` and `bytes`."""

    name: str
    entries: int
    bytes: int
    counts: LevelCounts
    refusal: str = ""
    """Why the last value that was not kept was not."""


class Position(NamedTuple):
    """A point in what happened to a shared level: `seq` changes since `epoch` began. Others' are not comparable."""

    epoch: str
    seq: int


class Change(NamedTuple):
    """What another process set, or wants forgotten: `kind` is key, prefix or tag."""

    kind: str
    name: str


class Changes(NamedTuple):
    """What happened after a position, this level's own doing left out; None: too much, or everything."""

    position: Position
    changes: tuple[Change, ...] | None


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

    @property
    def timeout_s(self) -> float:
        """How long a caller waits for it; what takes longer counts as failed."""
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

    def interrupt(self) -> None:
        """A call on another thread takes too long: end it with an error, where that can be done."""
        ...

    def close(self) -> None:
        """Let go of everything; nothing else is called afterwards."""
        ...


@runtime_checkable
class SharedLevel(CacheLevel, Protocol):
    """A level that other processes have, too. It numbers what they set and remove, so that each can forget it in its
    own memory, and so that nothing is kept that was computed, or read elsewhere, before a change.
    """

    def position(self) -> Position:
        """Where it stands now: ask before computing what `write_computed` shall keep."""
        ...

    def changes(self, after: Position) -> Changes:
        """What others changed since; positions and names are those of all who share the level."""
        ...

    def write_computed(
        self, key: str, value: Any, *, ttl_s: float, tags: tuple[str, ...], claim: "Claim"
    ) -> bool:
        """As `write`, unless the key or a tag was set, removed or invalidated after the claim's position: then it is
        False, and what is there stays. Nobody is told of it; the claim's lease ends.
        """
        ...

    def lease(self, key: str, token: str, *, seconds: float) -> bool:
        """Whether whoever has `token` is the one to compute the key, for so long; asking again prolongs it."""
        ...

    def release(self, key: str, token: str) -> None:
        """Give a lease back; another's is left alone."""
        ...


class Claim(NamedTuple):
    """Where a shared level stood before a computation, and the lease it is done under ("" without one)."""

    position: Position
    token: str = ""
