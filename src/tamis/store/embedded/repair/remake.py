"""A manifest made anew: when none is whole, the segments' own files tell what is in them."""

import re
from collections.abc import Sequence

import msgspec

from tamis.clock import Clock
from tamis.disk.base import Disk
from tamis.errors import DamageError, DiskError, FormatError, SourceError
from tamis.integrity.mirrors import Mirrors
from tamis.integrity.sources.base import Source
from tamis.store.embedded.format.layout import Layout, is_day
from tamis.store.embedded.format.manifest import Manifest
from tamis.store.embedded.format.manifest_file import read_manifest, write_manifest
from tamis.store.embedded.format.segment import read_metadata
from tamis.store.embedded.format.segment_files import STORE_KEY
from tamis.store.embedded.recovery.quarantine import free_name
from tamis.store.embedded.repair.elsewhere import stores_of

_STORE_ID = re.compile(rb'"store_id":"([0-9a-f]{8})"')


def needs_manifest(disk: Disk, layout: Layout) -> str | None:
    """Why a folder that has a store's files cannot be opened; None when it can. FormatError as `read_manifest`."""
    try:
        read_manifest(disk, layout)
    except DamageError as error:
        return error.reason
    return None


def remake_manifest(
    disk: Disk, layout: Layout, sources: Sequence[Source], *, clock: Clock, problems: list[str]
) -> str:
    """Write a manifest where none is whole; return a sentence on where it comes from. Needs the folder's lock.

    A mirror's is taken when there is one: it knows deletions and batch ids too. Else an empty one is written. Either
    way the next opening takes in every segment file that the manifest does not name and nothing else holds. What
    stood in the place of the manifest goes into the quarantine.
    """
    store_id = _store_id(disk, layout)
    base = _of_mirror(layout, sources, store_id, clock=clock, problems=problems)
    if base is None and store_id is None:
        raise FormatError(
            f"nothing in {layout.folder} tells which store it is; name another copy of it with --from"
        )
    for path in (layout.manifest, layout.manifest_copy):
        if disk.exists(path):
            disk.move(path, free_name(disk, layout, path))
    if base is not None:
        manifest, origin = base
        write_manifest(disk, layout, msgspec.structs.replace(manifest, losses=()))
        return f"the manifest came from {origin}; what was deleted after it was copied may show again"
    assert store_id is not None
    write_manifest(disk, layout, Manifest(store_id=store_id, created=clock.now_ns()))
    return (
        "the manifest was made anew from the segments; what was deleted and not yet erased may show again, and "
        "batches that come again may be stored twice"
    )


def _of_mirror(
    layout: Layout, sources: Sequence[Source], store_id: str | None, *, clock: Clock, problems: list[str]
) -> tuple[Manifest, str] | None:
    """The newest manifest that another copy of the store has."""
    mirrors = Mirrors(sources, clock=clock)
    try:
        others = stores_of(mirrors.all, layout, store_id=store_id or "", wait=clock.sleep, problems=problems)
    except (SourceError, DiskError) as error:
        problems.append(str(error))
        return None
    if not others:
        return None
    newest = max(others, key=lambda other: other.manifest.generation)
    return newest.manifest, newest.name


def _store_id(disk: Disk, layout: Layout) -> str | None:
    """Which store it was: in what is left of the manifests, or in its segments."""
    for path in (layout.manifest, layout.manifest_copy):
        if disk.exists(path) and (found := _STORE_ID.search(disk.read(path))):
            return found[1].decode()
    days = (
        [name for name in disk.names(layout.segments) if is_day(name)] if disk.exists(layout.segments) else []
    )
    for day in days:
        for name in disk.names(layout.segments / day):
            said = _said(layout, day, name)
            if said:
                return said
    return None


def _said(layout: Layout, day: str, name: str) -> str | None:
    if not name.endswith(".parquet"):
        return None
    try:
        return read_metadata(layout.segments / day / name).get(STORE_KEY, b"").decode() or None
    except (OSError, ValueError):
        return None
