"""`MultiLevelCache`: what was computed once is not computed again, by anyone who asks meanwhile or soon after."""

import os
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from tamis.cache.base import CacheLevel, Change
from tamis.cache.computing import Computing, ComputingCounts, Wanted
from tamis.cache.flights import Flights
from tamis.cache.following import Follower
from tamis.cache.limits import CacheLimits, MemoryLimits, is_duration
from tamis.cache.lower import LowerLevels
from tamis.cache.memory import NO_TAGS, MemoryLevel
from tamis.cache.refreshing import Refresher, Refreshing
from tamis.cache.removal import Removal
from tamis.cache.report import health_of, statistics_of
from tamis.cache.sizes import size_of
from tamis.cache.writing import Writing
from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.resilience.limits import BreakerLimits

T = TypeVar("T")


class MultiLevelCache:
    """Values under keys (text), each for a time: in memory, and in the slower `levels` below it. Thread-safe.

    None means that there is nothing: it is kept too, for `limits.negative_ttl_s` at most. Values in memory are not
    copied; nobody should change them. After `delete`, an invalidation or `clear` returned, nobody is given what was
    there before, and no computation that had begun before is kept. A slower level that fails is skipped. `refresher`
    runs what is computed before its time is over in the background (`executor.enqueue_task`); without one, whoever
    asks computes, while others get what is there. `size` says how many bytes a value takes.
    """

    def __init__(
        self,
        memory: MemoryLimits | None = None,
        limits: CacheLimits | None = None,
        *,
        levels: Sequence[CacheLevel] = (),
        refresher: Refresher | None = None,
        breaker: BreakerLimits | None = None,
        size: Callable[[Any], int] = size_of,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.limits = limits or CacheLimits()
        self._memory = MemoryLevel(memory, size=size, refresh_share=self.limits.refresh_share, clock=clock)
        self._find = self._memory.find
        self._lower = LowerLevels(levels, clock, breaker)
        self._has_lower = bool(self._lower.levels)
        self._flights, counts = Flights(), ComputingCounts()
        self._removal = Removal(self._memory, self._lower, flights=self._flights, counts=counts)
        interval_s, lease_s = self.limits.follow_interval_s, self.limits.lease_s
        self._follower = Follower(self._lower, self._removal.forget, interval_s=interval_s, lease_s=lease_s)
        self._computing = Computing(
            self._memory, self._lower, self.limits, self._follower, clock, self._flights, counts
        )
        self._refreshing = Refreshing(self._computing, refresher)
        quick = OrderedDict() if self._has_lower else self._memory.entries
        self._find_quick, self._move_to_end, self._counts = quick.get, quick.move_to_end, self._memory.counts
        self._now_s, self._kept_s, self._quiet = self._memory.now_s, self._memory.ttl_s, self._flights.quiet
        self._writing = Writing(self._memory, self._lower, self._flights)
        self._follower.start()
        _ALIVE.add(self)

    def get(self, key: str, default: Any = None) -> Any:
        """What is kept, or `default`: also where it is kept that there is nothing."""
        entry = self._find(key)
        if entry is None and _is_text("key", key) and self._has_lower:
            flight = self._flights.alone(key)
            try:
                entry = self._computing.promote(flight)
            finally:
                self._flights.end(flight)
        if entry is None or entry[0] is None:
            return default
        return entry[0]

    def set(self, key: str, value: Any, *, ttl_s: float | None = None, tags: Iterable[str] = NO_TAGS) -> bool:
        """Keep it, for each level's own time where none is given; False when it is too large for the memory."""
        quiet = self._quiet[0]
        if ttl_s is None and tags is NO_TAGS and quiet is not None:
            # A text in the place of another that is as long, in memory alone: no lock, each step is one that the
            # machine does whole. Where another thread takes the entry out in between, it might as well come after.
            entry = self._find_quick(key) if type(value) is str else None
            if entry is not None and entry[5] == len(value) and value.isascii():
                entry[1] = self._now_s() + self._kept_s
                entry[0] = value
                try:  # noqa: SIM105 -- suppress() would double the time of it
                    self._move_to_end(key)
                except KeyError:
                    pass
                self._counts.writes += 1
                if self._quiet[0] is quiet or self._writing.is_kept_last(key, value):
                    return True
            elif value is not None and not self._has_lower and _is_text("key", key):
                is_kept = self._memory.write(key, value, ttl_s=self._kept_s)
                if self._quiet[0] is quiet or self._writing.is_kept_last(key, value):
                    return is_kept
        wanted = _wanted(key, _nothing, ttl_s, tags)
        memory_s = self._computing.memory_ttl_s(value, ttl_s)
        lower_s = memory_s if value is None else ttl_s
        return self._writing.write(key, value, memory_s=memory_s, lower_s=lower_s, tags=wanted.tags)

    def get_or_compute(
        self,
        key: str,
        compute: Callable[[], T],
        *,
        ttl_s: float | None = None,
        tags: Iterable[str] = (),
    ) -> T:
        """What is kept, else what `compute()` returns, kept from then on. Of many who ask at once one computes; what
        it raises reaches all of them, and is not kept.
        """
        entry = self._find(key)
        if entry is None:
            return self._computing.compute(_wanted(key, compute, ttl_s, tags))  # type: ignore[no-any-return]  # T
        if self._memory.is_due(entry):
            self._refreshing.refresh(_wanted(key, compute, ttl_s, tags))
            entry = self._memory.peek(key) or entry
        return entry[0]  # type: ignore[no-any-return]  # T, if all who use the key agree

    async def aget_or_compute(
        self,
        key: str,
        compute: Callable[[], Awaitable[T]],
        *,
        ttl_s: float | None = None,
        tags: Iterable[str] = (),
    ) -> T:
        """The same for coroutines. One that is cancelled leaves its computation to another who waits; what is
        computed before its time is over is so in a task of its own.
        """
        entry = self._find(key)
        if entry is None:
            return await self._computing.acompute(_wanted(key, compute, ttl_s, tags))  # type: ignore[no-any-return]  # T
        if self._memory.is_due(entry):
            self._refreshing.arefresh(_wanted(key, compute, ttl_s, tags))
        return entry[0]  # type: ignore[no-any-return]  # T, if all who use the key agree

    def delete(self, key: str) -> bool:
        """Whether it was kept anywhere; it is not any more."""
        return _is_text("key", key) and self._removal.remove(Change("key", key)) > 0

    def invalidate_prefix(self, prefix: str) -> int:
        """Delete all whose key begins so; how many there were, in the level that had the most."""
        return self._removal.remove(Change("prefix", prefix)) if _is_text("prefix", prefix) else 0

    def invalidate_tag(self, tag: str) -> int:
        """Delete all that were set with this tag; how many there were, in the level that had the most."""
        return self._removal.remove(Change("tag", tag)) if _is_text("tag", tag) else 0

    def clear(self) -> int:
        """Delete everything; how many there were, in the level that had the most."""
        return self._removal.remove(None)

    def warm_up(
        self,
        entries: Mapping[str, Any] | Iterable[tuple[str, Any]],
        *,
        ttl_s: float | None = None,
        tags: Iterable[str] = (),
    ) -> int:
        """Set those entries whose key is not kept in memory, until it is full; how many were set. What is in use is
        neither replaced nor driven out.
        """
        pairs: Iterable[tuple[str, Any]] = entries.items() if isinstance(entries, Mapping) else entries
        kept, found = tuple(tags), 0
        for key, value in pairs:
            if self._memory.is_full:
                break
            if self._memory.peek(key) is None and self.set(key, value, ttl_s=ttl_s, tags=kept):
                found += 1
        return found

    def health_check(self) -> dict[str, Any]:
        """`status` ("healthy", or "degraded" when a level fails), and for each of `levels` whether it is `ok`, its
        `error`, and for slower ones the `breaker`'s state.
        """
        return health_of(self._memory, self._lower)

    def get_comprehensive_stats(self) -> dict[str, Any]:
        """Counts of each of `levels` (with `entries`, `bytes`, `hit_rate`), and what was `computed`; in JSON."""
        levels = statistics_of(self._memory, self._lower)
        return {"levels": levels, "computed": asdict(self._computing.counts)}

    def catch_up(self) -> None:
        """Forget now what other processes changed in shared levels, and not only with the next look at them."""
        self._follower.look()

    def close(self) -> None:
        """Let go of everything, the levels included."""
        self._follower.stop()
        self._memory.close()
        self._lower.close()

    def _after_fork(self) -> None:
        self._memory.after_fork()
        self._flights.after_fork()
        self._writing.after_fork()
        self._follower.after_fork()


def _nothing() -> None:
    return None


def _wanted(key: str, compute: Callable[[], Any], ttl_s: float | None, tags: Iterable[str]) -> Wanted:
    if ttl_s is not None and not is_duration(ttl_s):
        raise ValueError(f"ttl_s = {ttl_s!r}: must be seconds over 0, or None for the level's own time")
    if isinstance(tags, str):
        raise TypeError(f"tags = {tags!r}: give a tuple of texts, not one text")
    kept = tags if isinstance(tags, tuple) else tuple(tags)
    for tag in kept:
        _is_text("tag", tag)
    _is_text("key", key)
    return Wanted(key, compute, ttl_s, kept)


def _is_text(what: str, value: object) -> bool:
    """True, or TypeError: before a level is asked, to which the caller's mistake would look like its own failure."""
    if not isinstance(value, str):
        raise TypeError(f"{what} = {value!r:.100}: must be a text, not {type(value).__name__}")
    return True


_ALIVE: "weakref.WeakSet[MultiLevelCache]" = weakref.WeakSet()


def _renew_locks() -> None:
    for cache in list(_ALIVE):
        cache._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
