"""What the manifest would say of a segment, worked out from its files alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tamis.errors import DamageError
from tamis.store.embedded.format.columns import NAMES, table_bytes
from tamis.store.embedded.format.manifest import FORMAT, SegmentEntry
from tamis.store.embedded.format.segment import facts_of, in_time_order
from tamis.store.embedded.format.segment_files import (
    FORMAT_KEY,
    RETENTION_KEY,
    STORE_KEY,
    digest,
    read_batches,
)
from tamis.store.embedded.format.tally import encode_tally, tally_table


@dataclass(frozen=True, slots=True)
class FoundSegment:
    """A segment's file that was read through: its entry, its tally as it should be, and whose it is ("" is not
    said: an earlier release wrote it)."""

    entry: SegmentEntry
    tally: pa.Buffer
    store_id: str


def read_table(source: Any) -> pa.Table:
    """The rows of a segment's file (a path, or its bytes in a buffer), as `Segment` gives them. Raises what pyarrow
    raises."""
    names = [name for name in NAMES if name in pq.read_schema(_opened(source)).names]
    with pq.ParquetFile(_opened(source), read_dictionary=names) as file:
        return file.read()


def _opened(source: Any) -> Any:
    return source if isinstance(source, Path) else pa.BufferReader(source)


def read_found(name: str, path: Path) -> FoundSegment:
    """Read a segment's file through. DamageError when it cannot be read or is none."""
    try:
        data = path.read_bytes()
        table = read_table(data)
        metadata = pq.read_metadata(_opened(data)).metadata or {}
        if not table.num_rows or not {"seq", "timestamp", "received", "message"} <= set(table.column_names):
            raise DamageError(str(path), "it holds no records of a store")
        tally = tally_table(in_time_order(table))
        facts = facts_of(table, tally)
        said = {key.decode(): value.decode() for key, value in metadata.items()}
        written = int(said.get(FORMAT_KEY, FORMAT))
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise DamageError(str(path), str(error)) from error
    batches = read_batches(path)
    encoded = encode_tally(tally)
    entry = SegmentEntry(
        name=name,
        bytes=len(data),
        sha256=digest(data),
        tally_bytes=encoded.size,
        tally_sha256=digest(encoded),
        facts=facts,
        retention=said.get(RETENTION_KEY, ""),
        memory_bytes=table_bytes(table),
        batches=len(batches),
        last_batch=max((batch.received for batch in batches), default=0),
        format=written,
    )
    return FoundSegment(entry, encoded, said.get(STORE_KEY, ""))


def seqs_in(path: Path) -> set[int]:
    """The sequences of a segment's records. Raises DamageError."""
    try:
        return set(pq.read_table(path, columns=["seq"])["seq"].to_pylist())
    except (OSError, pa.ArrowException, KeyError) as error:
        raise DamageError(str(path), str(error)) from error


def span_of(path: Path) -> tuple[int, int] | None:
    """The lowest and the highest sequence in a segment's file, from its footer; None when it has none that can be
    read."""
    try:
        metadata = pq.read_metadata(path)
        column = next(
            place for place in range(metadata.num_columns) if metadata.schema.column(place).name == "seq"
        )
        found = [
            metadata.row_group(group).column(column).statistics for group in range(metadata.num_row_groups)
        ]
        return min(one.min for one in found), max(one.max for one in found)
    except (OSError, pa.ArrowException, StopIteration, ValueError, AttributeError):
        return None
