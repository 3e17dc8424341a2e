"""The manifest of format 1: without a digest of itself, without a copy, batch ids in it instead of in
segments.

Its segment entries have no digest of the tally. Segment files, tallies and journal frames are those of
format 2.
"""

from pathlib import Path

import msgspec

from tamis.errors import DamageError
from tamis.store.embedded.format.manifest import BatchEntry, Manifest, SegmentEntry
from tamis.store.embedded.format.part import PartFacts


class _Segment(msgspec.Struct):
    name: str
    bytes: int
    sha256: str
    tally_bytes: int
    facts: PartFacts
    retention: str = ""


class _Manifest(msgspec.Struct):
    format: int
    store_id: str
    created: int
    generation: int
    sealed_through: int
    segment_next: int
    segments: list[_Segment] = []
    batches: list[BatchEntry] = []


def manifest_of_v1(path: Path, data: bytes) -> Manifest:
    """A manifest of format 1 as one of today; its segments keep `format` 1 until `upgrade` writes them
    anew."""
    try:
        old = msgspec.json.decode(data, type=_Manifest)
    except msgspec.MsgspecError as error:
        raise DamageError(str(path), str(error)) from error
    return Manifest(
        format=1,
        store_id=old.store_id,
        created=old.created,
        generation=old.generation,
        sealed_through=old.sealed_through,
        segment_next=old.segment_next,
        segments=tuple(_entry(segment) for segment in old.segments),
        batches=tuple(old.batches),
    )


def _entry(old: _Segment) -> SegmentEntry:
    return SegmentEntry(
        name=old.name,
        bytes=old.bytes,
        sha256=old.sha256,
        tally_bytes=old.tally_bytes,
        tally_sha256="",
        facts=old.facts,
        retention=old.retention,
        memory_bytes=old.bytes * 8,
        format=1,
    )
