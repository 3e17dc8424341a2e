"""Every limit of the embedded store, with its default."""

from dataclasses import dataclass
from typing import Literal

from tamis.query.ast import Filter

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Records that match `filter` are kept for `keep_s` from their receipt.

    `name` (the rule's text, as the settings give it) is written into segments: the same rule with another
    `keep_s` holds for segments that are there already; segments of a rule that is gone fall under
    `retention_s`.
    """

    name: str
    filter: Filter
    keep_s: float


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How the store behaves. The server makes it of its settings.

    `durability` ``disk``: `append` returns after an fsync. ``memory``: it returns at once, and a power cut
    may take what came in the last `sync_interval_s`.
    """

    durability: Literal["disk", "memory"] = "disk"
    sync_interval_s: float = 1.0

    segment_records: int = 250_000
    """A segment is sealed when the hot part has so many records …"""
    segment_bytes: int = 96 * MIB
    """… or takes so much memory …"""
    segment_age_s: float = 300.0
    """… or is so old …"""
    segment_batches: int = 50_000
    """… or has so many batches with an id."""
    hot_bytes_max: int = 256 * MIB
    """Memory for records that are not yet in a segment; beyond it the store pushes back."""
    journal_bytes_max: int = 64 * MIB
    """A journal file of this size is followed by another."""

    disk_bytes_max: int | None = None
    """Segments and journal together; the oldest received go first. None: as much as there is."""
    disk_reserve_bytes: int = 128 * MIB
    """Nothing is taken in when less than this is free on the disk."""
    retention_s: float | None = None
    """How long records are kept that no rule names. None: for ever."""
    rules: tuple[RetentionRule, ...] = ()
    """The first that matches a record decides."""

    batch_ids_max: int = 1_000_000
    batch_ids_age_s: float = 86_400.0

    merge_count: int = 8
    """So many segments of about one size are merged into one."""
    merge_records_max: int = 600_000
    merge_bytes_max: int = 256 * MIB
    """Memory that the records of one merge may take."""

    shrink_after_s: float = 10.0
    """Segments are written anew, smaller, when nothing came for so long; at the latest after 60 times that."""

    erase_after_s: float = 3_600.0
    """A deletion is erased from the files so long after it was asked for."""

    scrub_bytes_per_s: int = 8 * MIB
    """Segments and tallies are compared with their digests at this pace; 0: they are not."""
    scrub_interval_s: float = 86_400.0
    """From the beginning of one round over all of them to the next."""

    mirrors: tuple[str, ...] = ()
    """Other copies of the folder (`integrity.sources.opened.open_source`): what is damaged comes from there."""
    mend_interval_s: float = 3_600.0
    """From one try to mend what is lost to the next."""

    query_memory_bytes: int = 384 * MIB
    query_threads: int = 2
    query_heavy_max: int = 4
    query_shapes_max: int = 500_000
    """A segment with more shapes is searched by its messages."""

    query_kept_bytes: int = 160 * MIB
    """Memory for row groups that were asked about, and what filters found in them; 0: nothing is kept."""

    background: bool = True
    """False: nothing happens by itself; `seal_now` and the like are called (tests, tools)."""


DEFAULT_OPTIONS = StoreOptions()
