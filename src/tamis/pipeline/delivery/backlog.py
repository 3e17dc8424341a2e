"""What waits for one sink: the newest in memory, all of it in the spool where there is one, the oldest only there."""

import threading
from collections import Counter
from collections.abc import Callable

from tamis.pipeline.base import BatchLimits
from tamis.pipeline.delivery.load import NOWHERE, Load, load_of
from tamis.pipeline.delivery.older import Older
from tamis.pipeline.delivery.ondisk import OnDisk, OpenSpool, Tell
from tamis.pipeline.delivery.room import FULL, choose, fill_of, room_in
from tamis.pipeline.delivery.waiting import Lot, Waiting
from tamis.pipeline.limits import QueueLimits
from tamis.pipeline.metrics import SinkMeter
from tamis.pipeline.parcel import Parcel, encode_records
from tamis.pipeline.spool.spool import Spool

OVERFLOW, DAMAGED = "overflow", "damaged"


class Backlog:
    """Records in order from `add` to `settle`. Thread-safe.

    Each ordinal of the spool from `_tail_from` on is in `_tail`; those before are read back, a file at a time,
    by `_older`. When the tail grows over the bounds and the spool has all of it, it is forgotten; when the
    spool refuses, records stay in the tail alone, until there is no room for them either: then the milder go
    first. `adopted` is a spool that another process left.
    """

    def __init__(
        self,
        name: str,
        meter: SinkMeter,
        limits: QueueLimits,
        *,
        prefix: str,
        open_spool: OpenSpool = lambda: None,
        tell: Tell,
        lost: Callable[[int], object] = int,
        adopted: Spool | None = None,
    ) -> None:
        self.name, self.meter, self.limits, self.prefix = name, meter, limits, prefix
        self._tell, self._lost = tell, lost
        self._lock = threading.RLock()
        self._disk = OnDisk(name, open_spool, tell, spool=adopted)
        self._tail, self._older = Waiting(), Older(self._not_read, self._disk.failed)
        self._tail_from: int | None = adopted.next_ordinal if adopted is not None else 0
        self.is_private = False
        """Whether it stands in no spool of its own that could be handed on."""

    @property
    def spool(self) -> Spool | None:
        """Where it stands on disk, once something does."""
        return self._disk.spool

    @property
    def is_full(self) -> bool:
        """Whether records that come now are in danger of being dropped."""
        return self.is_private and fill_of(self._tail, self.limits) >= FULL

    def room(self, bytes_each: float) -> int:
        """How many more records of about that size are surely kept, whatever the spool does."""
        return room_in(self._tail if self.is_private else Waiting(), self.limits, bytes_each)

    @property
    def is_empty(self) -> bool:
        """Whether no record is left that no load has taken."""
        with self._lock:
            return not (self._tail.records or self._older.waiting.records or self._is_behind())

    def add(self, parcel: Parcel, *, sync: bool = False, whole: bool = False) -> int:
        """Keep a parcel, in the spool where there is one, and in memory, or parts of it; how many records."""
        with self._lock:
            first = self._store(parcel, sync=sync)
            if first == NOWHERE:
                return self._keep_in_memory(parcel, whole=whole)
            self.meter.offer(spooled=len(parcel.records))
            if self._tail_from is not None:
                fill = fill_of(self._tail, self.limits, records=len(parcel.records), size=parcel.bytes)
                if fill > 1 and self._tail.records:
                    self._forget_tail()
                else:
                    self._tail.add(_lot(parcel, first))
            return len(parcel.records)

    def _store(self, parcel: Parcel, *, sync: bool) -> int:
        """Its first ordinal in the spool, or NOWHERE. What came while the spool refused goes in first."""
        spool = self._disk.open()
        if spool is None or (self.is_private and not self._store_older(spool)):
            return NOWHERE
        return self._disk.append(parcel, sync=sync)

    def _store_older(self, spool: Spool) -> bool:
        """Whether all that stood in memory alone is in the spool now."""
        places = list(self._tail.lots_nowhere())
        if places and self._tail_from is None:
            self._begin_tail(spool)
        for place in places:
            older = _parcel(self._tail.lot(place))
            first = self._disk.append(older)
            if first == NOWHERE:
                return False
            self._tail.put(place, _lot(older, first))
            self.meter.spool(len(older.records))
        self.is_private = False
        return True

    def _forget_tail(self) -> None:
        """The spool has it: it is read back when its turn comes."""
        if not self._is_behind():
            self._older.next = self._tail.first
        self._tail.clear()
        self._tail_from = None

    def _keep_in_memory(self, parcel: Parcel, *, whole: bool) -> int:
        fill = fill_of(self._tail, self.limits, records=len(parcel.records), size=parcel.bytes)
        if not self.is_private and self._tail.records and fill > FULL:
            self._forget_tail()  # the spool has all of it
        self.is_private = True
        kept = parcel.records if whole else choose(parcel, self._tail, self.limits)
        dropped = len(parcel.records) - len(kept)
        self.meter.offer(queued=len(kept), dropped=Counter({OVERFLOW: dropped}) if dropped else None)
        if dropped:
            self._tell("overflow", f"the queue of {self.name} is full: the mildest records are dropped")
        if kept:
            size = parcel.bytes * len(kept) // len(parcel.records)
            lines = parcel.lines if kept is parcel.records else None
            self._tail.add(Lot(kept, NOWHERE, size, parcel.severity, parcel.since_s, lines))
        return len(kept)

    def next_load(self, limits: BatchLimits, *, now_s: float, hurry: bool) -> Load | None:
        """The next batch when it is due: enough records, old enough, urgent, or `hurry`."""
        with self._lock:
            front = self._older.waiting
            if not front.records and not self._read_back(limits.records, now_s):
                return None
            if front.records and self.spool is not None and self.spool.marks:
                load = self._older.load_again(self.spool, self._tail_from or 0, self.prefix, now_s=now_s)
                if load is not None or now_s < self._older.not_before_s:
                    return load
            waiting = front if front.records else self._tail
            due_s = waiting.due_in_s(limits, now_s)
            if due_s is None or (due_s > 0 and not hurry):
                return None
            return load_of(self.prefix, *waiting.take(limits))

    def due_in_s(self, limits: BatchLimits, now_s: float) -> float | None:
        """Seconds until the next batch is due; None when nothing waits."""
        with self._lock:
            if self._older.waiting.records or self._is_behind():
                return max(self._older.not_before_s - now_s, 0.0)
            return self._tail.due_in_s(limits, now_s)

    def settle(self, load: Load) -> None:
        """All of the load is delivered, dead-lettered or dropped: it need not be kept."""
        with self._lock:
            self._disk.settle(load.ordinals)

    def mark(self, load: Load) -> None:
        """The load is about to be sent."""
        if load.spooled:
            with self._lock:
                self._disk.mark(load.id, load.ordinals)

    def prepare(self) -> None:
        """Between two batches: make ready what takes time."""
        with self._lock:
            self._disk.prepare()

    def close(self) -> tuple[int, int]:
        """Let the spool go; how many records stood in memory alone, and are gone, and how many stand in the spool."""
        with self._lock:
            lost = sum(len(self._tail.lot(place).records) for place in self._tail.lots_nowhere())
            spooled = self._disk.unsettled
            self._disk.close()
            self._tail.clear()
            self._older.clear()
            self._tail_from, self.is_private = 0, False
            return lost, spooled

    def abandon(self) -> None:
        """In a forked child: all of it is the parent's."""
        if self.spool is not None:
            self.spool.abandon()

    def _is_behind(self) -> bool:
        """Whether there are records that only the spool has."""
        return self.spool is not None and (self._tail_from is None or self._older.next < self._tail_from)

    def _read_back(self, records: int, now_s: float) -> bool:
        """Read what only the spool has, as many records at least; False when it cannot be read now."""
        if self.spool is None or not self._is_behind():
            return True
        if self._tail_from is None:
            self._begin_tail(self.spool)
        return self._older.read(self.spool, self._tail_from or 0, records, now_s=now_s)

    def _begin_tail(self, spool: Spool) -> None:
        """What comes from now on is kept in memory again: we have caught up when the rest is read."""
        spool.seal()
        self._tail_from = spool.next_ordinal

    def _not_read(self, start: int, end: int) -> None:
        """What should stand in the spool and was not read: settled already, or damaged."""
        assert self.spool is not None
        missing = list(self.spool.settled.missing(start, end))
        lost = sum(stop - at for at, stop in missing)
        if lost:
            self.meter.drop(DAMAGED, spooled=lost)
            self._lost(lost)
            self._tell(
                "damaged", f"{self.name}: {lost:,} spooled records are damaged: see {self._disk.folder}"
            )
            self._disk.settle([n for at, stop in missing for n in range(at, stop)])


def _lot(parcel: Parcel, first: int) -> Lot:
    return Lot(parcel.records, first, parcel.bytes, parcel.severity, parcel.since_s, parcel.lines)


def _parcel(lot: Lot) -> Parcel:
    records = list(lot.records)
    form, payload = encode_records(records)
    return Parcel(records, form, payload, lot.severity, lot.since_s)
