"""Records that wait in memory, and how a batch is taken from them."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tamis.pipeline.base import BatchLimits
from tamis.pipeline.delivery.load import NOWHERE
from tamis.record.model import Record

_Lines: TypeAlias = bytes  # under a name that no field has


@dataclass(frozen=True, slots=True)
class Lot:
    """Records in order that came together. `first` is the ordinal of the first one in the spool, or NOWHERE;
    `bytes` is about what they take. `lines` are all of them as lines of JSON, where these are known.
    """

    records: Sequence[Record]
    first: int
    bytes: int
    severity: int = 0
    since_s: float = 0.0
    lines: _Lines | None = None

    @property
    def bytes_each(self) -> float:
        """About what one takes."""
        return self.bytes / len(self.records)

    def ordinals(self, start: int, end: int) -> Sequence[int]:
        """Of the records from `start` to before `end`."""
        if self.first == NOWHERE:
            return (NOWHERE,) * (end - start)
        return range(self.first + start, self.first + end)


class Waiting:
    """Lots in order. Not thread-safe."""

    def __init__(self) -> None:
        self._lots: deque[Lot] = deque()
        self._taken = 0  # of the first lot
        self.records = 0
        self.bytes = 0.0
        self.severity = 0

    def add(self, lot: Lot) -> None:
        """One more at the end."""
        self._lots.append(lot)
        self.records += len(lot.records)
        self.bytes += lot.bytes
        self.severity = max(self.severity, lot.severity)

    def clear(self) -> None:
        """Nothing waits."""
        self._lots.clear()
        self._taken, self.records, self.bytes, self.severity = 0, 0, 0.0, 0

    def due_in_s(self, limits: BatchLimits, now_s: float) -> float | None:
        """Seconds until a batch is due: full, old enough or urgent; None when nothing waits."""
        if not self._lots:
            return None
        is_full = self.records >= limits.records or self.bytes >= limits.bytes
        if is_full or self.severity >= limits.urgent_severity:
            return 0.0
        return max(self._lots[0].since_s + limits.wait_s - now_s, 0.0)

    @property
    def first(self) -> int:
        """The ordinal of the oldest; NOWHERE also when nothing waits."""
        if not self._lots or self._lots[0].first == NOWHERE:
            return NOWHERE
        return self._lots[0].first + self._taken

    def lots_nowhere(self) -> Iterator[int]:
        """The places of the lots that stand in no spool, in order."""
        return (place for place, lot in enumerate(self._lots) if lot.first == NOWHERE)

    def lot(self, place: int) -> Lot:
        """What is left of the lot there."""
        lot = self._lots[place]
        if place or not self._taken:
            return lot
        left = lot.records[self._taken :]
        first = lot.first if lot.first == NOWHERE else lot.first + self._taken
        return Lot(left, first, round(lot.bytes_each * len(left)), lot.severity, lot.since_s)

    def put(self, place: int, lot: Lot) -> None:
        """Another one in place of what is left of that lot, with the same records."""
        self._lots[place] = lot
        if place == 0:
            self._taken = 0

    def take(self, limits: BatchLimits) -> tuple[list[Record], Sequence[int], list[bytes] | None]:
        """The oldest records, one at least, as many as a batch may have; with their ordinals, and their lines where
        these are known. A lot that has its lines is parted only when it is the first.
        """
        records: list[Record] = []
        pieces: list[Sequence[int]] = []
        lines: list[bytes] | None = []
        size = 0.0
        while self._lots and len(records) < limits.records:
            lot, start = self._lots[0], self._taken
            each = max(lot.bytes_each, 1.0)
            room = min(limits.records - len(records), int((limits.bytes - size) / each))
            if records and room < (1 if lot.lines is None else len(lot.records)):
                break
            end = min(start + max(room, 1), len(lot.records))
            records += lot.records[start:end]
            pieces.append(lot.ordinals(start, end))
            is_whole = start == 0 and end == len(lot.records)
            if lines is not None and lot.lines is not None and is_whole:
                lines.append(lot.lines)
            else:
                lines = None
            size += each * (end - start)
            self._leave(lot, end)
        return records, _joined(pieces), lines

    def _leave(self, lot: Lot, end: int) -> None:
        """The records of the first lot up to `end` are gone."""
        self.records -= end - self._taken
        self.bytes -= lot.bytes_each * (end - self._taken)
        self._taken = end
        if end == len(lot.records):
            self._lots.popleft()
            self._taken = 0
            if not self._lots:
                self.clear()


def _joined(pieces: list[Sequence[int]]) -> Sequence[int]:
    """All ordinals, as a range where they are one."""
    if len(pieces) == 1:
        return pieces[0]
    joined = [ordinal for piece in pieces for ordinal in piece]
    if joined and joined[0] != NOWHERE and joined[-1] - joined[0] == len(joined) - 1:
        return range(joined[0], joined[-1] + 1)
    return joined
