"""How full memory is, and which records still have room: the milder go first."""

import sys

from tamis.pipeline.base import Sink
from tamis.pipeline.delivery.waiting import Waiting
from tamis.pipeline.limits import QueueLimits, share_of
from tamis.pipeline.parcel import Parcel
from tamis.record.model import Record
from tamis.record.severity import severity

FULL = 0.8
"""From this share on somebody is refused."""
AT_ONCE_RECORDS = 3_000
"""What a sink on this machine is given at most: a batch that it writes, and some of the next."""
_PYTHON_LEVELS = ((5, 0), (9, 10), (13, 20), (17, 30), (21, 40))


def fill_of(waiting: Waiting, limits: QueueLimits, *, records: int = 0, size: float = 0.0) -> float:
    """How full memory is, with so much more; 1 is full."""
    return max(
        (waiting.records + records) / max(limits.records_max, 1),
        (waiting.bytes + size) / max(limits.bytes_max, 1),
    )


def room_in(waiting: Waiting, limits: QueueLimits, bytes_each: float) -> int:
    """How many records of about that size come in before it is full; one at least while nothing waits."""
    records = limits.records_max * FULL - waiting.records
    size = (limits.bytes_max * FULL - waiting.bytes) / max(bytes_each, 1.0)
    return max(int(min(records, size)), 0 if waiting.records else 1)


def room_at_once(sink: Sink, limits: QueueLimits, *, waiting: int) -> int:
    """How many records more a sink takes that writes at once and has no spool, where what waits for it is to be young:
    callers wait then, so that it is not given more than it writes.
    """
    if sink.spooled or sink.limits.wait_s or not limits.pace_s:
        return sys.maxsize
    return max(max(sink.limits.records, AT_ONCE_RECORDS) - waiting, 0)


def choose(parcel: Parcel, waiting: Waiting, limits: QueueLimits) -> list[Record]:
    """The records of a parcel for which there is room, each by its level, in order; all of one that comes before it
    is full, unless the policy is to drop.
    """
    if limits.overflow != "drop" and fill_of(waiting, limits) < FULL:
        return parcel.records
    if fill_of(waiting, limits, records=len(parcel.records), size=parcel.bytes) <= FULL:
        return parcel.records
    each = parcel.bytes / len(parcel.records)
    kept: list[Record] = []
    for record in parcel.records:
        more = len(kept) + 1
        if fill_of(waiting, limits, records=more, size=each * more) <= share_of(_python_level(record)):
            kept.append(record)
    return kept


def _python_level(record: Record) -> int:
    """The record's level on Python's scale, rounded."""
    number = severity(record.level or "")
    return next((level for below, level in _PYTHON_LEVELS if number < below), 50) if number else 20
