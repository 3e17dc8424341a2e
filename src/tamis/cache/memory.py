"""The memory level: the least recently used makes room, and what is past its time."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from sys import getsizeof
from typing import Any

from tamis.cache.base import Found, LevelCounts, LevelStatistics
from tamis.cache.kept import NOT_IN_PLACE, Entry, Kept
from tamis.cache.limits import MemoryLimits
from tamis.cache.sizes import size_of
from tamis.clock import SYSTEM_CLOCK, Clock, monotonic_s

NO_TAGS: tuple[str, ...] = ()
ENTRY_BYTES = 300
"""What an entry takes beside the characters of its key and its value."""


class MemoryLevel:
    """A CacheLevel in this process. Values are kept as they are, not copied: nobody should change them afterwards.

    Entries are bounded by number and by bytes (`size` says how many a value takes). Reads and writes take constant
    time on the whole. Counts of reads are exact where the interpreter runs one thread at a time.
    """

    name = "memory"
    timeout_s = 1.0

    def __init__(
        self,
        limits: MemoryLimits | None = None,
        *,
        size: Callable[[Any], int] = size_of,
        refresh_share: float = 0.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.limits = limits or MemoryLimits()
        self.ttl_s = self.limits.ttl_s
        self.now_s = monotonic_s if clock is SYSTEM_CLOCK else clock.monotonic_s
        self._size, self._refresh_share = size, refresh_share
        self._entries_max, self._bytes_max = self.limits.entries_max, self.limits.bytes_max
        self._counts_texts = size is size_of
        self.counts, self._refusal = LevelCounts(), ""
        self._kept = Kept(self.limits, self.counts)
        self.entries = self._kept.entries
        self.after_fork()

    def after_fork(self) -> None:
        """In the child: a lock that another thread of the parent held would never be free."""
        # Re-entrant, so that what a collected object does in its end does not wait for itself.
        self._lock = threading.RLock()
        self._acquire, self._release = self._lock.acquire, self._lock.release

    def find(self, key: str) -> Entry | None:
        """The entry that is kept for a key, counted and moved as `read` does; with less around it."""
        # No lock: each step is one that the interpreter does whole, and what another thread does in between (remove
        # the entry, say) might as well have come after.
        entry = self.entries.get(key)
        if entry is None:
            self.counts.misses += 1
            return None
        if entry[1] <= self.now_s():
            self._expire(key, entry)
            return None
        try:  # noqa: SIM105 -- suppress() would double the time of a read
            self.entries.move_to_end(key)
        except KeyError:
            pass
        self.counts.hits += 1
        if entry[0] is None:
            self.counts.negative_hits += 1
        return entry

    def read(self, key: str) -> Found | None:
        """The entry, or None. It counts as used now."""
        entry = self.find(key)
        if entry is None:
            return None
        return Found(entry[0], entry[1] - self.now_s(), entry[3])

    def peek(self, key: str) -> Entry | None:
        """The entry, or None; nothing is counted or moved."""
        with self._lock:
            entry = self.entries.get(key)
            return None if entry is None or entry[1] <= self.now_s() else entry

    def write(self, key: str, value: Any, *, ttl_s: float, tags: tuple[str, ...] = NO_TAGS) -> bool:
        """Keep it instead of what was there; False when it alone is over `bytes_max`: then nothing is there."""
        size = len(key) if key.isascii() else getsizeof(key)
        letters = NOT_IN_PLACE
        if self._counts_texts and type(value) is str and value.isascii():
            size += len(value) + ENTRY_BYTES
            if tags is NO_TAGS and ttl_s is self.ttl_s:
                letters = len(value)
        else:
            try:
                size += self._size(value) + ENTRY_BYTES
            except Exception as error:  # the edge: nobody knows how much such a value would fill
                return self._refuse(key, f"its size: {type(error).__name__}: {error}")
        if size > self._bytes_max:
            return self._refuse(key, f"{size:,} bytes; {self._bytes_max:,} are the most")
        kept, entries, end_s = self._kept, self.entries, self.now_s() + ttl_s
        self._acquire()  # a `with` would take three times as long
        try:
            before = entries.get(key)
            entries[key] = [value, end_s, size, tags, ttl_s, letters]
            if before is None:
                kept.bytes += size
            else:
                entries.move_to_end(key)
                kept.bytes += size - before[2]
            if tags or (before is not None and before[3]):
                kept.tags.change(key, () if before is None else before[3], tags)
            if end_s < kept.soonest_s:  # noqa: PLR1730 -- a call of min() costs more than the rest of the line
                kept.soonest_s = end_s
            if len(entries) > self._entries_max or kept.bytes > self._bytes_max:
                kept.make_room(self.now_s())
            self.counts.writes += 1
        finally:
            self._release()
        return True

    def postpone(self, key: str) -> None:
        """Computing it anew did not work: wait half of the time that is left before it is due again."""
        with self._lock:
            entry = self.entries.get(key)
            if entry is not None and self._refresh_share:
                entry[4], entry[5] = (entry[1] - self.now_s()) / 2 / self._refresh_share, NOT_IN_PLACE

    def is_due(self, entry: Entry) -> bool:
        """Whether it is time to compute it anew."""
        share = self._refresh_share
        return share > 0 and entry[1] - entry[4] * share <= self.now_s()

    def remove(self, key: str) -> bool:
        """Whether there was an entry; there is none afterwards."""
        return self._remove_all((key,)) == 1

    def remove_prefix(self, prefix: str) -> int:
        """Remove all whose key begins so, by a look at each key; how many there were."""
        with self._lock:
            return self._remove_all([key for key in list(dict.keys(self.entries)) if key.startswith(prefix)])

    def remove_tag(self, tag: str) -> int:
        """Remove all that were written with this tag; how many there were."""
        with self._lock:
            return self._remove_all(self._kept.tags.keys(tag))

    def clear(self) -> int:
        """Remove all; how many there were."""
        with self._lock:
            return self._remove_all(tuple(dict.keys(self.entries)))

    @property
    def is_full(self) -> bool:
        """Whether one entry more would drive another out, if it is as large as those that are there on average."""
        return self._kept.is_full

    def statistics(self) -> LevelStatistics:
        """Entries, bytes, and what happened."""
        with self._lock:
            counts = replace(self.counts)
            return LevelStatistics(self.name, len(self.entries), self._kept.bytes, counts, self._refusal)

    def check(self) -> None:
        """Nothing can be wrong with it."""

    def interrupt(self) -> None:
        """Nothing in it takes long."""

    def close(self) -> None:
        """Let go of everything."""
        self.clear()

    def _refuse(self, key: str, reason: str) -> bool:
        self.counts.refused += 1
        self._refusal = f"{key[:100]!r}: {reason}"
        self.remove(key)
        return False

    def _remove_all(self, keys: Iterable[str]) -> int:
        found, now_s = 0, self.now_s()
        with self._lock:
            for key in keys:
                entry = self.entries.get(key)
                if entry is None:
                    continue
                self._kept.take_out(key, entry)
                if entry[1] <= now_s:
                    self.counts.expired += 1
                else:
                    self.counts.removed += 1
                    found += 1
        return found

    def _expire(self, key: str, entry: Entry) -> None:
        with self._lock:
            self.counts.misses += 1
            if self.entries.get(key) is entry and entry[1] <= self.now_s():  # nobody renewed it meanwhile
                self._kept.take_out(key, entry)
                self.counts.expired += 1
