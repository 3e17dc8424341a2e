"""Batches as Arrow tables: the columns of segments, hot batches and journal frames.

A table has the columns of `CORE_COLUMNS` that some record fills (`timestamp`, `received`, `message` and
`shape_id` always), one column for each attribute and type, and `attributes_rest` when a table would have too
many. `seq` is added when the order of arrival is known.

An attribute column is named ``path#type``. The path is the attribute's name; names inside nested objects follow
after ``/`` (with ``~`` and ``/`` in names written ``~0`` and ``~1``, as in RFC 6901, and NUL ``~2``). Types:
``i`` int64, ``f`` double, ``s`` text, ``b`` boolean, ``n`` integers over 64 bits as text, ``j`` JSON text
(lists, empty objects).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tamis.errors import WireError
from tamis.record.attributes import Value, safe_text
from tamis.record.model import INSTANT_MAX, INSTANT_MIN, Columns, Record, StoredRecord
from tamis.store.embedded.format.shape import shape_ids_of
from tamis.wire.few import few_values

STAMP = pa.timestamp("ns")
NAME = pa.dictionary(pa.int32(), pa.string())
REST = "attributes_rest"
DEPTH_MAX = 8
COLUMNS_MAX = 200
CELLS_MAX, NESTED_MIN, NESTED_MAX = 1 << 25, 16, 400
"""Names in objects get so many columns that they have so many cells together, within these bounds; others are in
`REST`."""
REST_ROWS = 10_000
COUNTED_MAX = 50_000
"""Names that are counted at a time, to find the frequent ones."""

NAMES = ("level", "service", "host", "logger")
"""Core texts with few values: dictionary columns."""

IDS = ("trace_id", "span_id", "correlation_id")

CORE_COLUMNS: dict[str, pa.DataType] = {
    "seq": pa.int64(),
    "timestamp": STAMP,
    "received": STAMP,
    **dict.fromkeys(NAMES, NAME),
    "message": pa.string(),
    "shape_id": pa.int64(),
    **dict.fromkeys(IDS, pa.string()),
}

ATTRIBUTE_TYPES: dict[str, pa.DataType] = {
    "i": pa.int64(),
    "f": pa.float64(),
    "s": pa.string(),
    "b": pa.bool_(),
    "n": pa.string(),
    "j": pa.string(),
}

_INT64 = range(-(2**63), 2**63)


def to_table(batch: Columns, *, received_ns: int) -> pa.Table:
    """A decoded batch as a table without `seq`. Raises WireError for a column of the wrong length or type."""
    columns: dict[str, Any] = {
        "timestamp": _timestamps(batch, received_ns),
        "received": pa.array(np.full(batch.length, received_ns, np.int64)).view(STAMP),
    }
    for name in NAMES:
        if name in batch.core:
            columns[name] = _names(batch.core[name])
    messages = (
        _texts(batch.core["message"]) if "message" in batch.core else pa.nulls(batch.length, pa.string())
    )
    columns["message"] = messages.fill_null("") if messages.null_count else messages
    columns["shape_id"] = shape_ids_of(columns["message"])
    for name in IDS:
        if name in batch.core:
            columns[name] = _texts(batch.core[name])
    room = Room.of(batch.length)
    for name, column in batch.attributes.items():
        _update(columns, attribute_columns(path_part(name), column, room))
    for name, column in columns.items():
        if len(column) != batch.length:
            raise WireError(f"column {name!r} has {len(column)} values for {batch.length} records")
    present = {name: column for name, column in columns.items() if not _empty(name, column)}
    return pa.table(bounded_columns(present, batch.length))


def _empty(name: str, column: pa.Array) -> bool:
    return name != "message" and len(column) > 0 and column.null_count == len(column)


def _timestamps(batch: Columns, received_ns: int) -> pa.Array:
    column = batch.timestamp
    array = column if not isinstance(column, list) else pa.array(column, pa.int64())
    array = _flat(array)
    if array.null_count:
        array = array.fill_null(received_ns)
    reach = pc.min_max(array).as_py()
    if batch.length and (reach["min"] < INSTANT_MIN or reach["max"] > INSTANT_MAX):
        within = pc.and_(pc.greater_equal(array, INSTANT_MIN), pc.less_equal(array, INSTANT_MAX))
        array = pc.if_else(within, array, received_ns)
    return array.view(STAMP)


def _flat(array: Any) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _texts(column: Any) -> pa.Array:
    if not isinstance(column, list):
        array = _flat(column)
        return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    try:
        return pa.array(column, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if text is None else safe_text(text) for text in column], pa.string())


def _names(column: Any) -> pa.Array:
    if not isinstance(column, list) and pa.types.is_dictionary(column.type):
        return _flat(column).cast(NAME)
    return _texts(column).dictionary_encode()


# What follows splits attributes by type.


@dataclass(slots=True)
class Room:
    """How many more columns names in objects may have in a batch."""

    left: int

    @classmethod
    def of(cls, rows: int) -> "Room":
        """For a batch of so many rows."""
        return cls(max(NESTED_MIN, min(NESTED_MAX, CELLS_MAX // (rows + 1))))


def attribute_columns(path: str, column: Any, room: Room) -> dict[str, pa.Array]:
    """One attribute's column, by type: ``{"status#i": …, "status#s": …}``. `path` is escaped already. Of objects with
    very many names between them, those that few have are in a column `REST`."""
    if not isinstance(column, list):
        array = _flat(column)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_struct(array.type):
            return _fields(path, array, room)
        return {f"{path}#{_suffix(array.type)}": array}
    return _split(path, column, room, depth=1)


def _fields(path: str, objects: pa.StructArray, room: Room) -> dict[str, pa.Array]:
    """The columns of what stands in objects, whose nulls are absent."""
    result: dict[str, pa.Array] = {}
    for name, array in zip(objects.type.names, objects.flatten(), strict=True):
        if array.null_count < len(array):
            _update(result, attribute_columns(f"{path}/{path_part(name)}", array, room))
    return result


def _update(columns: dict[str, Any], more: dict[str, Any]) -> None:
    """Add columns; of `REST`, both have a part."""
    rest = more.pop(REST, None)
    columns.update(more)
    if rest is not None:
        columns[REST] = _merged(columns[REST], rest) if REST in columns else rest


def _merged(first: Any, second: Any) -> pa.Array:
    """Objects as JSON, two columns of them put together; no row has a name twice."""
    pairs = zip(first.to_pylist(), second.to_pylist(), strict=True)
    return pa.array(
        [a if b is None else b if a is None else f"{a[:-1]},{b[1:]}" for a, b in pairs], pa.string()
    )


def _suffix(kind: pa.DataType) -> str:
    for suffix, known in ATTRIBUTE_TYPES.items():  # text is `s`, the first of its type
        if kind == known:
            return suffix
    raise WireError(f"attribute columns cannot be {kind}")


def _split(path: str, values: list[Any], room: Room, *, depth: int) -> dict[str, pa.Array]:
    kinds = set(map(type, values))
    kinds.discard(type(None))
    uniform = _UNIFORM.get(kinds.pop()) if len(kinds) == 1 else None
    if uniform is not None:
        try:
            return {f"{path}#{uniform}": pa.array(values, ATTRIBUTE_TYPES[uniform])}
        except (OverflowError, UnicodeEncodeError, pa.ArrowInvalid):
            pass
    return _split_mixed(path, values, room, depth=depth)


_UNIFORM: dict[type, str] = {int: "i", float: "f", str: "s", bool: "b"}


def _split_mixed(path: str, values: list[Any], room: Room, *, depth: int) -> dict[str, pa.Array]:
    """A column for each type: a pass over all values for each of the usual types, then one by one the rest."""
    result: dict[str, pa.Array] = {}
    rest: list[int] = []
    for kind in dict.fromkeys(map(type, values)):
        if kind is type(None):
            continue
        column = _of_type(path, values, kind) if kind in _UNIFORM else None
        if column is None:
            rest.extend(row for row, value in enumerate(values) if type(value) is kind)
        else:
            result.update(column)
    if rest:
        _update(result, _split_rest(path, values, rest, room, depth=depth))
    return result


def _of_type(path: str, values: list[Any], kind: type) -> dict[str, pa.Array] | None:
    """The values of one type; None when some of them do not fit its column."""
    try:
        column = pa.array(
            [value if type(value) is kind else None for value in values], ATTRIBUTE_TYPES[_UNIFORM[kind]]
        )
    except (OverflowError, UnicodeEncodeError, pa.ArrowInvalid):
        return None
    return {f"{path}#{_UNIFORM[kind]}": column}


def _split_rest(
    path: str, values: list[Any], rows: Iterable[int], room: Room, *, depth: int
) -> dict[str, pa.Array]:
    by_type: dict[str, list[Any]] = {}
    nested: list[Any] | None = None
    for row in rows:
        value = values[row]
        if isinstance(value, dict) and value and depth < DEPTH_MAX:
            nested = nested or [None] * len(values)
            nested[row] = value
            continue
        suffix, stored = _typed(value)
        column = by_type.get(suffix)
        if column is None:
            column = by_type[suffix] = [None] * len(values)
        column[row] = stored
    result = {
        f"{path}#{suffix}": pa.array(column, ATTRIBUTE_TYPES[suffix]) for suffix, column in by_type.items()
    }
    if nested is not None:
        _update(result, _split_nested(path, nested, room, depth=depth))
    return result


def _split_nested(path: str, values: list[Any], room: Room, *, depth: int) -> dict[str, pa.Array]:
    result: dict[str, pa.Array] = {}
    names_max = room.left // 2  # what is left is for objects in these, and for other fields
    by_name = _by_name(values, names_max=names_max)
    if by_name is None:
        kept = _frequent(values, names_max)
        by_name = _by_name(values, kept) or {}
        result[REST] = _others(path, values, kept, depth=depth)
    room.left -= len(by_name)
    for name, (places, inner) in by_name.items():
        inside = f"{path}/{path_part(name)}"
        array = few_values(places, inner, len(values))
        if array is not None:
            result[f"{inside}#{_suffix(array.type)}"] = array
            continue
        column: list[Any] = [None] * len(values)
        for row, value in zip(places, inner, strict=True):
            column[row] = value
        _update(result, _split(inside, column, room, depth=depth + 1))
    return result


def _by_name(
    values: list[Any], kept: Set[str] | None = None, *, names_max: int = 0
) -> dict[str, tuple[list[int], list[Any]]] | None:
    """For each name inside some objects: the rows that have it, and what they have. `kept`: for these names alone;
    without it None says that there are more than `names_max`."""
    found: dict[str, tuple[list[int], list[Any]]] = {}
    for row, value in enumerate(values):
        for name, one in () if value is None else value.items():
            if one is not None and (kept is None or name in kept):
                places, inner = found.setdefault(name, ([], []))
                places.append(row)
                inner.append(one)
        if kept is None and len(found) > names_max:
            return None
    return found


def _frequent(values: list[Any], names_max: int) -> frozenset[str]:
    """The names inside some objects that most of them have, as far as can be told from few counts at a time."""
    counts: Counter[str] = Counter()
    for start in range(0, len(values), REST_ROWS):
        counts.update(chain.from_iterable(filter(None, values[start : start + REST_ROWS])))
        if len(counts) > COUNTED_MAX:
            counts = Counter(dict(counts.most_common(COUNTED_MAX // 10)))
    return frozenset(name for name, _ in counts.most_common(names_max))


def _others(path: str, values: list[Any], kept: Set[str], *, depth: int) -> pa.Array:
    """What objects have under other names than the `kept`, as a column `REST`."""
    chunks = []
    for start in range(0, len(values), REST_ROWS):
        texts: list[str | None] = []
        for value in values[start : start + REST_ROWS]:
            left: dict[str, Any] = {}
            for name, one in () if value is None else value.items():
                if name not in kept:
                    _put_leaves(left, f"{path}/{path_part(name)}", one, depth=depth + 1)
            texts.append(msgspec.json.encode(left).decode() if left else None)
        chunks.append(pa.array(texts, pa.string()))
    return pa.concat_arrays(chunks)


def _put_leaves(found: dict[str, Any], path: str, value: Any, *, depth: int) -> None:
    """What stands in a value, by the names of the columns that it would be in."""
    if value is None:
        return
    if isinstance(value, dict) and value and depth < DEPTH_MAX:
        for name, one in value.items():
            _put_leaves(found, f"{path}/{path_part(name)}", one, depth=depth + 1)
        return
    suffix, stored = _typed(value)
    found[f"{path}#{suffix}"] = stored


def _typed(value: Value) -> tuple[str, Any]:
    if isinstance(value, bool):
        return "b", value
    if isinstance(value, int):
        return ("i", value) if value in _INT64 else ("n", str(value))
    if isinstance(value, float):
        return "f", value
    if isinstance(value, str):
        return "s", safe_text(value)
    return "j", _json_text(value)


def _json_text(value: Value) -> str:
    """Compact JSON with sorted keys, so that equal values have equal texts."""
    try:
        return msgspec.json.encode(value, order="deterministic").decode()
    except (UnicodeEncodeError, OverflowError, msgspec.MsgspecError):
        return _slow_json(value)


def _slow_json(value: Value) -> str:
    """JSON for what msgspec refuses: integers over 64 bits, lone surrogates."""
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{_json_text(safe_text(k))}:{_json_text(v)}" for k, v in sorted(value.items()))
            + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(_json_text(item) for item in value) + "]"
    return str(value) if isinstance(value, int) else msgspec.json.encode(safe_text(str(value))).decode()


def path_part(name: str) -> str:
    """A name as a part of a column's name; no SQL and no Parquet reader takes a NUL there."""
    return safe_text(name).replace("~", "~0").replace("/", "~1").replace("\0", "~2")


def _name_of(part: str) -> str:
    return part.replace("~2", "\0").replace("~1", "/").replace("~0", "~")


def attribute_path(column: str) -> tuple[tuple[str, ...], str]:
    """An attribute column's name taken apart: the names from the outside in, and the type's letter."""
    path, _, suffix = column.rpartition("#")
    return tuple(map(_name_of, path.split("/"))), suffix


def is_attribute(column: str) -> bool:
    """Whether a column holds an attribute."""
    return "#" in column


# What follows keeps the number of columns bounded, and unites tables.


def bounded(table: pa.Table) -> pa.Table:
    """The table with at most COLUMNS_MAX attribute columns; those that fewest records fill move into one
    JSON column, as an object from column name to value."""
    columns = dict(zip(table.column_names, table.columns, strict=True))
    kept = bounded_columns(columns, table.num_rows)
    return table if kept is columns else pa.table(kept)


def bounded_columns(columns: dict[str, Any], rows: int) -> dict[str, Any]:
    """As `bounded`, for columns by name; the same object when they are few enough. Looks at each value once."""
    names = [name for name in columns if is_attribute(name)]
    if len(names) <= COLUMNS_MAX:
        return columns
    names.sort(key=lambda name: (columns[name].null_count, name))
    moved = set(names[COLUMNS_MAX:])
    rest: dict[int, dict[str, Any]] = {}
    for name in names[COLUMNS_MAX:]:
        column = columns[name]
        filled = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)).tolist()
        for row, value in zip(filled, column.drop_null().to_pylist(), strict=True):
            rest.setdefault(row, {})[name] = value
    texts = [msgspec.json.encode(rest[row]).decode() if row in rest else None for row in range(rows)]
    kept = {name: column for name, column in columns.items() if name not in moved}
    _update(kept, {REST: pa.array(texts, pa.string())})
    return kept


def _rest_values(column: Any) -> dict[int, dict[str, Any]]:
    texts = column.to_pylist()
    return {row: msgspec.json.decode(text) for row, text in enumerate(texts) if text is not None}


def concat(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables one after the other; a column that one lacks is null there."""
    if len(tables) == 1:
        return tables[0]
    return bounded(pa.concat_tables(tables, promote_options="default").unify_dictionaries())


def with_seq(table: pa.Table, first_seq: int) -> pa.Table:
    """The table with its records' ingest sequences, from `first_seq` on."""
    seqs = pa.array(np.arange(first_seq, first_seq + table.num_rows, dtype=np.int64))
    return table.add_column(0, "seq", seqs)


_FRAME_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
"""One thread: callers work side by side already, and waking others takes ten times as long for a small batch."""


def encode_batch(table: pa.Table) -> pa.Buffer:
    """A table as a compressed Arrow stream, for a journal frame."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_FRAME_OPTIONS) as writer:
        writer.write_table(table)
    return sink.getvalue()


def decode_batch(data: Any) -> pa.Table:
    """The table of a journal frame. Raises pyarrow.ArrowInvalid when it is none."""
    with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
        return reader.read_all()


def table_bytes(table: pa.Table) -> int:
    """Bytes of memory that the table's values take."""
    return int(table.get_total_buffer_size())


# What follows makes records of rows.


def to_records(table: pa.Table) -> list[StoredRecord]:
    """The rows of a table with `seq` as records, in the table's order."""
    if table.num_rows == 0:
        return []
    stamps = table["timestamp"].cast(pa.int64()).to_pylist()
    received = table["received"].cast(pa.int64()).to_pylist()
    texts = {
        name: table[name].to_pylist() for name in (*NAMES, "message", *IDS) if name in table.column_names
    }
    attributes = _attributes(table)
    records = []
    for row, seq in enumerate(table["seq"].to_pylist()):
        fields = {name: column[row] for name, column in texts.items() if column[row] is not None}
        record = Record(timestamp=stamps[row], attributes=attributes[row], **fields)
        records.append(StoredRecord(seq=seq, received=received[row], record=record))
    return records


def _attributes(table: pa.Table) -> list[dict[str, Value]]:
    rows: list[dict[str, Value]] = [{} for _ in range(table.num_rows)]
    for name in table.column_names:
        if not is_attribute(name) or table[name].null_count == table.num_rows:
            continue
        path, suffix = attribute_path(name)
        read = _reader(suffix)
        for row, value in enumerate(table[name].to_pylist()):
            if value is not None:
                _place(rows[row], path, read(value))
    rest = _rest_values(table[REST]) if REST in table.column_names else {}
    for row, values in rest.items():
        for name, value in values.items():
            path, suffix = attribute_path(name)
            _place(rows[row], path, _reader(suffix)(value))
    return rows


def _reader(suffix: str) -> Callable[[Any], Value]:
    if suffix == "j":
        return read_json
    return {"f": float, "n": int}.get(suffix, _same)


def _same(value: Any) -> Value:
    return value  # type: ignore[no-any-return]  # a column's own type


def read_json(text: str) -> Value:
    """The value of a JSON column's text, integers exact."""
    return msgspec.json.decode(text)  # type: ignore[no-any-return]  # written by _json_text


def _place(target: dict[str, Value], path: Iterable[str], value: Value) -> None:
    *outer, last = path
    for name in outer:
        inner = target.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        target = inner
    target[last] = value


def column_counts(table: pa.Table) -> Mapping[str, int]:
    """For each column with a value: how many records have one."""
    counts = {name: table.num_rows - table[name].null_count for name in table.column_names}
    return {name: count for name, count in counts.items() if count}
