"""Reading segments to write them anew together, with little more in memory than the rows themselves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tamis.store.embedded.format.columns import COLUMNS_MAX, concat, is_attribute
from tamis.store.embedded.format.segment import Segment, in_time_order
from tamis.store.embedded.format.segment_files import read_rows


def gathered(segments: Sequence[Segment]) -> pa.Table:
    """All rows of segments, in order of (timestamp, seq). Raises DamageError.

    Column by column: as whole tables the rows would be in memory twice while they are put in order. More
    attributes than a segment may have can only be told apart from the rest over whole tables.
    """
    names = list(dict.fromkeys(name for segment in segments for name in segment.read([]).column_names))
    if sum(map(is_attribute, names)) > COLUMNS_MAX:
        return in_time_order(concat([read_rows(segment) for segment in segments]))
    order = _order(segments)
    return pa.table({name: _column(segments, name, order) for name in names})


def _order(segments: Sequence[Segment]) -> pa.Array:
    stamps = _joined(segments, "timestamp").cast(pa.int64()).to_numpy()
    return pa.array(np.lexsort((_joined(segments, "seq").to_numpy(), stamps)))


def _column(segments: Sequence[Segment], name: str, order: pa.Array) -> Any:
    column = _joined(segments, name).combine_chunks()
    return column.take(order)


def _joined(segments: Sequence[Segment], name: str) -> pa.ChunkedArray:
    """A column of all segments; null where one lacks it."""
    read = [
        segment.read(range(len(segment.row_groups())), [name]) if name in segment.facts.columns else None
        for segment in segments
    ]
    kind = next(table.schema.field(name).type for table in read if table is not None)
    pieces = [
        pa.table({name: pa.nulls(segment.facts.records, kind)}) if table is None else table
        for segment, table in zip(segments, read, strict=True)
    ]
    return pa.concat_tables(pieces).unify_dictionaries()[name]
