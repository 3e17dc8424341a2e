"""What the levels outside of this process have in common: packing, counting, and whose doing a change was."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from tamis.cache.base import Change, Changes, Claim, Found, LevelCounts, LevelStatistics, Position
from tamis.cache.extensions import RefusedError
from tamis.cache.packing import Packer, UnreadableError
from tamis.cache.shelf import TTL_S_MAX, Put, Removed, Shelf
from tamis.clock import SYSTEM_CLOCK, Clock

KINDS = {b"k": "key", b"p": "prefix", b"t": "tag"}
OWN_MAX = 20_000


class OutsideLimits(Protocol):
    """What each such level is told."""

    @property
    def ttl_s(self) -> float:
        """How long an entry stays for which nobody says."""
        ...

    @property
    def timeout_s(self) -> float:
        """How long a caller waits."""
        ...


class OutsideLevel:
    """A SharedLevel over a shelf. Values are packed copies; what cannot be packed is refused, and said why in
    `statistics().refusal`. An entry that cannot be read is removed, and counts as a miss.
    """

    def __init__(
        self, name: str, shelf: Shelf, limits: OutsideLimits, *, packer: Packer, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.name, self.ttl_s, self.timeout_s = name, limits.ttl_s, limits.timeout_s
        self._shelf, self._packer, self._clock = shelf, packer, clock
        self._counts, self._refusal = LevelCounts(), ""
        self._known: Position | None = None
        self._own: set[int] = set()
        self._lock = threading.Lock()

    def read(self, key: str) -> Found | None:
        """The entry, or None."""
        with suppress(RefusedError):
            name = self._packer.key(key)
            data, left_s = self._shelf.read(name)
            if data is not None:
                try:
                    value, tags = self._packer.unpack(name, data)
                except UnreadableError as error:
                    self._note(f"an entry was not readable: {error}")
                    self._count(unreadable=1)
                    self._shelf.remove(name)
                else:
                    self._count(hits=1, negative_hits=int(value is None))
                    return Found(value, left_s, tags)
            elif left_s:
                self._count(expired=1)
        self._count(misses=1)
        return None

    def write(self, key: str, value: Any, *, ttl_s: float, tags: tuple[str, ...] = ()) -> bool:
        """Keep it instead of what was there; False when it cannot be kept here: then nothing is there."""
        end_s = self._clock.monotonic_s() + self.timeout_s
        if self._known is None:
            self._known = self._shelf.position()
        is_kept = self._put(key, value, (ttl_s, tags), Claim(self._known), is_computed=False)
        if is_kept is None and self._clock.monotonic_s() < end_s:
            # All was cleared since we looked: the write is new all the same. One that took too long is not.
            self._known = self._shelf.position()
            is_kept = self._put(key, value, (ttl_s, tags), Claim(self._known), is_computed=False)
        return bool(is_kept)

    def write_computed(
        self, key: str, value: Any, *, ttl_s: float, tags: tuple[str, ...], claim: Claim
    ) -> bool:
        """As `write`, unless the key or a tag changed after the claim's position."""
        return bool(self._put(key, value, (ttl_s, tags), claim, is_computed=True))

    def remove(self, key: str) -> bool:
        """Whether there was an entry; there is none afterwards."""
        return self._remove(self._shelf.remove, key) > 0

    def remove_prefix(self, prefix: str) -> int:
        """Remove all whose key begins so; how many there were."""
        return self._remove(self._shelf.remove_prefix, prefix)

    def remove_tag(self, tag: str) -> int:
        """Remove all that were written with this tag; how many there were."""
        return self._remove(self._shelf.remove_tag, tag)

    def clear(self) -> int:
        """Remove all; how many there were."""
        count, self._known = self._shelf.clear()
        self._count(removed=count)
        return count

    def position(self) -> Position:
        """Where it stands now."""
        self._known = self._shelf.position()
        return self._known

    def changes(self, after: Position) -> Changes:
        """What others changed since."""
        position, found = self._shelf.changes(after)
        self._known = position
        with self._lock:
            own = self._own if position.epoch == after.epoch else set()
            self._own = {seq for seq in own if seq > position.seq}
        if found is None:
            return Changes(position, None)
        return Changes(position, tuple(_changes(item for item in found if item[1] not in own)))

    def lease(self, key: str, token: str, *, seconds: float) -> bool:
        """Take or prolong the right to compute a key."""
        return self._shelf.lease(self._packer.key(key), token, seconds=seconds)

    def release(self, key: str, token: str) -> None:
        """Give it back."""
        self._shelf.release(self._packer.key(key), token)

    def statistics(self) -> LevelStatistics:
        """Entries and bytes of all who share it; what happened is this process's."""
        entries, size = self._shelf.sizes()
        with self._lock:
            return LevelStatistics(self.name, entries, size, replace(self._counts), self._refusal)

    def check(self) -> None:
        """Raise what is wrong with it."""
        self._shelf.check()

    def interrupt(self) -> None:
        """End what another thread waits for."""
        self._shelf.interrupt()

    def close(self) -> None:
        """Let go of it."""
        self._shelf.close()

    def _put(
        self, key: str, value: Any, keep: tuple[float, tuple[str, ...]], claim: Claim, *, is_computed: bool
    ) -> bool | None:
        """Whether it was kept; None when it came too late."""
        ttl_s, tags = keep
        try:
            name = self._packer.key(key)
            data = self._packer.pack(name, value, tags)
            if len(name) + len(data) > self._shelf.room:
                raise RefusedError(f"{len(data):,} bytes; {self._shelf.room:,} are the most")
            put = Put(
                name,
                data,
                min(ttl_s, TTL_S_MAX),
                tuple(map(self._packer.key, tags)),
                claim.position,
                is_computed,
                claim.token,
            )
        except RefusedError as error:
            self._note(f"{key[:100]!r}: {error}")
            self._count(refused=1)
            with suppress(RefusedError):
                if claim.token:
                    self.release(key, claim.token)
                self.remove(key)
            return False
        kept = self._shelf.write(put)
        self._mine(kept.seq)
        if not kept.is_kept:
            return None
        self._count(writes=1, expired=kept.expired, evicted=kept.evicted)
        return True

    def _remove(self, remove: Callable[[bytes], Removed], name: str) -> int:
        try:
            data = self._packer.key(name)
        except RefusedError:
            return 0
        removed = remove(data)
        self._mine(removed.seq)
        self._count(removed=removed.found)
        return removed.found

    def _mine(self, seq: int) -> None:
        if seq:
            with self._lock:
                if len(self._own) >= OWN_MAX:  # nobody follows: then nobody asks whose doing it was
                    self._own.clear()
                self._own.add(seq)

    def _note(self, refusal: str) -> None:
        self._refusal = refusal

    def _count(self, **more: int) -> None:
        with self._lock:
            for name, number in more.items():
                setattr(self._counts, name, getattr(self._counts, name) + number)


def _changes(found: Any) -> Sequence[Change]:
    return [
        Change(KINDS[name[:1]], name[1:].decode("utf-8", "replace")) for name, _ in found if name[:1] in KINDS
    ]
