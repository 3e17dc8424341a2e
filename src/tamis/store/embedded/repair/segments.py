"""Mending one segment: its files from wherever they are whole, its tally from its records."""

import contextlib

from tamis.disk.space import require_space
from tamis.errors import DiskError
from tamis.store.embedded.format.manifest import SegmentEntry, taken_back
from tamis.store.embedded.format.segment_files import damage_of, digest_of_file
from tamis.store.embedded.keep.workshop import Workshop
from tamis.store.embedded.recovery.mend import with_new_tally
from tamis.store.embedded.recovery.quarantine import keep_copy
from tamis.store.embedded.repair.fetch import Fetcher, Wanted
from tamis.store.embedded.repair.report import COUNTED_ANEW, PUT_RIGHT, Mended


def files_of(shop: Workshop, entry: SegmentEntry) -> tuple[Wanted, Wanted]:
    """A segment's two files as they were written: records, tally."""
    return (
        Wanted(shop.layout.segment(entry.name), entry.bytes, entry.sha256),
        Wanted(shop.layout.tally(entry.name), entry.tally_bytes, entry.tally_sha256),
    )


class SegmentMender:
    """Mends segments that are set aside. `wanted` are the digests of all files that are: one of them may stand in the
    place of another. Used by one thread at a time."""

    def __init__(self, shop: Workshop, fetcher: Fetcher, wanted: frozenset[str]) -> None:
        self._shop, self._fetcher, self._wanted = shop, fetcher, wanted

    def mend(self, entry: SegmentEntry) -> Mended | None:
        """Make a segment whole and live again; None when its records are nowhere.

        Raises NoSpaceError before anything is written.
        """
        shop = self._shop
        path = f"segments/{entry.name}"
        if self._is_whole(entry):
            return self._back(entry, Mended(path, PUT_RIGHT, entry.facts.records))
        records, _ = files_of(shop, entry)
        origin = None
        if not self._is(records):
            origin = self._put(records)
            if origin is None:
                return None
        mended = entry if self._is_whole(entry) else with_new_tally(shop.disk, shop.layout, entry)
        if mended is None:
            return None
        return self._back(mended, Mended(path, origin or COUNTED_ANEW, entry.facts.records))

    def _is_whole(self, entry: SegmentEntry) -> bool:
        with contextlib.suppress(DiskError):
            return damage_of(self._shop.disk, self._shop.layout, entry) is None
        return False

    def _is(self, wanted: Wanted) -> bool:
        return bool(wanted.sha256) and self._digest(wanted) == wanted.sha256

    def _digest(self, wanted: Wanted) -> str:
        with contextlib.suppress(DiskError):
            return digest_of_file(self._shop.disk, wanted.path)
        return ""

    def _put(self, wanted: Wanted) -> str | None:
        """Have a file in its place; where it came from, or None."""
        got = self._fetcher.fetch(wanted)
        if got is None:
            return None
        disk, layout = self._shop.disk, self._shop.layout
        is_needed = self._digest(wanted) in self._wanted
        require_space(disk, layout.folder, wanted.bytes + (disk.size(wanted.path) if is_needed else 0))
        disk.create_folder(wanted.path.parent)
        if is_needed:
            keep_copy(disk, layout, wanted.path)
        disk.write_whole(wanted.path, got.pieces)
        return f"it came from {got.origin}"

    def _back(self, entry: SegmentEntry, mended: Mended) -> Mended:
        self._shop.engine.forget()
        self._shop.catalog.publish(lambda manifest: taken_back(manifest, entry))
        return mended
