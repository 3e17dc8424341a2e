"""The contract of what keeps a shared level's bytes: Redis, a file of SQLite."""

from typing import NamedTuple, Protocol

from tamis.cache.base import Position

TTL_S_MAX = 10 * 365 * 86_400.0
"""No entry stays longer, also one that should stay for ever."""


class Put(NamedTuple):
    """What to keep. With `is_computed` it is kept unless the key or a tag changed after `since`; without, unless all
    was cleared after `since`. `token` is the lease that this ends.
    """

    key: bytes
    data: bytes
    ttl_s: float
    tags: tuple[bytes, ...]
    since: Position
    is_computed: bool
    token: str


class Kept(NamedTuple):
    """What came of a `Put`; `seq` is the change's number, 0 without one."""

    is_kept: bool
    seq: int = 0
    expired: int = 0
    evicted: int = 0


class Removed(NamedTuple):
    """How many entries there were, and the change's number."""

    found: int
    seq: int


class Shelf(Protocol):
    """Keeps bytes under bytes, for a time each, for many processes. Thread-safe; each method is one step that no other
    sees half done (a removal of many may be several). Raises whatever is wrong.
    """

    @property
    def room(self) -> int:
        """The most bytes of a key and its entry."""
        ...

    def read(self, key: bytes) -> tuple[bytes | None, float]:
        """The bytes and the seconds left; (None, 0) when there is nothing, (None, 1) when its time was over."""
        ...

    def write(self, put: Put) -> Kept:
        """Keep it instead of what was there, and make room."""
        ...

    def remove(self, key: bytes) -> Removed:
        """Remove an entry."""
        ...

    def remove_prefix(self, prefix: bytes) -> Removed:
        """Remove all whose key begins so."""
        ...

    def remove_tag(self, tag: bytes) -> Removed:
        """Remove all that have the tag."""
        ...

    def clear(self) -> tuple[int, Position]:
        """Remove all; how many there were, and where it stands now."""
        ...

    def position(self) -> Position:
        """Where it stands."""
        ...

    def changes(self, after: Position) -> tuple[Position, list[tuple[bytes, int]] | None]:
        """What changed since: names with their kind's letter in front (k, p, t) and numbers; None: too much."""
        ...

    def lease(self, key: bytes, token: str, *, seconds: float) -> bool:
        """Take or prolong a lease, unless another has it."""
        ...

    def release(self, key: bytes, token: str) -> None:
        """Give a lease back."""
        ...

    def sizes(self) -> tuple[int, int]:
        """Entries and bytes, those included whose time is over."""
        ...

    def check(self) -> None:
        """Raise what is wrong."""
        ...

    def interrupt(self) -> None:
        """End what another thread waits for."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
