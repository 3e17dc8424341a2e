"""Erasing: what was deleted leaves the files, and then the deletion itself is forgotten."""

from collections.abc import Callable

import msgspec

from tamis.clock import NS_PER_S
from tamis.errors import DamageError
from tamis.store.embedded.format.layout import day_of_segment
from tamis.store.embedded.format.manifest import BatchEntry, Loss, Manifest, SegmentEntry, TombstoneEntry
from tamis.store.embedded.format.segment_files import read_rows, remembered
from tamis.store.embedded.keep.workshop import Workshop
from tamis.store.embedded.live.catalog import may_hide


class Eraser:
    """Writes segments anew without what was deleted. Called by one thread at a time."""

    def __init__(self, shop: Workshop, seal: Callable[[], int]) -> None:
        self._shop, self._seal = shop, seal

    def due(self) -> list[TombstoneEntry]:
        """The deletions that are old enough to be erased."""
        wait_ns = int(self._shop.options.erase_after_s * NS_PER_S)
        now = self._shop.clock.now_ns()
        return [one for one in self._shop.catalog.manifest.tombstones if one.asked + wait_ns <= now]

    def erase(self, tombstones: list[TombstoneEntry]) -> int:
        """Erase these deletions; return how many segments were written anew or dropped.

        What is still hot is sealed first, without the deleted rows, so that the journal forgets them as well.
        """
        if not tombstones:
            return 0
        if max(one.upto_seq for one in tombstones) > self._shop.catalog.manifest.sealed_through:
            self._seal()
        touched = 0
        for entry in self._shop.catalog.manifest.segments:
            if any(may_hide(one, entry) for one in tombstones):
                touched += self._erase_from(entry)
        self._forget(frozenset(one.id for one in tombstones))
        return touched

    def _erase_from(self, entry: SegmentEntry) -> int:
        try:
            replaced, batches = self._write_anew(entry)
        except DamageError as error:
            if not self._shop.catalog.set_aside_damaged(error):
                raise
            return 0

        def change(manifest: Manifest) -> Manifest:
            segments = tuple(
                new for old in manifest.segments for new in (replaced if old.name == entry.name else [old])
            )
            return msgspec.structs.replace(
                manifest,
                segments=segments,
                segment_next=self._shop.numbers.next,
                batches=(*manifest.batches, *batches),
            )

        self._shop.catalog.publish(change)
        return int(not replaced or replaced[0].name != entry.name)

    def _write_anew(self, entry: SegmentEntry) -> tuple[list[SegmentEntry], list[BatchEntry]]:
        """What stands for the segment from now on, and batch ids that found no place in that."""
        shop = self._shop
        cleared = shop.catalog.manifest.tombstone_next - 1
        with shop.catalog.segments() as (_, segments), shop.catalog.snapshot() as snapshot:
            rows = read_rows(segments[entry.name])
            kept = shop.without_deleted(rows, snapshot.tombstones.get(entry.name, ()))
        if kept.num_rows == rows.num_rows:
            return [msgspec.structs.replace(entry, cleared=cleared)], []
        batches = remembered(shop.layout, [entry], oldest_ns=shop.oldest_batch_ns())
        if not kept.num_rows:
            return [], batches
        day = day_of_segment(entry.name)
        made = shop.write(kept, day, batches=batches, retention=entry.retention, cleared=cleared)
        return [made], []

    def _forget(self, ids: frozenset[str]) -> None:
        """Drop the deletions that hide nothing any more."""

        def change(manifest: Manifest) -> Manifest:
            kept = tuple(
                one for one in manifest.tombstones if one.id not in ids or _still_hides(one, manifest)
            )
            return msgspec.structs.replace(manifest, tombstones=kept)

        manifest = self._shop.catalog.manifest
        if change(manifest) != manifest:
            self._shop.catalog.publish(change)


def _still_hides(tombstone: TombstoneEntry, manifest: Manifest) -> bool:
    if tombstone.upto_seq > manifest.sealed_through:
        return True
    if any(may_hide(tombstone, entry) for entry in manifest.segments):
        return True
    return any(_may_come_back(loss, tombstone) for loss in manifest.losses)


def _may_come_back(loss: Loss, tombstone: TombstoneEntry) -> bool:
    """Whether a repair may bring back records that were deleted while they were lost."""
    if loss.segment is not None:
        return may_hide(tombstone, loss.segment)
    return loss.min_seq is None or loss.min_seq <= tombstone.upto_seq
