"""From a URL or folder to a store: `memory:` or a path."""

import os
from pathlib import Path
from typing import Literal, cast

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import ConfigError, QueryError
from tamis.query.parser import parse
from tamis.query.resolve import resolve_filter
from tamis.settings import Settings
from tamis.store.base import Store
from tamis.store.embedded.options import RetentionRule, StoreOptions

MEMORY = "memory:"


def open_store(
    place: str | Path, settings: Settings, *, clock: Clock = SYSTEM_CLOCK, create: bool = True
) -> Store:
    """The store at a place. Raises what the store's own opening raises, and ConfigError for a wrong rule."""
    if str(place) == MEMORY:
        from tamis.store.memory import MemoryStore

        return MemoryStore(clock)
    from tamis.store.embedded.store import open_store as open_embedded

    return open_embedded(Path(place), store_options(settings, clock), clock=clock, create=create)


def store_options(settings: Settings, clock: Clock = SYSTEM_CLOCK) -> StoreOptions:
    """What the settings say of the embedded store."""
    store, query = settings.store, settings.query
    return StoreOptions(
        durability=cast(Literal["disk", "memory"], store.durability),
        sync_interval_s=store.sync_interval_s,
        segment_records=store.segment_records,
        segment_bytes=store.segment_bytes,
        segment_age_s=store.segment_age_s,
        segment_batches=store.segment_batches,
        hot_bytes_max=store.hot_bytes_max,
        journal_bytes_max=store.journal_bytes_max,
        disk_bytes_max=store.disk_bytes_max or None,
        disk_reserve_bytes=store.disk_reserve_bytes,
        retention_s=store.retention_age_s or None,
        rules=_rules(settings, clock),
        batch_ids_max=store.batch_ids_max,
        batch_ids_age_s=store.batch_ids_age_s,
        merge_count=store.merge_count,
        merge_records_max=store.merge_records_max,
        merge_bytes_max=store.merge_bytes_max,
        erase_after_s=store.erase_after_s,
        scrub_bytes_per_s=store.scrub_bytes_per_s,
        scrub_interval_s=store.scrub_interval_s,
        mirrors=store.mirrors,
        mend_interval_s=store.mend_interval_s,
        query_memory_bytes=query.memory_bytes,
        query_threads=query.threads or os.cpu_count() or 1,
        query_heavy_max=query.heavy_max,
        query_shapes_max=query.shapes_max,
        query_kept_bytes=query.kept_bytes,
    )


def _rules(settings: Settings, clock: Clock) -> tuple[RetentionRule, ...]:
    source = settings.sources.get("store.retention", "default")
    rules = []
    for rule in settings.store.retention:
        try:
            query = parse(rule.query)
            found = resolve_filter(query.filter, clock.now_ns())
        except QueryError as error:
            raise ConfigError("store.retention", rule.query, source, str(error)) from error
        if query.stages:
            raise ConfigError("store.retention", rule.query, source, "a rule is a filter, without stages")
        rules.append(RetentionRule(rule.query, found, rule.keep_s))
    return tuple(rules)
