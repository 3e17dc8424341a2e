"""The store in a folder that a backup comes back into: opened before it is whole, and named anew where its manifest is
lost."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tamis.backup.snapshot import Snapshot
from tamis.clock import Clock
from tamis.disk.base import Disk
from tamis.store.embedded.face import EmbeddedStore
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest import LOSSES_MAX, Loss, Manifest
from tamis.store.embedded.format.manifest_file import write_manifest
from tamis.store.embedded.options import StoreOptions
from tamis.store.embedded.store import open_store

REMADE = (
    "the manifest of the backup is damaged and was made anew from its segments; what was deleted and not yet erased "
    "may show again, and batches that come again may be stored twice"
)


@dataclass(frozen=True, slots=True)
class Lost:
    """A file that could not be brought back, and why."""

    path: str
    reason: str
    records: int | None = None
    first_ns: int | None = None
    last_ns: int | None = None


@contextmanager
def opened_unfinished(folder: Path, disk: Disk, clock: Clock) -> Iterator[EmbeddedStore]:
    """The store of a folder in which a restore is at work."""
    options = StoreOptions(background=False, disk_reserve_bytes=0)
    store = open_store(folder, options, disk=disk, clock=clock, create=False, unfinished=True)
    try:
        yield store
    finally:
        store.close()


def remake(folder: Path, snapshot: Snapshot, lost: Iterable[Lost], disk: Disk, clock: Clock) -> None:
    """Make a manifest of the files that came back; it names those that did not.

    Opening takes in every segment that it does not name. Sequences that the store had given are not given again.
    """
    now_ns = clock.now_ns()
    losses = [_loss(one, now_ns) for one in lost if _has_records(one)]
    manifest = Manifest(store_id=snapshot.store_id, created=now_ns, losses=tuple(losses[:LOSSES_MAX]))
    write_manifest(disk, Layout(folder), manifest)
    with opened_unfinished(folder, disk, clock) as store:
        store.seal_now()
        store.parts.shop.catalog.publish(lambda made: _beyond(made, snapshot.last_seq))


def _has_records(lost: Lost) -> bool:
    return lost.records is not None or lost.path.endswith(".journal")


def _loss(lost: Lost, now_ns: int) -> Loss:
    return Loss(
        path=lost.path.removeprefix("data/"),
        reason=f"it is damaged in the backup ({lost.reason})",
        found=now_ns,
        records=lost.records,
        min_ts=lost.first_ns,
        max_ts=lost.last_ns,
    )


def _beyond(manifest: Manifest, last_seq: int) -> Manifest:
    return msgspec.structs.replace(manifest, sealed_through=max(manifest.sealed_through, last_seq))
