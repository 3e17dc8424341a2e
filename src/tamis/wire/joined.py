"""The parts of a large body as one batch: Arrow arrays where they can be, each column joined once."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tamis.record.attributes import Value, safe_text
from tamis.record.model import Column, Columns, listed_values
from tamis.wire.base import REST_FIELD
from tamis.wire.rows import CELLS_MAX, NAMES_MIN

_TYPES: dict[type, Any] = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}


class Parts:
    """Parts of a batch in their order. `join` empties it."""

    def __init__(self) -> None:
        self._lengths: list[int] = []
        self._timestamps: list[Column] = []
        self._core: list[dict[str, Column]] = []
        self._attributes: list[dict[str, Column]] = []
        self.rest_count = 0
        """Attribute values that `join` moved into `REST_FIELD`."""

    def add(self, columns: Columns) -> None:
        """One more part; its lists become arrays, which take a fraction of the memory, where they can."""
        if columns.length == 0:
            return
        self._lengths.append(columns.length)
        self._timestamps.append(_array(columns.timestamp, pa.int64()))
        self._core.append({name: _texts(column) for name, column in columns.core.items()})
        self._attributes.append({name: _compact(column) for name, column in columns.attributes.items()})

    def join(self) -> Columns:
        """All parts as one batch. Memory: what the parts take, and one column more."""
        length = sum(self._lengths)
        core_names = dict.fromkeys(name for part in self._core for name in part)
        core = {name: self._joined([part.pop(name, None) for part in self._core]) for name in core_names}
        timestamp = pa.concat_arrays(self._timestamps) if length else []
        self._timestamps.clear()
        attributes = self._attribute_columns(length)
        return Columns(length=length, timestamp=timestamp, core=core, attributes=attributes)

    def _attribute_columns(self, length: int) -> dict[str, Column]:
        counts: dict[str, int] = {}
        for part in self._attributes:
            for name, column in part.items():
                counts[name] = counts.get(name, 0) + _filled(column)
        names_max = max(NAMES_MIN, CELLS_MAX // (length + 1))
        rarest = sorted((name for name in counts if name != REST_FIELD), key=lambda name: -counts[name])
        moved = rarest[names_max:]
        self.rest_count = sum(counts[name] for name in moved)
        if moved:
            for part, rows in zip(self._attributes, self._lengths, strict=True):
                _move_to_rest(part, rows, moved)
            counts = {REST_FIELD: 0} | counts
        return {
            name: self._joined([part.pop(name, None) for part in self._attributes])
            for name in counts
            if name not in set(moved)
        }

    def _joined(self, chunks: list[Column | None]) -> Column:
        """One column of what the parts have of it; None: the part has nothing."""
        if _kinds(chunks) == {pa.int64(), pa.float64()}:
            chunks = _as_doubles(chunks)
        kinds = _kinds(chunks)
        if len(kinds) == 1 and None not in kinds:
            kind = kinds.pop()
            return pa.concat_arrays(
                [
                    pa.nulls(length, kind) if chunk is None else _flat(chunk).cast(kind)
                    for chunk, length in zip(chunks, self._lengths, strict=True)
                ]
            )
        values: list[Any] = []
        for chunk, length in zip(chunks, self._lengths, strict=True):
            values += [None] * length if chunk is None else listed_values(chunk)
        return values


def _kinds(chunks: list[Any]) -> set[Any]:
    """The arrays' types; None for a list."""
    return {None if isinstance(chunk, list) else chunk.type for chunk in chunks if chunk is not None}


def _as_doubles(chunks: list[Any]) -> list[Any]:
    """Integers among the doubles as such, where each is exactly one; else all as lists."""
    try:
        return [None if chunk is None else pc.cast(chunk, pa.float64()) for chunk in chunks]
    except pa.ArrowInvalid:
        return [None if chunk is None else listed_values(chunk) for chunk in chunks]


def _flat(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _array(column: Column, kind: Any) -> Any:
    return pa.array(column, kind) if isinstance(column, list) else _flat(column).cast(kind)


def _texts(column: Column) -> Any:
    try:
        return _array(column, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if text is None else safe_text(text) for text in column], pa.string())


def _compact(column: Column) -> Column:
    """A list of values of one type as an array of it."""
    if not isinstance(column, list):
        return _flat(column)
    kinds = set(map(type, column)) - {type(None)}
    kind = _TYPES.get(next(iter(kinds))) if len(kinds) == 1 else None
    if kind is None:
        return column
    try:
        return pa.array(column, kind)
    except (OverflowError, UnicodeEncodeError, pa.ArrowInvalid):
        return column


def _filled(column: Column) -> int:
    return len(column) - (column.count(None) if isinstance(column, list) else column.null_count)


def _move_to_rest(part: dict[str, Column], rows: int, names: Sequence[str]) -> None:
    """Keep these attributes of a part in its object of further names."""
    rest: list[dict[str, Value] | None] = [None] * rows
    for name in names:
        for at, value in _present(part.pop(name, [])):
            rest[at] = {**(rest[at] or {}), name: value}
    for at, value in _present(part.get(REST_FIELD, [])):
        rest[at] = (rest[at] or {}) | (value if isinstance(value, dict) else {REST_FIELD: value})
    part[REST_FIELD] = rest


def _present(column: Column) -> Iterator[tuple[int, Any]]:
    """The values that there are, with their places."""
    if isinstance(column, list):
        return ((at, value) for at, value in enumerate(column) if value is not None)
    places = pc.indices_nonzero(column.is_valid())
    return zip(places.to_pylist(), column.take(places).to_pylist(), strict=True)
