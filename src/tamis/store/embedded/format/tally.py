"""Counts kept with every part: shape × service × level × hour, with what a reader needs to answer from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tamis.record.shape import shape

HOUR_NS = 3_600_000_000_000
_LATEST = 2**63 - 1
KNOWN_SHAPES_MAX, KNOWN_SHAPE_CHARS_MAX = 50_000, 500
_KNOWN_SHAPES: dict[int, str] = {}
"""Shapes by their ids, the same in every part: those that arriving records have are worked out once. Replaced as a
whole, never wrong: an id is a function of its shape."""

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Tally:
    """One row for each combination that occurs, in no order that means anything.

    `shape`, `service` and `level` are places in `shape_ids`/`shapes`, `services` and `levels` (None there is:
    absent). `min_ts` and `max_ts` are the first and last timestamp counted in the row. `example` is a message
    of the row, on the newest row of each shape, service and level; None elsewhere.
    """

    shape_ids: Ints
    shapes: Sequence[str]
    services: Sequence[str | None]
    levels: Sequence[str | None]
    shape: Ints
    service: Ints
    level: Ints
    hour: Ints
    count: Ints
    min_ts: Ints
    max_ts: Ints
    example: pa.Array

    hourly: bool = True
    """Whether each row is of one hour; `without_hours` has none, and `hour` means nothing there."""
    places: dict[object, Ints] = field(default_factory=dict, compare=False)
    """Where indexes of shapes keep these shapes: each index's places under itself (`ask.shapes`)."""

    def __len__(self) -> int:
        return len(self.count)

    @cached_property
    def without_hours(self) -> "Tally":
        """The same counts, all hours together: far fewer rows, for questions that no time cuts."""
        key = (self.shape * len(self.services) + self.service) * len(self.levels) + self.level
        keys, rows = np.unique(key, return_inverse=True)
        some = np.empty(len(keys), np.int64)
        some[rows] = np.arange(len(rows))
        first, last = np.full(len(keys), _LATEST), np.full(len(keys), -_LATEST)
        np.minimum.at(first, rows, self.min_ts)
        np.maximum.at(last, rows, self.max_ts)
        return replace(
            self,
            shape=self.shape[some],
            service=self.service[some],
            level=self.level[some],
            hour=np.zeros(len(keys), np.int64),
            count=np.bincount(rows, weights=self.count, minlength=len(keys)).astype(np.int64),
            min_ts=first,
            max_ts=last,
            example=self.example.take(pa.array(_examples_of(self, rows, len(keys)))),
            hourly=False,
        )

    @cached_property
    def records(self) -> int:
        """How many records are counted."""
        return int(self.count.sum())


def _examples_of(tally: Tally, rows: Ints, total: int) -> Ints:
    """For each group of rows: one that has an example."""
    shown = np.flatnonzero(tally.example.is_valid().to_numpy(zero_copy_only=False))
    places = np.zeros(total, np.int64)
    places[rows[shown]] = shown
    return places


def tally_table(table: pa.Table) -> Tally:
    """The tally of a table whose rows are in order of timestamp."""
    stamps = _stamps(table)
    shape_codes, shape_ids = _codes(table["shape_id"])
    service_codes, services = _codes(
        table["service"] if "service" in table.column_names else None, table.num_rows
    )
    level_codes, levels = _codes(table["level"] if "level" in table.column_names else None, table.num_rows)
    hours = stamps // HOUR_NS
    first_hour = int(hours.min()) if len(hours) else 0
    key = (((hours - first_hour) * len(levels) + level_codes) * len(services) + service_codes) * len(
        shape_ids
    ) + shape_codes
    encoded = pa.array(key).dictionary_encode()
    rows = encoded.indices.to_numpy().astype(np.int64)
    keys = encoded.dictionary.to_numpy()
    total = len(keys)
    places = np.arange(len(rows))
    first, last = np.empty(total, np.int64), np.empty(total, np.int64)
    last[rows] = places
    first[rows[::-1]] = places[::-1]
    keys, shape_rows = np.divmod(keys, len(shape_ids))
    keys, service_rows = np.divmod(keys, len(services))
    hour_rows, level_rows = np.divmod(keys, len(levels))
    return Tally(
        shape_ids=np.asarray(shape_ids, np.int64),
        shapes=_shape_texts(table, shape_codes, shape_ids),
        services=services,
        levels=levels,
        shape=shape_rows,
        service=service_rows,
        level=level_rows,
        hour=hour_rows + first_hour,
        count=np.bincount(rows, minlength=total).astype(np.int64),
        min_ts=stamps[first],
        max_ts=stamps[last],
        example=_examples(
            table, last, (shape_rows * len(services) + service_rows) * len(levels) + level_rows
        ),
    )


def _stamps(table: pa.Table) -> Ints:
    column = table["timestamp"].combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    return column.view(pa.int64()).to_numpy()  # type: ignore[no-any-return]  # pyarrow is untyped


def _codes(column: Any, rows: int = 0) -> tuple[Ints, list[Any]]:
    """Each value as a place in the list of distinct values."""
    if column is None:
        return np.zeros(rows, np.int64), [None]
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column, null_encoding="encode")
    array = column.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    values = array.dictionary.to_pylist()
    indices = array.indices
    if indices.null_count:
        indices = indices.fill_null(len(values))
        values = [*values, None]
    return indices.to_numpy().astype(np.int64), values or [None]


def _shape_texts(table: pa.Table, codes: Ints, shape_ids: Sequence[int]) -> list[str]:
    """Shapes are not stored with rows: one message of each gives its shape again, unless it is known still."""
    found = [_KNOWN_SHAPES.get(number) for number in shape_ids]
    missing = [place for place, text in enumerate(found) if text is None]
    if missing:
        row_of = np.empty(len(shape_ids), np.int64)
        row_of[codes] = np.arange(len(codes))
        messages = table["message"].take(pa.array(row_of[missing])).to_pylist()
        if len(_KNOWN_SHAPES) + len(missing) > KNOWN_SHAPES_MAX:
            _KNOWN_SHAPES.clear()
        for place, message in zip(missing, messages, strict=True):
            text = found[place] = shape(message)
            if len(text) <= KNOWN_SHAPE_CHARS_MAX:
                _KNOWN_SHAPES[shape_ids[place]] = text
    return [text or "" for text in found]


def _examples(table: pa.Table, last: Ints, group: Ints) -> pa.Array:
    """The message of the newest row of each group, on that row."""
    order = np.argsort(last, kind="stable")
    newest = {int(group[row]): int(row) for row in order}
    rows = np.array(sorted(newest.values()), np.int64)
    messages = table["message"].take(pa.array(last[rows])).to_pylist()
    column: list[str | None] = [None] * len(last)
    for row, message in zip(rows, messages, strict=True):
        column[row] = message
    return pa.array(column, pa.string())


def encode_tally(tally: Tally) -> pa.Buffer:
    """The tally as a Parquet file that any tool reads."""
    table = pa.table(
        {
            "shape_id": tally.shape_ids[tally.shape],
            "shape": pa.DictionaryArray.from_arrays(
                pa.array(tally.shape, pa.int32()), pa.array(tally.shapes, pa.string())
            ),
            "service": _dictionary(tally.service, tally.services),
            "level": _dictionary(tally.level, tally.levels),
            "hour": pa.array(tally.hour * HOUR_NS).view(pa.timestamp("ns")),
            "count": tally.count,
            "min_ts": pa.array(tally.min_ts).view(pa.timestamp("ns")),
            "max_ts": pa.array(tally.max_ts).view(pa.timestamp("ns")),
            "example": tally.example,
        }
    )
    order = np.lexsort((tally.hour, tally.level, tally.service, tally.shape))
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.take(pa.array(order)),
        sink,
        compression="zstd",
        compression_level=3,
        use_dictionary=["shape", "service", "level", "shape_id", "hour", "count"],
        column_encoding={"min_ts": "DELTA_BINARY_PACKED", "max_ts": "DELTA_BINARY_PACKED"},
        write_statistics=False,
    )
    return sink.getvalue()


def _dictionary(codes: Ints, values: Sequence[str | None]) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(codes)).dictionary_encode()


def decode_tally(data: Any) -> Tally:
    """The tally of a file's bytes."""
    table = pq.read_table(pa.BufferReader(data), read_dictionary=["shape", "service", "level"])
    shape_codes, shapes = _codes(table["shape"])
    service_codes, services = _codes(table["service"])
    level_codes, levels = _codes(table["level"])
    ids = np.zeros(len(shapes), np.int64)
    ids[shape_codes] = table["shape_id"].to_numpy()
    example = table["example"].combine_chunks()
    return Tally(
        shape_ids=ids,
        shapes=shapes,
        services=services,
        levels=levels,
        shape=shape_codes,
        service=service_codes,
        level=level_codes,
        hour=table["hour"].cast(pa.int64()).to_numpy() // HOUR_NS,
        count=table["count"].to_numpy(),
        min_ts=table["min_ts"].cast(pa.int64()).to_numpy(),
        max_ts=table["max_ts"].cast(pa.int64()).to_numpy(),
        example=example.chunk(0) if isinstance(example, pa.ChunkedArray) else example,
    )
