"""Rewriting a folder of an earlier format in today's."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.errors import DamageError
from tamis.store.embedded.format.layout import day_of_segment
from tamis.store.embedded.format.manifest import FORMAT, BatchEntry, Manifest, SegmentEntry
from tamis.store.embedded.format.segment_files import read_rows
from tamis.store.embedded.keep.workshop import Workshop
from tamis.store.embedded.options import StoreOptions
from tamis.store.embedded.store import open_store


@dataclass(frozen=True, slots=True)
class Upgraded:
    """From which format to which, and how many segments were written anew."""

    before: int
    after: int
    segments: int


def upgrade(
    folder: Path,
    *,
    disk: Disk | None = None,
    clock: Clock = SYSTEM_CLOCK,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Upgraded:
    """Write a store in today's format, segment by segment; a folder that is in it already stays as it is.

    Can be stopped at any moment and started again. `progress` gets how many segments are done, and of how many.
    Raises as `open_store`; another process must not have the folder open.
    """
    store = open_store(folder, StoreOptions(background=False), disk=disk, clock=clock, create=False)
    try:
        shop = store.parts.shop
        manifest = shop.catalog.manifest
        before = min([manifest.format, *(entry.format for entry in manifest.segments)])
        old = [entry for entry in manifest.segments if entry.format < FORMAT]
        for done, entry in enumerate(old):
            progress(done, len(old))
            _write_anew(shop, entry)
        progress(len(old), len(old))
        if before < FORMAT:
            shop.catalog.publish(lambda manifest: manifest)
        return Upgraded(before, FORMAT, len(old))
    finally:
        store.close()


def _write_anew(shop: Workshop, entry: SegmentEntry) -> None:
    """Put a segment of today's format in the place of an older one; a damaged one is set aside."""
    try:
        with shop.catalog.segments() as (manifest, segments):
            rows = read_rows(segments[entry.name])
    except DamageError as error:
        if not shop.catalog.set_aside_damaged(error):
            raise
        return
    batches = [one for one in manifest.batches if _is_of(one, entry)]
    ids = {one.id for one in batches}
    made = shop.write(
        rows, day_of_segment(entry.name), batches=batches, retention=entry.retention, cleared=entry.cleared
    )

    def change(manifest: Manifest) -> Manifest:
        return msgspec.structs.replace(
            manifest,
            segments=tuple(made if one.name == entry.name else one for one in manifest.segments),
            segment_next=shop.numbers.next,
            batches=tuple(one for one in manifest.batches if one.id not in ids),
        )

    shop.catalog.publish(change)


def _is_of(batch: BatchEntry, entry: SegmentEntry) -> bool:
    return entry.facts.min_seq <= batch.first_seq <= entry.facts.max_seq
