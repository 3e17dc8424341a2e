"""Making and opening an embedded store: its parts put together."""

import os
from pathlib import Path

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.disk.lock import FolderLock, lock_folder
from tamis.disk.real import RealDisk
from tamis.errors import FormatError
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.face import EmbeddedStore
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest import BatchEntry, Manifest, with_journal
from tamis.store.embedded.format.manifest_file import (
    manifest_exists,
    refuse_remains,
    refuse_unfinished,
    write_manifest,
)
from tamis.store.embedded.format.segment_files import remembered
from tamis.store.embedded.keep.delete import Deleter
from tamis.store.embedded.keep.upkeep import Upkeep
from tamis.store.embedded.keep.workshop import Numbers, Workshop
from tamis.store.embedded.live.catalog import Catalog
from tamis.store.embedded.live.hot import Hot
from tamis.store.embedded.options import DEFAULT_OPTIONS, StoreOptions
from tamis.store.embedded.parts import StoreParts
from tamis.store.embedded.recovery.around import Around
from tamis.store.embedded.recovery.recover import Recovered, make_names_safe, recover
from tamis.store.embedded.repair.journals import JournalRescuer
from tamis.store.embedded.repair.repairer import Repairer
from tamis.store.embedded.repair.unasked import mending_lane
from tamis.store.embedded.write.admission import Admission
from tamis.store.embedded.write.batches import BatchIndex
from tamis.store.embedded.write.commit import Committer
from tamis.store.embedded.write.intake import Intake, show_in
from tamis.store.embedded.write.journals import Journals

__all__ = ["EmbeddedStore", "create_store", "open_store"]

_PURPOSE = "tamis store"


def create_store(
    folder: Path,
    options: StoreOptions = DEFAULT_OPTIONS,
    *,
    disk: Disk | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> EmbeddedStore:
    """A new store in a folder, which may be there (other things in it are left alone). FormatError when it
    holds a store already."""
    disk = disk or RealDisk()
    layout = Layout(folder.resolve())
    lock = _lock(disk, layout)
    try:
        refuse_unfinished(disk, layout)
        if manifest_exists(disk, layout):
            raise FormatError(f"{layout.folder} holds a store already; open it, or choose another folder")
        _create(disk, layout, clock)
        return _open(disk, layout, options, clock=clock, lock=lock)
    except BaseException:
        lock.release()
        raise


def open_store(
    folder: Path,
    options: StoreOptions = DEFAULT_OPTIONS,
    *,
    disk: Disk | None = None,
    clock: Clock = SYSTEM_CLOCK,
    create: bool = True,
    unfinished: bool = False,
) -> EmbeddedStore:
    """Open the store in a folder, making one when there is none and `create` says so.

    Raises LockedError when another process has it, FormatError when a newer release wrote it or there is
    none, DamageError when no manifest is whole. Damage elsewhere is named by `health` and in answers.
    `unfinished` is for the restore of a backup itself: a folder in which one is not done is refused else.
    """
    disk = disk or RealDisk()
    layout = Layout(folder.resolve())
    if not unfinished:
        refuse_unfinished(disk, layout)
    if not create and not manifest_exists(disk, layout):
        refuse_remains(disk, layout)
        raise FormatError(f"{layout.folder} holds no store; check the path")
    lock = _lock(disk, layout)
    try:
        if not manifest_exists(disk, layout):
            _create(disk, layout, clock)
        return _open(disk, layout, options, clock=clock, lock=lock)
    except BaseException:
        lock.release()
        raise


def _lock(disk: Disk, layout: Layout) -> FolderLock:
    disk.create_folder(layout.folder)
    return lock_folder(layout.folder, _PURPOSE)


def _create(disk: Disk, layout: Layout, clock: Clock) -> None:
    make_names_safe(disk, layout)
    refuse_remains(disk, layout)
    write_manifest(disk, layout, Manifest(store_id=os.urandom(4).hex(), created=clock.now_ns()))


def _open(
    disk: Disk, layout: Layout, options: StoreOptions, *, clock: Clock, lock: FolderLock
) -> EmbeddedStore:
    found = recover(disk, layout, now_ns=clock.now_ns())
    hot = Hot(found.replay.last_seq)
    for batch in found.replay.batches:
        hot.add(batch)
    catalog = Catalog(disk, layout, found.manifest, hot=hot, clock=clock)
    if found.changed:
        catalog.publish(lambda manifest: manifest)
    engine = Engine(
        layout.segments,
        memory_bytes=options.query_memory_bytes,
        threads=options.query_threads,
        heavy_max=options.query_heavy_max,
        shapes_max=options.query_shapes_max,
        kept_bytes=options.query_kept_bytes,
    )
    shop = Workshop(disk, layout, catalog, engine, options, clock, Numbers(found.manifest.segment_next))
    parts = _parts(shop, found, lock)
    store = EmbeddedStore(parts)
    if options.background:
        parts.upkeep.start()
        parts.mending.start()
    return store


def _parts(shop: Workshop, found: Recovered, lock: FolderLock) -> StoreParts:
    options, catalog = shop.options, shop.catalog
    journals = Journals(
        shop.disk,
        shop.layout,
        bytes_max=options.journal_bytes_max,
        next_number=found.replay.next_file,
        name=lambda number: catalog.publish(lambda manifest: with_journal(manifest, number)),
        files=found.replay.files,
    )
    committer = Committer(
        journals,
        show_in(catalog),
        next_seq=found.replay.last_seq + 1,
        sync_each=options.durability == "disk",
    )
    batches = BatchIndex(
        shop.clock,
        age_s=options.batch_ids_age_s,
        count_max=options.batch_ids_max,
        load=lambda: _remembered(shop),
    )
    batches.add(batch.entry for batch in found.replay.batches if batch.entry is not None)
    around = Around(shop.disk, shop.layout, catalog)
    upkeep = Upkeep(shop, committer, journals, around.found)
    admission = Admission(
        shop.disk,
        shop.layout,
        options,
        hot_bytes=lambda: catalog.hot.memory_bytes,
        make_room=upkeep.make_room,
    )
    intake = Intake(committer, batches, admission=admission, clock=shop.clock, taken=upkeep.batch_taken)
    deleter = Deleter(catalog, shop.engine, shop.clock)
    repairer = Repairer(shop, JournalRescuer(catalog, committer, batches), upkeep.seal)
    return StoreParts(
        shop=shop,
        journals=journals,
        committer=committer,
        batches=batches,
        admission=admission,
        intake=intake,
        upkeep=upkeep,
        deleter=deleter,
        around=around,
        repairer=repairer,
        mending=mending_lane(shop, repairer),
        lock=lock,
        notes=tuple(found.notes),
    )


def _remembered(shop: Workshop) -> list[BatchEntry]:
    """Batch ids in segments, set aside ones included, and in the manifest."""
    with shop.catalog.segments() as (manifest, _):
        aside = [loss.segment for loss in manifest.losses if loss.segment is not None]
        found = remembered(shop.layout, [*manifest.segments, *aside], oldest_ns=shop.oldest_batch_ns())
        return [*manifest.batches, *found]
