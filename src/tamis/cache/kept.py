"""What the memory level keeps: entries in the order of their use, the bytes they take, their tags."""

import math
from collections import OrderedDict
from typing import Any

from tamis.cache.base import LevelCounts
from tamis.cache.limits import MemoryLimits
from tamis.cache.tags import Tags

Entry = list[Any]
"""Value, when its time is over, bytes, tags, its time in seconds, letters. A plain list: it is made at each write.

`letters` is how many letters of ASCII the value is of, if another text of as many may take its place in this very list
without a lock, with the end of its time; else NOT_IN_PLACE.
"""
NOT_IN_PLACE = -1
SWEEP_SHARE = 8
"""Of so many entries one is evicted for its age, at least, before all are looked at for their time again."""


class Kept:
    """Entries by key, the least recently used first, within limits. Whoever puts one in or takes it out has a lock, and
    counts `bytes`, `tags` and `soonest_s` (when the first one's time is over) as it is put in; who looks one up, or
    moves it to the end, needs none.
    """

    __slots__ = ("_counts", "_limits", "_until_sweep", "bytes", "entries", "soonest_s", "tags")

    def __init__(self, limits: MemoryLimits, counts: LevelCounts) -> None:
        self._limits, self._counts = limits, counts
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self.tags = Tags()
        self.bytes = self._until_sweep = 0
        self.soonest_s = math.inf

    def take_out(self, key: str, entry: Entry) -> None:
        """Keep it no more."""
        self.entries.pop(key, None)
        self.bytes -= entry[2]
        if entry[3]:
            self.tags.change(key, entry[3])

    def make_room(self, now_s: float) -> None:
        """Take out what is past its time, now and then, and then as many as there must be."""
        if self.soonest_s <= now_s and self._until_sweep <= 0:
            self._sweep(now_s)
        entries, limits = self.entries, self._limits
        while len(entries) > limits.entries_max or self.bytes > limits.bytes_max:
            key, entry = entries.popitem(last=False)
            self.take_out(key, entry)
            self._counts.evicted += 1
            self._until_sweep -= 1

    @property
    def is_full(self) -> bool:
        """Whether one entry more would drive another out, if it is as large as those that are there on average."""
        count, limits = len(self.entries), self._limits
        return count >= limits.entries_max or bool(
            count and self.bytes * (count + 1) > limits.bytes_max * count
        )

    def _sweep(self, now_s: float) -> None:
        """Take out all that is past its time. Readers move entries without the lock, which the plain dictionary below
        does not mind: an OrderedDict's own iteration would end with an error when a thread switch falls into it.
        """
        for key, entry in [item for item in list(dict.items(self.entries)) if item[1][1] <= now_s]:
            self.take_out(key, entry)
            self._counts.expired += 1
        self.soonest_s = min((entry[1] for entry in list(dict.values(self.entries))), default=math.inf)
        self._until_sweep = len(self.entries) // SWEEP_SHARE
