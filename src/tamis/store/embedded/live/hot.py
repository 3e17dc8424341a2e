"""The hot part: batches that are in the journal and in memory, but not yet in a segment."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from tamis.store.embedded.format.columns import concat
from tamis.store.embedded.format.manifest import BatchEntry
from tamis.store.embedded.live.hot_part import HotPart

_LOOSE_MAX = 64
"""So many single batches are put together into one part without waiting for a read."""
_PART_ROWS_MAX = 131_072
"""Parts of this size are not put together any more."""


@dataclass(frozen=True, slots=True)
class HotBatch:
    """A batch that is safe. `table` has `seq`; None when it has no records."""

    table: pa.Table | None
    last_seq: int
    received: int
    memory_bytes: int
    entry: BatchEntry | None


@dataclass(frozen=True, slots=True)
class HotRun:
    """Batches one after the other, as a part."""

    part: HotPart
    min_seq: int
    max_seq: int

    @property
    def records(self) -> int:
        """How many."""
        rows: int = self.part.rows.num_rows
        return rows


@dataclass(frozen=True, slots=True)
class Frozen:
    """What is being sealed: everything up to `through`."""

    runs: tuple[HotRun, ...]
    entries: tuple[BatchEntry, ...]
    through: int
    records: int
    memory_bytes: int
    first_received: int | None


class Hot:
    """Batches since the last seal, as few parts as reads need. `catalog` holds a lock over it; only the figures
    may be read without."""

    def __init__(self, last_seq: int) -> None:
        self.last_seq = last_seq
        self.frozen: Frozen | None = None
        self._clear()

    def _clear(self) -> None:
        self._loose: list[pa.Table] = []
        self._runs: list[HotRun] = []
        self._entries: list[BatchEntry] = []
        self._records = self._memory_bytes = 0
        self.first_received: int | None = None

    @property
    def records(self) -> int:
        """Records, those being sealed included."""
        frozen = self.frozen  # read once: others may drop it meanwhile
        return self._records + (frozen.records if frozen else 0)

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory, those being sealed included."""
        frozen = self.frozen
        return self._memory_bytes + (frozen.memory_bytes if frozen else 0)

    @property
    def open_records(self) -> int:
        """Records that the next seal would take."""
        return self._records

    @property
    def open_bytes(self) -> int:
        """Memory that the next seal would free."""
        return self._memory_bytes

    @property
    def open_entries(self) -> int:
        """Batch ids that the next seal would take."""
        return len(self._entries)

    def add(self, batch: HotBatch) -> None:
        """Make a batch visible."""
        self.last_seq = max(self.last_seq, batch.last_seq)
        self._memory_bytes += batch.memory_bytes
        if self.first_received is None:
            self.first_received = batch.received
        if batch.entry is not None:
            self._entries.append(batch.entry)
        if batch.table is not None:
            self._records += batch.table.num_rows
            self._loose.append(batch.table)
            if len(self._loose) >= _LOOSE_MAX:
                self._gather()

    def runs(self) -> tuple[HotRun, ...]:
        """Everything hot, in order of arrival."""
        self._gather()
        return (*(self.frozen.runs if self.frozen else ()), *self._runs)

    def freeze(self) -> Frozen | None:
        """Set apart what is there now, to be sealed; it stays visible. None when there is nothing."""
        self._thaw()
        self._gather()
        if not self._runs and not self._entries:
            return None
        self.frozen = Frozen(
            tuple(self._runs),
            tuple(self._entries),
            self.last_seq,
            self._records,
            self._memory_bytes,
            self.first_received,
        )
        self._clear()
        return self.frozen

    def drop_frozen(self) -> None:
        """What was set apart is in segments now."""
        self.frozen = None

    def _thaw(self) -> None:
        """A seal failed: what it had taken stands before the rest again."""
        old = self.frozen
        if old is None:
            return
        self._gather()
        self._runs[:0] = old.runs
        self._entries[:0] = old.entries
        self._records += old.records
        self._memory_bytes += old.memory_bytes
        self.first_received = old.first_received if old.first_received is not None else self.first_received
        self.frozen = None

    def _gather(self) -> None:
        """Put single batches together, and small runs, each at most once for every doubling of its size."""
        if self._loose:
            first, last = self._loose[0], self._loose[-1]
            max_seq = last["seq"][last.num_rows - 1].as_py()
            self._runs.append(_run(_table(self._loose), first["seq"][0].as_py(), max_seq))
            self._loose = []
        while len(self._runs) > 1:
            before, last = self._runs[-2], self._runs[-1]
            if before.records > 2 * last.records or before.records + last.records > _PART_ROWS_MAX:
                break
            merged = _table([before.part.rows, last.part.rows])
            self._runs[-2:] = [_run(merged, before.min_seq, last.max_seq)]


def _table(tables: Sequence[pa.Table]) -> pa.Table:
    """Copied together: thousands of small buffers would take many times their content."""
    return concat(tables).combine_chunks()


def _run(table: pa.Table, min_seq: int, max_seq: int) -> HotRun:
    return HotRun(HotPart(f"hot-{min_seq}-{max_seq}", table), min_seq, max_seq)
