"""Sealing: what is hot becomes segments, one for each retention class and day of receipt."""

import threading
from collections.abc import Sequence

import msgspec
import pyarrow as pa

from tamis.store.embedded.format.columns import concat
from tamis.store.embedded.format.manifest import BatchEntry, Manifest, SegmentEntry, without_journals
from tamis.store.embedded.keep.retention import by_class, by_day
from tamis.store.embedded.keep.workshop import Workshop
from tamis.store.embedded.live.hot import Frozen
from tamis.store.embedded.write.commit import Committer
from tamis.store.embedded.write.journals import Journals


class Sealer:
    """Turns the hot part into segments. Thread-safe; one seal at a time."""

    def __init__(self, shop: Workshop, committer: Committer, journals: Journals) -> None:
        self._shop, self._committer, self._journals = shop, committer, journals
        self._one = threading.Lock()

    def seal(self) -> int:
        """Seal what is hot now; return how many segments that made.

        The order is: segment files, then the manifest, then readers change over, then journal files go. A
        crash between any two loses nothing and doubles nothing: until the manifest is written the journal
        counts, from then on the segments do. After an error everything hot is as before.
        """
        with self._one:
            frozen, journals = self._freeze()
            catalog = self._shop.catalog
            if frozen is None:
                self._drop(journals)
                return 0
            entries, batches = self._write(frozen)

            def change(manifest: Manifest) -> Manifest:
                return msgspec.structs.replace(
                    without_journals(manifest, through=journals),
                    sealed_through=frozen.through,
                    segment_next=self._shop.numbers.next,
                    segments=(*manifest.segments, *entries),
                    batches=self._forget_old((*manifest.batches, *batches)),
                )

            catalog.publish(change, also=catalog.hot.drop_frozen)
            self._journals.drop(journals)
            return len(entries)

    def _drop(self, journals: int) -> None:
        """Remove files that hold nothing which is not in segments; the manifest forgets them first."""
        catalog = self._shop.catalog
        if any(number <= journals for number in catalog.manifest.journals or ()):
            catalog.publish(lambda manifest: without_journals(manifest, through=journals))
        self._journals.drop(journals)

    def _freeze(self) -> tuple[Frozen | None, int]:
        """What is to be sealed, and the number of the last journal file that holds nothing else."""
        catalog = self._shop.catalog
        with self._committer.alone():
            journals = self._committer.end_journal()
            with catalog.lock:
                return catalog.hot.freeze(), journals

    def _write(self, frozen: Frozen) -> tuple[list[SegmentEntry], Sequence[BatchEntry]]:
        """Segments, and the batch ids that found no place in one."""
        # Before the snapshot: what is asked for in between is applied, but does not count as applied.
        cleared = self._shop.catalog.manifest.tombstone_next - 1
        with self._shop.catalog.snapshot() as snapshot:
            hidden_in = snapshot.tombstones
        rows = [
            self._shop.without_deleted(run.part.rows, hidden_in.get(run.part.name, ())) for run in frozen.runs
        ]
        tables = [table for table in rows if table.num_rows]
        if not tables:
            return [], frozen.entries
        return self._write_classes(concat(tables), frozen.entries, cleared=cleared), ()

    def _write_classes(
        self, table: pa.Table, batches: Sequence[BatchEntry], *, cleared: int
    ) -> list[SegmentEntry]:
        """One segment for each class and day; the largest remembers the batches."""
        pieces = [
            (retention, day, rows)
            for retention, members in by_class(table, self._shop.options.rules, self._shop.engine)
            for day, rows in by_day(members)
        ]
        pieces.sort(key=lambda piece: -piece[2].num_rows)
        entries = []
        for place, (retention, day, rows) in enumerate(pieces):
            remembered = batches if place == 0 else ()
            entries.append(
                self._shop.write(rows, day, batches=remembered, retention=retention, cleared=cleared)
            )
        return entries

    def _forget_old(self, batches: Sequence[BatchEntry]) -> tuple[BatchEntry, ...]:
        oldest = self._shop.oldest_batch_ns()
        return tuple(batch for batch in batches if batch.received >= oldest)
