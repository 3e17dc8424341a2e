"""The manifest: what is live in a store's folder."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tamis.store.embedded.format.part import PartFacts

FORMAT = 2
"""The format this release writes; `manifest_file` reads the earlier ones."""


class BatchEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A batch that was stored under an id, so that it is stored once."""

    id: str
    first_seq: int
    count: int
    received: int
    receipt: bytes = b""


class SegmentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed segment. `sha256` are hexadecimal digests of the two files, `bytes` their sizes."""

    name: str
    bytes: int
    sha256: str
    tally_bytes: int
    tally_sha256: str
    facts: PartFacts
    retention: str = ""
    """The name of the retention rule that its records fell under; "" is none."""
    cleared: int = 0
    """The number of the last deletion whose records are no longer in it."""
    small: bool = False
    """Whether it was written at leisure, as small as can be."""
    memory_bytes: int = 0
    """What its records take in memory, about."""
    batches: int = 0
    """How many batch ids its metadata hold."""
    last_batch: int = 0
    """When the last of those batches was received."""
    key_id: str | None = None
    format: int = FORMAT


class TombstoneEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A deletion that is not erased everywhere yet: records up to `upto_seq` that match `filter`
    (as `filters.filter_to_json` writes it) and whose timestamp is in range. Numbers only grow."""

    id: str
    number: int
    filter: dict[str, Any]
    start_ns: int | None
    end_ns: int | None
    upto_seq: int
    asked: int


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Records that were here and cannot be read. Bounds are None where nothing is known.

    `segment` is there when a segment was set aside: its files are left alone, and it comes back by itself
    when they are whole again.
    """

    path: str
    reason: str
    found: int
    records: int | None = None
    min_ts: int | None = None
    max_ts: int | None = None
    min_seq: int | None = None
    max_seq: int | None = None
    segment: SegmentEntry | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The store, but for what stands in its journal beyond `sealed_through`."""

    store_id: str
    created: int
    generation: int = 0
    sealed_through: int = 0
    """Records up to this ingest sequence are in segments (or deleted, or expired)."""
    segment_next: int = 1
    tombstone_next: int = 1
    segments: tuple[SegmentEntry, ...] = ()
    tombstones: tuple[TombstoneEntry, ...] = ()
    batches: tuple[BatchEntry, ...] = ()
    """Batches that no segment remembers, because none of their records is left."""
    losses: tuple[Loss, ...] = ()
    accepted: tuple[Loss, ...] = ()
    """Losses that somebody took note of: answers no longer warn of them. The newest."""
    journals: tuple[int, ...] | None = None
    """The numbers of the journal's files: each was there when this was written. None: written by a release that
    did not name them."""
    format: int = FORMAT

    def segment_names(self) -> frozenset[str]:
        """The names of the live segments."""
        return frozenset(entry.name for entry in self.segments)


LOSSES_MAX = 1_000
"""Further losses are not listed; the folder is past that."""


def with_loss(manifest: Manifest, loss: Loss) -> Manifest:
    """The manifest with one more loss, unless it is known, or LOSSES_MAX are."""
    known = any(other.path == loss.path and other.reason == loss.reason for other in manifest.losses)
    if known or len(manifest.losses) >= LOSSES_MAX:
        return manifest
    return msgspec.structs.replace(manifest, losses=(*manifest.losses, loss))


def without_loss(manifest: Manifest, loss: Loss) -> Manifest:
    """The manifest with one loss less."""
    return msgspec.structs.replace(manifest, losses=tuple(one for one in manifest.losses if one != loss))


def with_accepted(manifest: Manifest, losses: Sequence[Loss]) -> Manifest:
    """The manifest with some of its losses taken note of: they warn no more, and do not come back."""
    kept = tuple(loss for loss in manifest.losses if loss not in losses)
    accepted = (*manifest.accepted, *(msgspec.structs.replace(loss, segment=None) for loss in losses))
    return msgspec.structs.replace(manifest, losses=kept, accepted=accepted[-LOSSES_MAX:])


def taken_back(manifest: Manifest, entry: SegmentEntry) -> Manifest:
    """The manifest with a segment that was set aside among the live ones again."""
    kept = tuple(loss for loss in manifest.losses if loss.segment is None or loss.segment.name != entry.name)
    others = tuple(one for one in manifest.segments if one.name != entry.name)
    return msgspec.structs.replace(manifest, segments=(*others, entry), losses=kept)


def with_journal(manifest: Manifest, number: int) -> Manifest:
    """The manifest with one more file of the journal, which is there."""
    return msgspec.structs.replace(manifest, journals=(*(manifest.journals or ()), number))


def without_journals(manifest: Manifest, *, through: int) -> Manifest:
    """The manifest without the journal's files up to a number, which are about to go."""
    kept = tuple(number for number in manifest.journals or () if number > through)
    return msgspec.structs.replace(manifest, journals=kept)


def with_segment(manifest: Manifest, entry: SegmentEntry) -> Manifest:
    """The manifest with another entry for a segment that it names."""
    segments = tuple(entry if one.name == entry.name else one for one in manifest.segments)
    return msgspec.structs.replace(manifest, segments=segments)
