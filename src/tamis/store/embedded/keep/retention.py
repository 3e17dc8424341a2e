"""How long records stay: by rule, by age of receipt, by bytes on disk."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa

from tamis.clock import NS_PER_S
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.mask import matching_mask
from tamis.store.embedded.format.layout import day_of
from tamis.store.embedded.format.manifest import BatchEntry, Loss, Manifest, SegmentEntry
from tamis.store.embedded.options import RetentionRule, StoreOptions

DAY_NS = 86_400 * NS_PER_S


def by_class(
    table: pa.Table, rules: Sequence[RetentionRule], engine: Engine
) -> Iterator[tuple[str, pa.Table]]:
    """The table divided by the first rule that matches each record; "" is no rule. Empty parts are left
    out."""
    for rule in rules:
        if not table.num_rows:
            return
        mask = matching_mask(table, rule.filter, engine)
        if mask.any():
            yield rule.name, table.filter(pa.array(mask))
            table = table.filter(pa.array(~mask))
    if table.num_rows:
        yield "", table


def by_day(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The table divided by day of receipt (UTC)."""
    days = table["received"].cast(pa.int64()).to_numpy() // DAY_NS
    distinct = np.unique(days)
    for day in distinct:
        rows = table if len(distinct) == 1 else table.filter(pa.array(days == day))
        yield day_of(int(day) * DAY_NS), rows


def expired(
    manifest: Manifest, options: StoreOptions, *, now_ns: int, journal_bytes: int
) -> list[SegmentEntry]:
    """The segments whose time is over, and then the oldest received until the rest fits the disk budget."""
    keeps = {rule.name: rule.keep_s for rule in options.rules}
    gone = [
        entry for entry in manifest.segments if _is_over(entry, keeps, options.retention_s, now_ns=now_ns)
    ]
    if options.disk_bytes_max is None:
        return gone
    names = {entry.name for entry in gone}
    rest = sorted(
        (entry for entry in manifest.segments if entry.name not in names),
        key=lambda entry: (entry.facts.max_received, entry.name),
    )
    total = journal_bytes + sum(entry.bytes + entry.tally_bytes for entry in rest)
    for entry in rest:
        if total <= options.disk_bytes_max:
            break
        total -= entry.bytes + entry.tally_bytes
        gone.append(entry)
    return gone


def expired_losses(manifest: Manifest, options: StoreOptions, *, now_ns: int) -> list[Loss]:
    """The lost segments whose time would be over by now: nobody misses them any more."""
    keeps = {rule.name: rule.keep_s for rule in options.rules}
    return [
        loss
        for loss in manifest.losses
        if loss.segment is not None and _is_over(loss.segment, keeps, options.retention_s, now_ns=now_ns)
    ]


def _is_over(entry: SegmentEntry, keeps: dict[str, float], otherwise: float | None, *, now_ns: int) -> bool:
    keep_s = keeps.get(entry.retention, otherwise)
    return keep_s is not None and entry.facts.max_received + int(keep_s * NS_PER_S) < now_ns


def without(
    manifest: Manifest, gone: frozenset[str], *, batches: Sequence[BatchEntry], oldest_ns: int
) -> Manifest:
    """The manifest without some segments, with the batch ids that only they remembered."""
    kept = tuple(entry for entry in manifest.segments if entry.name not in gone)
    known = {one.id: one for one in (*manifest.batches, *batches) if one.received >= oldest_ns}
    return msgspec.structs.replace(manifest, segments=kept, batches=tuple(known.values()))
