"""Merging: segments of one class and one day become one, and smaller than they were sealed."""

import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import pyarrow as pa

from tamis.clock import NS_PER_S
from tamis.errors import DamageError
from tamis.store.embedded.format.columns import concat
from tamis.store.embedded.format.layout import day_of, day_of_segment
from tamis.store.embedded.format.manifest import BatchEntry, Manifest, SegmentEntry
from tamis.store.embedded.format.part import Snapshot
from tamis.store.embedded.format.segment import Segment
from tamis.store.embedded.format.segment_files import read_rows, remembered
from tamis.store.embedded.keep.gather import gathered
from tamis.store.embedded.keep.workshop import Workshop
from tamis.store.embedded.options import StoreOptions
from tamis.telemetry import status


def groups_to_merge(
    segments: Iterable[SegmentEntry], options: StoreOptions, *, today: str
) -> Iterator[list[SegmentEntry]]:
    """Segments that should become one. On a day that is over all small ones; today only `merge_count` of
    about one size, so that a record is written again a few times at most."""
    kinds: dict[tuple[str, str, int], list[SegmentEntry]] = {}
    for entry in sorted(segments, key=lambda one: one.facts.min_seq):
        if is_small(entry, options):
            day = day_of_segment(entry.name)
            tier = int(math.log(max(entry.facts.records, 1), options.merge_count)) if day >= today else 0
            kinds.setdefault((day, entry.retention, tier), []).append(entry)
    for (day, _, _), members in kinds.items():
        *full, last = _packed(members, options)
        yield from (group for group in full if len(group) > 1)
        if len(last) >= (options.merge_count if day >= today else 2):
            yield last


def groups_to_shrink(
    segments: Sequence[SegmentEntry], options: StoreOptions, *, busy_ns: int, now_ns: int
) -> Iterator[list[SegmentEntry]]:
    """Segments as they were sealed, to be written anew at leisure: neighbours together. `busy_ns`: when the
    last record came."""
    patience_ns = int(options.shrink_after_s * NS_PER_S)
    quiet = busy_ns + patience_ns <= now_ns
    kinds: dict[tuple[str, str], list[SegmentEntry]] = {}
    for entry in sorted(segments, key=lambda one: one.facts.min_seq):
        late = entry.facts.max_received + 60 * patience_ns <= now_ns
        if not entry.small and (quiet or late):
            kinds.setdefault((day_of_segment(entry.name), entry.retention), []).append(entry)
    for members in kinds.values():
        yield from _packed(members, options)


def is_small(entry: SegmentEntry, options: StoreOptions) -> bool:
    """Whether two of its size fit into one merge."""
    return (
        entry.facts.records * 2 < options.merge_records_max
        and entry.memory_bytes * 2 < options.merge_bytes_max
    )


def _packed(members: Sequence[SegmentEntry], options: StoreOptions) -> Iterator[list[SegmentEntry]]:
    """Runs of neighbours that stay within the limits of one merge."""
    group: list[SegmentEntry] = []
    records = size = 0
    for entry in members:
        records, size = records + entry.facts.records, size + entry.memory_bytes
        if group and (records > options.merge_records_max or size > options.merge_bytes_max):
            yield group
            group, records, size = [], entry.facts.records, entry.memory_bytes
        group.append(entry)
    if group:
        yield group


class Merger:
    """Merges segments. Called by one thread at a time."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    def merge(self) -> int:
        """Merge what should be merged now; return how many segments went into others."""
        today = day_of(self._shop.clock.now_ns())
        groups = groups_to_merge(self._shop.catalog.manifest.segments, self._shop.options, today=today)
        return self._each(list(groups))

    def shrink(self) -> int:
        """Write anew, smaller, what can be at leisure; return how many segments went into others."""
        return self._each(list(self.groups_to_shrink())[:1])

    def groups_to_shrink(self) -> Iterator[list[SegmentEntry]]:
        """What `shrink` would write anew now."""
        shop = self._shop
        segments = shop.catalog.manifest.segments
        last = max((entry.facts.max_received for entry in segments), default=0)
        busy_ns = max(last, shop.catalog.hot.first_received or 0)
        return groups_to_shrink(segments, shop.options, busy_ns=busy_ns, now_ns=shop.clock.now_ns())

    def _each(self, groups: Iterable[Sequence[SegmentEntry]]) -> int:
        merged = 0
        for group in groups:
            try:
                merged += self._merge(group)
            except DamageError as error:
                if not self._shop.catalog.set_aside_damaged(error):
                    raise
        return merged

    def _merge(self, group: Sequence[SegmentEntry]) -> int:
        names = frozenset(entry.name for entry in group)
        if not names <= self._shop.catalog.manifest.segment_names():
            return 0
        records = sum(entry.facts.records for entry in group)
        try:
            with status.doing("compaction", total=records, unit="records", note=group[0].name) as work:
                made, batches = self._write(group)
                work.advance(records)
        finally:
            pa.default_memory_pool().release_unused()

        def change(manifest: Manifest) -> Manifest:
            kept = tuple(entry for entry in manifest.segments if entry.name not in names)
            return msgspec.structs.replace(
                manifest,
                segments=(*kept, *made),
                segment_next=self._shop.numbers.next,
                batches=(*manifest.batches, *batches),
            )

        self._shop.catalog.publish(change)
        return len(group)

    def _write(self, group: Sequence[SegmentEntry]) -> tuple[list[SegmentEntry], Sequence[BatchEntry]]:
        """The new segment, and the batch ids that found no place in it; no segment when no row is left."""
        shop = self._shop
        cleared = shop.catalog.manifest.tombstone_next - 1
        with shop.catalog.segments() as (_, segments), shop.catalog.snapshot() as snapshot:
            rows = self._rows([segments[entry.name] for entry in group], snapshot)
            batches = remembered(shop.layout, group, oldest_ns=shop.oldest_batch_ns())
        if not rows.num_rows:
            return [], batches
        day, retention = day_of_segment(group[0].name), group[0].retention
        entry = shop.write(rows, day, batches=batches, retention=retention, cleared=cleared, small=True)
        return [entry], ()

    def _rows(self, segments: Sequence[Segment], snapshot: Snapshot) -> pa.Table:
        """The rows of segments that no deletion hides."""
        if not any(segment.name in snapshot.tombstones for segment in segments):
            return gathered(segments)
        shop = self._shop
        return concat(
            [shop.without_deleted(read_rows(one), snapshot.tombstones.get(one.name, ())) for one in segments]
        )
