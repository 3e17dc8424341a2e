"""What only the spool has: read back when its turn comes, a file at a time."""

import math
from collections.abc import Callable, Iterator

from tamis.errors import DiskError
from tamis.pipeline.base import BatchLimits
from tamis.pipeline.delivery.load import NOWHERE, Load, batch_id
from tamis.pipeline.delivery.waiting import Lot, Waiting
from tamis.pipeline.spool.contents import Stored
from tamis.pipeline.spool.frames import Mark
from tamis.pipeline.spool.ranges import runs_of
from tamis.pipeline.spool.spool import Spool

_AGAIN_S = 1.0

Lost = Callable[[int, int], object]
"""Is told of ordinals that should stand in the spool and could not be read."""


class Older:
    """Reads records from ordinal `next` on into `waiting`, about one batch ahead. Not thread-safe."""

    def __init__(self, lost: Lost, failed: Callable[[DiskError], object]) -> None:
        self.waiting = Waiting()
        self.next = self._reader_end = 0
        self.not_before_s = -math.inf
        """When reading is worth another attempt, after one that failed (monotonic seconds)."""
        self._lost, self._failed = lost, failed
        self._reader: Iterator[Stored] | None = None

    def clear(self) -> None:
        """Nothing is read any more."""
        self.waiting.clear()
        self.next, self._reader = 0, None

    def read(self, spool: Spool, end: int, records: int, *, now_s: float) -> bool:
        """Have so many records waiting, if there are as many before ordinal `end` in ended files; False when they
        cannot be read now (too many open files, say): another call goes on where this one ended.
        """
        if now_s < self.not_before_s:
            return False
        try:
            self._read(spool, end, records)
        except DiskError as error:
            self._reader, self.not_before_s = None, now_s + _AGAIN_S
            self._failed(error)
            return False
        return True

    def _read(self, spool: Spool, end: int, records: int) -> None:
        while self.next < end and self.waiting.records < records:
            if self._reader is None:
                # It sees the files that are ended now; what comes later takes another reader.
                self._reader, self._reader_end = spool.read(self.next), end
            stored = next(self._reader, None)
            if stored is None or stored.first >= self._reader_end:
                self._reader = None
                self._skip(self._reader_end)
                continue
            self._skip(stored.first)
            self.waiting.add(Lot(stored.records, stored.first, stored.bytes, since_s=-math.inf))
            self.next = stored.first + len(stored.records)

    def _skip(self, end: int) -> None:
        """What was not read before `end` is settled already, or damaged."""
        start, self.next = self.next, max(end, self.next)
        if start < end:
            self._lost(start, end)

    def load_again(self, spool: Spool, end: int, prefix: str, *, now_s: float) -> Load | None:
        """The batch in which the oldest record was to be sent when its process died, as it was and under its id, if
        all of it is there; None also when it cannot be read now.
        """
        mark = _mark_of(spool, self.waiting.first)
        if mark is None:
            return None
        count = sum(end - start for start, end in mark.runs)
        if not self.read(spool, end, count, now_s=now_s):
            return None
        spool.marks.remove(mark)
        if self.waiting.records < count or self.waiting.first != mark.runs[0][0]:
            return None
        records, ordinals, _ = self.waiting.take(BatchLimits(records=count, bytes=1 << 62))
        is_same = runs_of(ordinals) == list(mark.runs)
        return Load(mark.id if is_same else batch_id(prefix, records), tuple(records), ordinals)


def _mark_of(spool: Spool, ordinal: int) -> Mark | None:
    if ordinal == NOWHERE:
        return None
    for mark in reversed(spool.marks):
        if any(start <= ordinal < end for start, end in mark.runs):
            return mark
    return None
