"""Bringing records of a backup back into a store that has others: each comes back once.

A record that the store gave a sequence itself comes back under it, with the same public id, unless it is there. One
of another store, or of another life of this one (a server that was restored and went on has given the same sequences to
other records), is appended as if it came now.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tamis.backup.remade import Lost
from tamis.backup.restored import RestoredLog
from tamis.clock import NS_PER_S
from tamis.errors import OverloadedError
from tamis.record.model import Columns
from tamis.store.embedded.face import EmbeddedStore
from tamis.store.embedded.format.columns import STAMP, to_records
from tamis.store.embedded.format.manifest import Manifest, SegmentEntry
from tamis.store.embedded.format.part import Part, Snapshot, Tombstone
from tamis.store.embedded.keep.retention import by_class, by_day

GROUPS: Final = 4
"""So many row groups are taken at a time."""
APPEND_RECORDS: Final = 5_000
_TRIES: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records: `start_ns` <= timestamp < `end_ns`, received until `until_ns`, sequence beyond `after_seq`.

    `renew`: those that the store's retention would take away at once count as received now; without it they are
    left out and counted. `advance`: sequences beyond the store's newest are kept; only for a store that nobody
    appends to.
    """

    start_ns: int | None = None
    end_ns: int | None = None
    until_ns: int | None = None
    after_seq: int = 0
    renew: bool = False
    advance: bool = False


@dataclass(slots=True, kw_only=True)
class Rejoined:
    """What became of the records that were wanted.

    `adopted` came back under their sequence, `appended` under new ones; `known` were there, `aside` may stand in
    segments that are damaged here (mend those), `expired` would be taken away by retention at once. `lost` are files
    that are damaged in the repository: what they held did not come back.
    """

    adopted: int = 0
    appended: int = 0
    known: int = 0
    aside: int = 0
    expired: int = 0
    notes: list[str] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)


def rejoin(
    store: EmbeddedStore,
    origin: EmbeddedStore,
    wanted: Wanted,
    *,
    log: RestoredLog | None = None,
    going_on: Callable[[], object] = lambda: None,
) -> Rejoined:
    """Bring what is wanted of `origin` (a restored copy, which nobody else has open) back into `store`.

    Can be interrupted at any time and done again: what came back is known then. `log` remembers what was appended
    for longer than the store remembers batches. `going_on` is called now and then, and may raise to call it off.
    """
    done = Rejoined()
    job = _Job(store, origin, wanted, done, log)
    with origin.parts.shop.catalog.snapshot() as snapshot:
        for part in sorted(snapshot.parts, key=lambda one: one.facts.min_seq):
            for table in _tables(part, wanted):
                going_on()
                job.take(_visible(origin, table, snapshot, part))
    if done.aside:
        done.notes.append(
            f"{done.aside:,} records may stand in segments that are damaged here: mend those with `tamis repair`"
        )
    if done.expired:
        done.notes.append(
            f"{done.expired:,} records are older than retention keeps them: they would go at once; renew counts them "
            "as received now"
        )
    return done


def _tables(part: Part, wanted: Wanted) -> Iterator[pa.Table]:
    """The rows of a part that are wanted, some row groups at a time."""
    groups = [
        group.index
        for group in part.row_groups()
        if (wanted.end_ns is None or group.min_ts < wanted.end_ns)
        and (wanted.start_ns is None or group.max_ts >= wanted.start_ns)
    ]
    for first in range(0, len(groups), GROUPS):
        table = part.read(groups[first : first + GROUPS])
        yield table.filter(pa.array(_mask(table, wanted)))


def _mask(table: pa.Table, wanted: Wanted) -> Any:
    stamps, received = _ns(table, "timestamp"), _ns(table, "received")
    mask = table["seq"].to_numpy() > wanted.after_seq
    if wanted.start_ns is not None:
        mask &= stamps >= wanted.start_ns
    if wanted.end_ns is not None:
        mask &= stamps < wanted.end_ns
    if wanted.until_ns is not None:
        mask &= received <= wanted.until_ns
    return mask


def _visible(origin: EmbeddedStore, table: pa.Table, snapshot: Snapshot, part: Part) -> pa.Table:
    """Without what was deleted when the backup was made."""
    hiding: tuple[Tombstone, ...] = snapshot.tombstones.get(part.name, ())
    return origin.parts.shop.without_deleted(table, hiding)


def _ns(table: pa.Table, name: str) -> Any:
    return table[name].cast(pa.int64()).to_numpy()


@dataclass(slots=True)
class _Job:
    """Takes tables of the copy, one after the other."""

    store: EmbeddedStore
    origin: EmbeddedStore
    wanted: Wanted
    done: Rejoined
    log: RestoredLog | None

    def take(self, table: pa.Table) -> None:
        """Bring back what is not there."""
        if not table.num_rows:
            return
        if self.origin.store_id != self.store.store_id:
            self._append(table)
            return
        same, taken, aside = self._compare(table)
        own = ~(same | taken | aside)
        last_seq = self.store.moment()[-1]
        beyond = table["seq"].to_numpy() > last_seq
        if not self.wanted.advance:
            taken, own = taken | (own & beyond), own & ~beyond
        self.done.known += int(same.sum())
        self.done.aside += int(aside.sum())
        self._adopt(table.filter(pa.array(own)))
        self._append(table.filter(pa.array(taken)))

    def _compare(self, table: pa.Table) -> tuple[Any, Any, Any]:
        """Masks over the rows: those that are here; whose sequence another record has; that may be in damage."""
        seqs = table["seq"].to_numpy()
        low, high = int(seqs.min()), int(seqs.max())
        same, taken, aside = (np.zeros(len(seqs), np.bool_) for _ in range(3))
        catalog = self.store.parts.shop.catalog
        with catalog.snapshot() as snapshot:
            for part in snapshot.parts:
                if part.facts.min_seq <= high and part.facts.max_seq >= low:
                    rows = part.read(range(len(part.row_groups())), ["seq", "timestamp", "shape_id"])
                    here, equal = _found(table, rows)
                    if equal.any():
                        equal = _alike(part, table, equal)
                    same |= equal
                    taken |= here & ~equal
            for loss in catalog.manifest.losses:
                if loss.segment is not None and loss.min_seq is not None and loss.max_seq is not None:
                    aside |= (seqs >= loss.min_seq) & (seqs <= loss.max_seq)
        return same, taken, aside & ~same & ~taken

    def _adopt(self, table: pa.Table) -> None:
        """Records under their own sequences, as new segments."""
        if not table.num_rows:
            return
        shop = self.store.parts.shop
        entries: list[SegmentEntry] = []
        try:
            for retention, members in by_class(table, shop.options.rules, shop.engine):
                for day, rows in by_day(self._lasting(members, retention)):
                    entries.append(shop.write(rows, day, retention=retention))
        except BaseException:
            shop.discard(entries)
            raise
        if entries:
            newest = int(np.max(table["seq"].to_numpy())) if self.wanted.advance else 0
            shop.catalog.publish(lambda manifest: self._with(manifest, entries, newest))
        self.done.adopted += sum(one.facts.records for one in entries)

    def _with(self, manifest: Manifest, entries: list[SegmentEntry], newest: int) -> Manifest:
        return msgspec.structs.replace(
            manifest,
            segments=(*manifest.segments, *entries),
            segment_next=self.store.parts.shop.numbers.next,
            sealed_through=max(manifest.sealed_through, newest),
        )

    def _lasting(self, table: pa.Table, retention: str) -> pa.Table:
        """The rows that retention does not take away at once; all, some as received now, with `renew`."""
        shop = self.store.parts.shop
        keeps = {rule.name: rule.keep_s for rule in shop.options.rules}
        keep_s = keeps.get(retention, shop.options.retention_s)
        if keep_s is None:
            return table
        received, now_ns = _ns(table, "received"), shop.clock.now_ns()
        over = received + int(keep_s * NS_PER_S) < now_ns
        if not over.any():
            return table
        if not self.wanted.renew:
            self.done.expired += int(over.sum())
            return table.filter(pa.array(~over))
        column = pa.array(np.where(over, now_ns, received)).view(STAMP)
        return table.set_column(table.column_names.index("received"), "received", column)

    def _append(self, table: pa.Table) -> None:
        """Records as new ones, in batches that are stored once."""
        origin = self.origin.store_id
        if self.log is not None and table.num_rows:
            fresh = ~self.log.contains(origin, table["seq"].to_numpy())
            self.done.known += int((~fresh).sum())
            table = table.filter(pa.array(fresh))
        table = table.take(pa.array(np.argsort(table["seq"].to_numpy(), kind="stable")))
        for first in range(0, table.num_rows, APPEND_RECORDS):
            rows = table.slice(first, APPEND_RECORDS)
            self._append_once(rows, origin)

    def _append_once(self, rows: pa.Table, origin: str) -> None:
        seqs = rows["seq"].to_numpy()
        digest = hashlib.blake2b(seqs.tobytes(), digest_size=12).hexdigest()
        batch = Columns.of([one.record for one in to_records(rows)])
        done = self._patiently(batch, f"restored-{origin}-{digest}")
        if done:
            self.done.appended += rows.num_rows
        else:
            self.done.known += rows.num_rows
        if self.log is not None:
            self.log.add(origin, seqs)

    def _patiently(self, batch: Columns, batch_id: str) -> bool:
        """Append, waiting while the store is behind; whether it was new."""
        for _ in range(_TRIES):
            try:
                return not self.store.append(batch, batch_id=batch_id).duplicate
            except OverloadedError as error:
                self.store.parts.shop.clock.sleep(error.retry_after_s)
        return not self.store.append(batch, batch_id=batch_id).duplicate


def _found(table: pa.Table, rows: pa.Table) -> tuple[Any, Any]:
    """Which rows of the table have their sequence among others, and which of those are the same record."""
    seqs, others = table["seq"].to_numpy(), rows["seq"].to_numpy()
    order = np.argsort(others, kind="stable")
    at = np.minimum(np.searchsorted(others, seqs, sorter=order), len(others) - 1)
    place = order[at]
    here = others[place] == seqs
    equal = here & (_ns(rows, "timestamp")[place] == _ns(table, "timestamp"))
    equal &= rows["shape_id"].to_numpy()[place] == table["shape_id"].to_numpy()
    if "message" in rows.column_names:
        mine, theirs = _text(rows.take(pa.array(place))), _text(table)
        equal &= pc.fill_null(pc.equal(mine, theirs), fill_value=False).to_numpy(zero_copy_only=False)
    return here, equal


def _alike(part: Part, table: pa.Table, candidates: Any) -> Any:
    """Which of the candidates have their message in a part as well: sequence, time and shape two lives may share."""
    stamps = _ns(table, "timestamp")[candidates]
    first, last = int(stamps.min()), int(stamps.max())
    groups = [group.index for group in part.row_groups() if group.min_ts <= last and group.max_ts >= first]
    alike = np.zeros(table.num_rows, np.bool_)
    for begin in range(0, len(groups), GROUPS):
        rows = part.read(groups[begin : begin + GROUPS], ["seq", "timestamp", "shape_id", "message"])
        if rows.num_rows:
            alike |= _found(table, rows)[1]
    return alike


def _text(table: pa.Table) -> Any:
    return pc.cast(table["message"].combine_chunks(), pa.large_string())
