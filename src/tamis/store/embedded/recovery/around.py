"""Going around damage: a segment that turns out to be damaged while it is read is set aside."""

import threading
from collections.abc import Callable
from typing import TypeVar

import duckdb

from tamis.disk.base import Disk
from tamis.errors import DamageError, DiskError
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest import Manifest, SegmentEntry, with_segment
from tamis.store.embedded.format.segment_files import damage_of
from tamis.store.embedded.live.catalog import Catalog
from tamis.store.embedded.recovery.mend import with_new_tally

T = TypeVar("T")


class Around:
    """Does something with segments; again without those that are damaged, until it works. Thread-safe."""

    def __init__(self, disk: Disk, layout: Layout, catalog: Catalog) -> None:
        self._disk, self._layout, self._catalog = disk, layout, catalog
        self._one = threading.Lock()
        self._mended: set[str] = set()

    def do(self, work: Callable[[], T]) -> T:
        """The result of `work`, which is done again after each segment that had to be set aside."""
        while True:
            seen = self.now
            try:
                return work()
            except (DamageError, duckdb.Error) as error:
                if not self.set_aside(error, seen):
                    raise

    @property
    def now(self) -> Manifest:
        """What is live."""
        return self._catalog.manifest

    def set_aside(self, error: Exception, seen: Manifest) -> bool:
        """Mend or set aside what made an error; False when no segment is to blame. `seen` was live when the work
        began: when something else is by now, the work is simply worth another try.

        DuckDB does not always say which file it could not read: then all are compared with their digests.
        """
        with self._one:
            if self.now is not seen:
                return True
            return self._go_around(self._named(error) or self._damaged())

    def found(self, error: DamageError) -> None:
        """Mend or set aside the segment that an error speaks of, if it is live."""
        with self._one:
            self._go_around(self._named(error))

    def _go_around(self, found: list[tuple[SegmentEntry, str]]) -> bool:
        for entry, reason in found:
            if not self._mend(entry):
                self._catalog.set_aside(entry.name, reason)
        return bool(found)

    def _named(self, error: Exception) -> list[tuple[SegmentEntry, str]]:
        """The segment that an error speaks of, when it is live."""
        if not isinstance(error, DamageError):
            return []
        entry = self._catalog.segment_in(f"{error.path} {error.reason}")
        return [(entry, error.reason)] if entry is not None else []

    def _damaged(self) -> list[tuple[SegmentEntry, str]]:
        found = []
        for entry in self._catalog.manifest.segments:
            try:
                reason = damage_of(self._disk, self._layout, entry)
            except DiskError as refused:
                reason = str(refused)
            if reason is not None:
                found.append((entry, reason))
        return found

    def _mend(self, entry: SegmentEntry) -> bool:
        """Count a segment's tally anew, once: when that did not help, it is not the tally."""
        if entry.name in self._mended:
            return False
        self._mended.add(entry.name)
        mended = with_new_tally(self._disk, self._layout, entry)
        if mended is None:
            return False
        self._catalog.publish(lambda manifest: with_segment(manifest, mended))
        return True
