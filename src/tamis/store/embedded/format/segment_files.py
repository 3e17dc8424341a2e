"""Segments as files: written so that they are there whole or not at all, with what the manifest says of
them."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from tamis.disk.base import Disk
from tamis.errors import DamageError
from tamis.store.embedded.format.columns import table_bytes
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest import FORMAT, BatchEntry, SegmentEntry
from tamis.store.embedded.format.segment import Segment, encode_segment, read_metadata

FORMAT_KEY = "tamis.format"
BATCHES_KEY = "tamis.batches"
STORE_KEY, RETENTION_KEY = "tamis.store", "tamis.retention"
"""Whose records these are, and the rule they fell under: so that a lost manifest can be made anew."""

_entries = msgspec.json.Decoder(list[BatchEntry])


def write_segment(
    disk: Disk,
    place: tuple[Layout, str],
    name: str,
    *,
    table: pa.Table,
    batches: Sequence[BatchEntry] = (),
    retention: str = "",
    cleared: int = 0,
    small: bool = False,
) -> SegmentEntry:
    """Write a table with `seq` as a segment; its files are safe on return. Nobody knows of them before the
    manifest does. `place` is the store's layout and its id."""
    layout, store_id = place
    metadata = {
        FORMAT_KEY: str(FORMAT).encode(),
        STORE_KEY: store_id.encode(),
        RETENTION_KEY: retention.encode(),
    }
    if batches:
        metadata[BATCHES_KEY] = msgspec.json.encode(list(batches))
    encoded = encode_segment(table, metadata, small=small)
    path = layout.segment(name)
    disk.create_folder(path.parent)
    disk.write_whole(path, [encoded.parquet])
    disk.write_whole(layout.tally(name), [encoded.tally])
    pa.default_memory_pool().release_unused()
    return SegmentEntry(
        name=name,
        bytes=encoded.parquet.size,
        sha256=digest(encoded.parquet),
        tally_bytes=encoded.tally.size,
        tally_sha256=digest(encoded.tally),
        facts=encoded.facts,
        retention=retention,
        cleared=cleared,
        small=small,
        memory_bytes=table_bytes(table),
        batches=len(batches),
        last_batch=max((batch.received for batch in batches), default=0),
    )


def digest(data: Any) -> str:
    """SHA-256 of a buffer, in hexadecimal digits."""
    return hashlib.sha256(memoryview(data)).hexdigest()


def digest_of_file(disk: Disk, path: Path, *, piece_bytes: int = 1 << 22) -> str:
    """SHA-256 of a file, read in pieces."""
    file = disk.open_read(path)
    try:
        total = hashlib.sha256()
        for position in range(0, file.size, piece_bytes):
            total.update(file.read_at(position, piece_bytes))
        return total.hexdigest()
    finally:
        file.close()


def read_rows(segment: Segment) -> pa.Table:
    """All rows and columns of a segment. Raises DamageError."""
    return segment.read(range(len(segment.row_groups())))


def read_batches(path: Path) -> list[BatchEntry]:
    """The batch ids that a segment's file remembers. Raises DamageError."""
    try:
        raw = read_metadata(path).get(BATCHES_KEY)
        return [] if raw is None else _entries.decode(raw)
    except (OSError, pa.ArrowException, msgspec.MsgspecError) as error:
        raise DamageError(str(path), f"its batch ids cannot be read: {error}") from error


def remembered(layout: Layout, entries: Iterable[SegmentEntry], *, oldest_ns: int) -> list[BatchEntry]:
    """The batches received since `oldest_ns` that segments remember; a damaged segment's are left out."""
    found: list[BatchEntry] = []
    for entry in entries:
        if entry.batches and entry.last_batch >= oldest_ns:
            try:
                found.extend(
                    one for one in read_batches(layout.segment(entry.name)) if one.received >= oldest_ns
                )
            except DamageError:
                continue
    return found


def trouble_with(disk: Disk, layout: Layout, entry: SegmentEntry) -> str | None:
    """What can be seen to be wrong with a segment's files without reading them."""
    for path, size in (
        (layout.segment(entry.name), entry.bytes),
        (layout.tally(entry.name), entry.tally_bytes),
    ):
        if not disk.exists(path):
            return f"{path.name} is missing"
        found = disk.size(path)
        if found != size:
            return f"{path.name} has {found:,} bytes instead of {size:,}"
    return None


def damage_of(disk: Disk, layout: Layout, entry: SegmentEntry) -> str | None:
    """What is wrong with a segment's files, every byte of them read."""
    trouble = trouble_with(disk, layout, entry)
    if trouble is not None:
        return trouble
    for path, digest in (
        (layout.segment(entry.name), entry.sha256),
        (layout.tally(entry.name), entry.tally_sha256),
    ):
        if digest and digest_of_file(disk, path) != digest:
            return f"{path.name} is not what was written (its SHA-256 differs)"
    return None
