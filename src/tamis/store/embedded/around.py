"""Going around damage: a segment that turns out to be damaged while it is read is set aside."""

from collections.abc import Callable
from typing import TypeVar

import duckdb

from tamis.disk.base import Disk
from tamis.errors import DamageError, DiskError
from tamis.store.embedded.catalog import Catalog
from tamis.store.embedded.layout import Layout
from tamis.store.embedded.segment_files import damage_of

T = TypeVar("T")


class Around:
    """Does something with segments; again without those that are damaged, until it works. Thread-safe."""

    def __init__(self, disk: Disk, layout: Layout, catalog: Catalog) -> None:
        self._disk, self._layout, self._catalog = disk, layout, catalog

    def do(self, work: Callable[[], T]) -> T:
        """The result of `work`, which is done again after each segment that had to be set aside."""
        while True:
            try:
                return work()
            except (DamageError, duckdb.Error) as error:
                if not self.set_aside(error):
                    raise

    def set_aside(self, error: Exception) -> bool:
        """Set aside what made an error; False when no segment is to blame.

        DuckDB does not always say which file it could not read: then all are compared with their digests.
        """
        if isinstance(error, DamageError) and self._catalog.set_aside_damaged(error):
            return True
        damaged = {}
        for entry in self._catalog.manifest.segments:
            try:
                reason = damage_of(self._disk, self._layout, entry)
            except DiskError as refused:
                reason = str(refused)
            if reason is not None:
                damaged[entry.name] = reason
        for name, reason in damaged.items():
            self._catalog.set_aside(name, reason)
        return bool(damaged)
