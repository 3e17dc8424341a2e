"""What every part that writes segments works with."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from tamis.clock import NS_PER_S, Clock
from tamis.disk.base import Disk
from tamis.disk.space import require_space
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.mask import hidden_mask
from tamis.store.embedded.format.layout import Layout, segment_name
from tamis.store.embedded.format.manifest import BatchEntry, SegmentEntry
from tamis.store.embedded.format.part import Tombstone
from tamis.store.embedded.format.segment_files import write_segment
from tamis.store.embedded.live.catalog import Catalog
from tamis.store.embedded.options import StoreOptions


class Numbers:
    """Numbers for segments: each is given once. Thread-safe."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._lock = threading.Lock()

    @property
    def next(self) -> int:
        """The number that is given next."""
        return self._next

    def take(self) -> int:
        """A number that nobody had."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            return number


@dataclass(frozen=True, slots=True)
class Workshop:
    """The store's folder, its catalog, and how segments come into being."""

    disk: Disk
    layout: Layout
    catalog: Catalog
    engine: Engine
    options: StoreOptions
    clock: Clock
    numbers: Numbers

    def oldest_batch_ns(self) -> int:
        """Batches received before this are forgotten."""
        return self.clock.now_ns() - int(self.options.batch_ids_age_s * NS_PER_S)

    def write(
        self,
        table: pa.Table,
        day: str,
        *,
        batches: Sequence[BatchEntry] = (),
        retention: str = "",
        cleared: int = 0,
        small: bool = False,
    ) -> SegmentEntry:
        """A table as the files of a new segment, which the manifest does not name yet."""
        require_space(self.disk, self.layout.folder, table.nbytes // 4)
        return write_segment(
            self.disk,
            (self.layout, self.catalog.manifest.store_id),
            segment_name(day, self.numbers.take()),
            table=table,
            batches=batches,
            retention=retention,
            cleared=cleared,
            small=small,
        )

    def without_deleted(self, table: pa.Table, deletions: tuple[Tombstone, ...]) -> pa.Table:
        """The rows that no deletion hides; the table itself when none is hidden."""
        if not deletions or not table.num_rows:
            return table
        mask = hidden_mask(table, deletions, self.engine)
        return table.filter(pa.array(~mask)) if mask.any() else table

    def discard(self, entries: Sequence[SegmentEntry]) -> None:
        """Remove the files of segments that no manifest ever named."""
        for entry in entries:
            self.disk.remove(self.layout.segment(entry.name))
            self.disk.remove(self.layout.tally(entry.name))
