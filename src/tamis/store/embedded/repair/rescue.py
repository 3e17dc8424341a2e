"""Bringing back lost records from another copy of the store, where they stand in other files than here."""

from collections.abc import Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tamis.errors import AbsentError, DamageError, FormatError, SourceError
from tamis.store.embedded.format.layout import day_of_segment
from tamis.store.embedded.format.manifest import BatchEntry, Loss, Manifest, SegmentEntry, without_loss
from tamis.store.embedded.format.part import PartFacts
from tamis.store.embedded.format.segment import facts_of, in_time_order
from tamis.store.embedded.format.tally import tally_table
from tamis.store.embedded.keep.retention import by_class, by_day
from tamis.store.embedded.keep.workshop import Workshop
from tamis.store.embedded.repair.elsewhere import OtherStore, rows_between
from tamis.store.embedded.repair.report import Mended


class Rescuer:
    """Writes what other stores still have of a loss as new segments. Used by one thread at a time.

    Records are known by their ingest sequence. A copy that went on by itself has other records under the same
    numbers, and an old one has records that were deleted here since: what comes back has to fit what the manifest
    knows of the loss, or nothing does.
    """

    def __init__(self, shop: Workshop, others: Sequence[OtherStore]) -> None:
        self._shop, self._others = shop, others
        self.problems: list[str] = []

    def rescue(self, loss: Loss) -> Mended | None:
        """Bring back the records of a loss, or some of them; None when no copy has any that fit. The loss leaves the
        manifest, or becomes smaller, in one step with the new segments' coming."""
        if loss.min_seq is None or loss.max_seq is None or not loss.records:
            return None
        for other in self._others:
            try:
                rows, batches = self._found(loss, other)
            except (SourceError, AbsentError, DamageError, FormatError, pa.ArrowException) as error:
                self.problems.append(f"{other.name}: {error}")
                continue
            if rows is not None:
                return self._bring_back(loss, rows, batches, other.name)
        return None

    def _found(self, loss: Loss, other: OtherStore) -> tuple[pa.Table | None, Sequence[BatchEntry]]:
        assert loss.min_seq is not None
        assert loss.max_seq is not None
        assert loss.records is not None
        entry = loss.segment
        rows, batches = rows_between(
            other,
            loss.min_seq,
            loss.max_seq,
            day="" if entry is None else day_of_segment(entry.name),
            retention=None if entry is None else entry.retention,
        )
        if rows is None:
            return None, ()
        if entry is not None:
            rows = self._of_segment(rows, entry)
        rows = self._unknown_here(self._shop.without_deleted(rows, other.deletions()), loss)
        if not rows.num_rows or not self._fits(rows, loss, other):
            return None, ()
        return rows, batches

    def _of_segment(self, rows: pa.Table, entry: SegmentEntry) -> pa.Table:
        """The rows of journals there fall under days and rules that nobody has sorted them by yet."""
        shop = self._shop
        classes = dict(by_class(rows, shop.options.rules, shop.engine))
        kept = classes.get(entry.retention, rows.slice(0, 0))
        return dict(by_day(kept)).get(day_of_segment(entry.name), rows.slice(0, 0)) if kept.num_rows else kept

    def _unknown_here(self, rows: pa.Table, loss: Loss) -> pa.Table:
        """The rows that no live segment has."""
        assert loss.min_seq is not None
        assert loss.max_seq is not None
        with self._shop.catalog.segments() as (manifest, segments):
            for entry in manifest.segments:
                facts = entry.facts
                if facts.min_seq <= loss.max_seq and loss.min_seq <= facts.max_seq:
                    segment = segments[entry.name]
                    known = segment.read(range(len(segment.row_groups())), ["seq"])["seq"]
                    rows = rows.filter(pc.invert(pc.is_in(rows["seq"], value_set=known.combine_chunks())))
        return rows

    def _fits(self, rows: pa.Table, loss: Loss, other: OtherStore) -> bool:
        """Whether these can be the lost records: all of them, exactly; or a part, when nothing was deleted here that
        the copy does not know of."""
        assert loss.records is not None
        if rows.num_rows == loss.records:
            return loss.segment is None or _like(rows, loss.segment.facts)
        manifest = self._shop.catalog.manifest
        return rows.num_rows < loss.records and manifest.tombstone_next == other.manifest.tombstone_next

    def _bring_back(self, loss: Loss, rows: pa.Table, batches: Sequence[BatchEntry], origin: str) -> Mended:
        entries = self._write(loss, rows, batches)
        assert loss.records is not None
        rest = loss.records - rows.num_rows

        def change(manifest: Manifest) -> Manifest:
            changed = without_loss(manifest, loss)
            left = (_smaller(loss, rest),) if rest else ()
            return msgspec.structs.replace(
                changed,
                segments=(*changed.segments, *entries),
                losses=(*changed.losses, *left),
                segment_next=self._shop.numbers.next,
            )

        self._shop.catalog.publish(change)
        how = f"{rows.num_rows:,} of its {loss.records:,} records came from {origin}"
        return Mended(loss.path, how, rows.num_rows)

    def _write(self, loss: Loss, rows: pa.Table, batches: Sequence[BatchEntry]) -> list[SegmentEntry]:
        shop, entry = self._shop, loss.segment
        rows = in_time_order(rows)
        if entry is not None:
            day = day_of_segment(entry.name)
            return [shop.write(rows, day, batches=batches, retention=entry.retention, cleared=entry.cleared)]
        made: list[SegmentEntry] = []
        for retention, members in by_class(rows, shop.options.rules, shop.engine):
            for day, piece in by_day(members):
                made.append(shop.write(piece, day, batches=() if made else batches, retention=retention))
        return made


def _like(rows: pa.Table, facts: PartFacts) -> bool:
    """Whether a table has the records that a segment had, as far as the manifest knows."""
    ordered = in_time_order(rows)
    found = facts_of(ordered, tally_table(ordered))
    names = ("records", "min_ts", "max_ts", "min_seq", "max_seq", "min_received", "max_received", "shapes")
    return found.columns == facts.columns and all(
        getattr(found, name) == getattr(facts, name) for name in names
    )


def _smaller(loss: Loss, records: int) -> Loss:
    """What is left of a loss of which some records came back: its file does not come back any more."""
    return msgspec.structs.replace(loss, records=records, segment=None)
