"""Expiry: segments whose time is over leave."""

import msgspec

from tamis.store.embedded.format.layout import day_of, is_day
from tamis.store.embedded.format.manifest import Manifest
from tamis.store.embedded.format.segment_files import remembered
from tamis.store.embedded.keep.retention import expired, expired_losses, without
from tamis.store.embedded.keep.workshop import Workshop
from tamis.store.embedded.live.catalog import Catalog
from tamis.store.embedded.write.journals import Journals


class Expirer:
    """Drops segments by age, rules and disk budget. Called by one thread at a time."""

    def __init__(self, shop: Workshop, journals: Journals) -> None:
        self._shop, self._journals = shop, journals
        self.dropped_records = 0

    def due(self) -> bool:
        """Whether something is over."""
        shop, now_ns = self._shop, self._shop.clock.now_ns()
        manifest, journal_bytes = shop.catalog.manifest, self._journals.bytes
        return bool(
            expired(manifest, shop.options, now_ns=now_ns, journal_bytes=journal_bytes)
            or expired_losses(manifest, shop.options, now_ns=now_ns)
        )

    def _forget_losses(self) -> None:
        """Lost segments whose time is over: nothing warns of them any more, and what is left of them goes."""
        shop = self._shop
        lost = expired_losses(shop.catalog.manifest, shop.options, now_ns=shop.clock.now_ns())
        if not lost:
            return

        def change(manifest: Manifest) -> Manifest:
            kept = tuple(loss for loss in manifest.losses if loss not in lost)
            return msgspec.structs.replace(manifest, losses=kept)

        shop.catalog.publish(change)
        for loss in lost:
            if loss.segment is not None:
                shop.discard([loss.segment])

    def expire(self) -> int:
        """Drop what is over; return how many segments."""
        self._forget_losses()
        shop = self._shop
        catalog: Catalog = shop.catalog
        gone = expired(
            catalog.manifest,
            shop.options,
            now_ns=shop.clock.now_ns(),
            journal_bytes=self._journals.bytes,
        )
        if not gone:
            return 0
        oldest_ns = shop.oldest_batch_ns()
        batches = remembered(shop.layout, gone, oldest_ns=oldest_ns)
        names = frozenset(entry.name for entry in gone)

        def change(manifest: Manifest) -> Manifest:
            return without(manifest, names, batches=batches, oldest_ns=oldest_ns)

        catalog.publish(change)
        self.dropped_records += sum(entry.facts.records for entry in gone)
        return len(gone)

    def remove_empty_days(self) -> None:
        """Remove the folders of past days that hold nothing."""
        shop = self._shop
        today = day_of(shop.clock.now_ns())
        for name in shop.disk.names(shop.layout.segments):
            folder = shop.layout.segments / name
            if is_day(name) and name < today and not shop.disk.names(folder):
                shop.disk.remove_folder(folder)
