"""The memory level: the least recently used makes room, and what is past its time."""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from sys import getsizeof
from typing import Any

from tamis.cache.base import Found, LevelCounts, LevelStatistics
from tamis.cache.limits import MemoryLimits
from tamis.cache.sizes import size_of
from tamis.cache.tags import Tags
from tamis.clock import SYSTEM_CLOCK, Clock, monotonic_s

Entry = tuple[Any, float, int, tuple[str, ...], float]
"""Value, when its time is over, bytes, tags, its time in seconds. A plain tuple: it is made at each write."""

NO_TAGS: tuple[str, ...] = ()
ENTRY_BYTES = 300
"""What an entry takes beside the characters of its key and its value."""
SWEEP_SHARE = 8
"""Of so many entries one is evicted for its age, at least, before all are looked at for their time again."""


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
        self.counts_texts = size is size_of
        self._counts = LevelCounts()
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self._tags = Tags()
        self._bytes = self._until_sweep = 0
        self._is_quick = False
        self._soonest_s = math.inf
        self.after_fork()

    def after_fork(self) -> None:
        """In the child: a lock that another thread of the parent held would never be free."""
        # Re-entrant, so that what a collected object does in its end does not wait for itself.
        self._lock = threading.RLock()
        self._acquire, self._release = self._lock.acquire, self._lock.release

    def quick_entries(self, *, is_wanted: bool) -> tuple[OrderedDict[str, Entry], LevelCounts]:
        """For whoever replaces entries without the lock by others of their size, and counts that. Empty, and another's,
        where it is not wanted, or bytes are not counted here.
        """
        if not is_wanted or not self.counts_texts:
            return OrderedDict(), LevelCounts()
        self._is_quick = True
        return self.entries, self._counts

    def find(self, key: str) -> Entry | None:
        """The entry that is kept for a key, counted and moved as `read` does; with less around it."""
        # No lock: each step is one that the interpreter does whole, and what another thread does in between (remove
        # the entry, say) might as well have come after.
        entry = self.entries.get(key)
        if entry is None:
            self._counts.misses += 1
            return None
        if entry[1] <= self.now_s():
            self._expire(key, entry)
            return None
        try:  # noqa: SIM105 -- suppress() would double the time of a read
            self.entries.move_to_end(key)
        except KeyError:
            pass
        self._counts.hits += 1
        if entry[0] is None:
            self._counts.negative_hits += 1
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
        if self.counts_texts and type(value) is str and value.isascii():
            size += len(value) + ENTRY_BYTES
        else:
            size += self._size(value) + ENTRY_BYTES
        if size > self._bytes_max:
            self._counts.refused += 1
            self.remove(key)
            return False
        entries, end_s = self.entries, self.now_s() + ttl_s
        self._acquire()  # a `with` would take three times as long
        try:
            before = entries.get(key)
            entries[key] = (value, end_s, size, tags, ttl_s)
            if before is None:
                self._bytes += size
            else:
                entries.move_to_end(key)
                self._bytes += size - before[2]
            if tags or (before is not None and before[3]):
                self._tags.change(key, () if before is None else before[3], tags)
            if end_s < self._soonest_s:  # noqa: PLR1730 -- a call of min() costs more than the rest of the line
                self._soonest_s = end_s
            if len(entries) > self._entries_max or self._bytes > self._bytes_max:
                self._make_room()
            self._counts.writes += 1
        finally:
            self._release()
        return True

    def postpone(self, key: str) -> None:
        """Computing it anew did not work: wait half of the time that is left before it is due again."""
        with self._lock:
            entry = self.entries.get(key)
            if entry is not None and self._refresh_share:
                value, end_s, size, tags, _ = entry
                lead_s = (end_s - self.now_s()) / 2
                self.entries[key] = (value, end_s, size, tags, lead_s / self._refresh_share)

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
            return self._remove_all([key for key in list(self.entries) if key.startswith(prefix)])

    def remove_tag(self, tag: str) -> int:
        """Remove all that were written with this tag; how many there were."""
        with self._lock:
            return self._remove_all(self._tags.keys(tag))

    def clear(self) -> int:
        """Remove all; how many there were."""
        with self._lock:
            found = self._remove_all(tuple(self.entries))
            self._count_bytes()
            return found

    @property
    def is_full(self) -> bool:
        """Whether one entry more would drive another out, if it is as large as those that are there on average."""
        count = len(self.entries)
        return count >= self._entries_max or bool(
            count and self._bytes * (count + 1) > self._bytes_max * count
        )

    def statistics(self) -> LevelStatistics:
        """Entries, bytes, and what happened."""
        with self._lock:
            self._count_bytes()
            return LevelStatistics(self.name, len(self.entries), self._bytes, replace(self._counts))

    def check(self) -> None:
        """Nothing can be wrong with it."""

    def interrupt(self) -> None:
        """Nothing in it takes long."""

    def close(self) -> None:
        """Let go of everything."""
        self.clear()

    def _remove_all(self, keys: Iterable[str]) -> int:
        found, now_s = 0, self.now_s()
        with self._lock:
            for key in keys:
                entry = self.entries.get(key)
                if entry is None:
                    continue
                self._take_out(key, entry)
                if entry[1] <= now_s:
                    self._counts.expired += 1
                else:
                    self._counts.removed += 1
                    found += 1
        return found

    def _count_bytes(self) -> None:
        """What is replaced without the lock at the same instant as with it leaves a sum that is inexact."""
        if self._is_quick:
            self._bytes = sum([entry[2] for entry in list(self.entries.values())])

    def _take_out(self, key: str, entry: Entry) -> None:
        self.entries.pop(key, None)
        self._bytes -= entry[2]
        if entry[3]:
            self._tags.change(key, entry[3])

    def _expire(self, key: str, entry: Entry) -> None:
        with self._lock:
            self._counts.misses += 1
            if self.entries.get(key) is entry:
                self._take_out(key, entry)
                self._counts.expired += 1

    def _make_room(self) -> None:
        now_s = self.now_s()
        if self._soonest_s <= now_s and self._until_sweep <= 0:
            self._sweep(now_s)
        entries = self.entries
        while len(entries) > self._entries_max or self._bytes > self._bytes_max:
            key, entry = entries.popitem(last=False)
            self._take_out(key, entry)
            self._counts.evicted += 1
            self._until_sweep -= 1

    def _sweep(self, now_s: float) -> None:
        """Take out all that is past its time, by a copy: readers move entries without the lock."""
        for key, entry in [item for item in list(self.entries.items()) if item[1][1] <= now_s]:
            self._take_out(key, entry)
            self._counts.expired += 1
        self._soonest_s = min((entry[1] for entry in list(self.entries.values())), default=math.inf)
        self._count_bytes()
        self._until_sweep = len(self.entries) // SWEEP_SHARE
