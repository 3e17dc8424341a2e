"""Batch ids: what was stored under each, so that it is stored once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable

from tamis.clock import NS_PER_S, Clock
from tamis.store.base import Appended
from tamis.store.embedded.format.manifest import BatchEntry

Loader = Callable[[], Iterable[BatchEntry]]


class BatchIndex:
    """The batches of the last `age_s`, `count_max` at most. Thread-safe.

    `load` gives what segments remember; it is asked once, when an id comes that is not known otherwise, so
    that a store opens without reading its segments.
    """

    def __init__(self, clock: Clock, *, age_s: float, count_max: int, load: Loader = tuple) -> None:
        self._clock, self._age_ns, self._count_max = clock, int(age_s * NS_PER_S), count_max
        self._load: Loader | None = load
        self._changed = threading.Condition()
        self._known: OrderedDict[str, BatchEntry] = OrderedDict()
        self._under_way: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def claim(self, batch_id: str) -> Appended | None:
        """What became of the batch; None when there is none: then it is the caller's, who must `settle` it.
        Waits while another caller has it."""
        with self._changed:
            while batch_id in self._under_way:
                self._changed.wait()
            earlier = self._find(batch_id)
            if earlier is None:
                self._under_way.add(batch_id)
            return earlier

    def settle(self, batch_id: str, entry: BatchEntry | None) -> None:
        """The batch was stored (`entry`), or was not (None)."""
        with self._changed:
            self._under_way.discard(batch_id)
            if entry is not None:
                self._put(entry)
            self._changed.notify_all()

    def find(self, batch_id: str) -> Appended | None:
        """What became of the batch, waiting while it is under way."""
        with self._changed:
            while batch_id in self._under_way:
                self._changed.wait()
            return self._find(batch_id)

    def add(self, entries: Iterable[BatchEntry]) -> None:
        """Remember batches of before, in order of receipt."""
        with self._changed:
            for entry in entries:
                self._put(entry)

    def oldest_ns(self) -> int:
        """Batches received before this are forgotten."""
        return self._clock.now_ns() - self._age_ns

    def _find(self, batch_id: str) -> Appended | None:
        if batch_id not in self._known and self._load is not None:
            load, self._load = self._load, None
            self._merge(load())
        entry = self._known.get(batch_id)
        if entry is None or entry.received < self.oldest_ns():
            return None
        return Appended(entry.first_seq, entry.count, duplicate=True, receipt=entry.receipt)

    def _merge(self, older: Iterable[BatchEntry]) -> None:
        newer = self._known
        self._known = OrderedDict()
        for entry in sorted(older, key=lambda one: one.first_seq):
            if entry.id not in newer:
                self._put(entry)
        for entry in newer.values():
            self._put(entry)

    def _put(self, entry: BatchEntry) -> None:
        self._known[entry.id] = entry
        self._known.move_to_end(entry.id)
        oldest = self.oldest_ns()
        while len(self._known) > self._count_max or next(iter(self._known.values())).received < oldest:
            self._known.popitem(last=False)
            if not self._known:
                return
