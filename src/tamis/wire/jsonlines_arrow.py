"""JSON lines, the fast way: uniform blocks through Arrow with a schema learned from the general way.

Never wrong: where Arrow's reader and `jsonlines.decode` could differ, the answer is None and the general way
is taken. What they differ in, and what stands guard:

- several objects on a line, one over several lines: every line must begin with ``{`` and end with ``}``, and
  the rows must be as many as the lines (Arrow refuses newlines inside texts, so that this suffices);
- NaN, infinities and integers beyond 2**53 in a column of doubles: looked for after parsing;
- guessed types and times: the schema is explicit and has neither; unknown fields are an error;
- broken UTF-8: looked for before parsing.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from tamis.record.attributes import DEFAULT_LIMITS
from tamis.record.model import INSTANT_MAX, INSTANT_MIN, Columns
from tamis.wire import jsonlines
from tamis.wire.base import Bytes, Decoded, DecodeOptions, Rejections
from tamis.wire.names import BUNYAN, WEAK_LEVEL, WEAK_TIME, WEAK_TIME_MIN, Names
from tamis.wire.rows import names_of, read_level
from tamis.wire.times import INT64_MAX, INT64_MIN, Times, epoch_unit, is_utc

BODY_BYTES_MIN = 1 << 15
"""A smaller body is decoded sooner the general way."""
ARROW_BLOCK_BYTES = 1 << 20
SAMPLE_LINES = 64
SAMPLE_LINES_AGAIN = 512
"""Lines looked at when a schema did not fit: spread over the whole block."""
CUT_SHARE_MAX = 0.2
"""With a larger share of malformed lines the general way is as fast."""
SCHEMAS_MAX = 256
SKIPS_MAX = 64
EXACT_MAX = float(1 << 53)
TIME_CHARS_MIN = 20
"""A shorter text with a zone has no seconds; Arrow would read it, the general way may not."""

_NEWLINE, _OPEN, _CLOSE, _RETURN = b"\n{}\r"
_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), type(None): pa.null()}
_FAILURES = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, UnicodeDecodeError)


class _UnlikeError(Exception):
    """The block is not uniform: the general way takes it."""


@dataclass(slots=True)
class _Learned:
    """A schema, and how it fared."""

    types: dict[str, Any] | None
    failures: int = 0
    skips: int = 0


class LearnedSchemas:
    """What blocks that begin alike hold. Shared between threads; forgets what was used least recently."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[str, ...], _Learned] = OrderedDict()

    def types(self, key: tuple[str, ...]) -> dict[str, Any] | None:
        """The types learned for blocks whose first object has these keys.

        Raises _UnlikeError where the fast way failed of late: each failure leaves it out twice as long.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            if entry.skips > 0:
                entry.skips -= 1
                raise _UnlikeError
            return entry.types

    def succeeded(self, key: tuple[str, ...], types: dict[str, Any]) -> None:
        """These types fitted a block."""
        with self._lock:
            self._entries[key] = _Learned(types)
            if len(self._entries) > SCHEMAS_MAX:
                self._entries.popitem(last=False)

    def failed(self, key: tuple[str, ...]) -> None:
        """No types fitted."""
        with self._lock:
            entry = self._entries.setdefault(key, _Learned(None))
            entry.failures += 1
            entry.skips = min(1 << entry.failures, SKIPS_MAX)


def decode_fast(body: Bytes, options: DecodeOptions, schemas: LearnedSchemas) -> Decoded | None:
    """What `jsonlines.decode` gives, with columns as Arrow arrays; None: take the general way.

    Values are equal under Python's ``==``: an integer below 2**53 in a column of doubles comes back as one.
    """
    if len(body) < BODY_BYTES_MIN or options.line_as_message:
        return None
    data = body if isinstance(body, bytes) else bytes(body)
    data = data.removeprefix(jsonlines.BOM)
    try:
        return _decode(data, options, schemas)
    except _UnlikeError:
        return None


def _decode(data: bytes, options: DecodeOptions, schemas: LearnedSchemas) -> Decoded:
    _check_utf8(data)
    whole, rejections = _only_objects(data, options)
    head = _sample(whole, range(1))
    if not head:
        raise _UnlikeError
    key = tuple(head[0])
    types = schemas.types(key)
    for attempt in range(2):
        try:
            if types is None or attempt:
                types = _learn(whole, types, SAMPLE_LINES_AGAIN if attempt else SAMPLE_LINES)
            table = _parse(whole, types)
            columns = _Mapper(table, options).columns()
        except _FAILURES:
            continue
        except _UnlikeError:
            break
        schemas.succeeded(key, types)
        return rejections.result(columns)
    schemas.failed(key)
    raise _UnlikeError


def _check_utf8(data: bytes) -> None:
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            raise _UnlikeError from None


@dataclass(frozen=True, slots=True)
class _Lines:
    """Text of which every line begins with ``{`` and ends with ``}``; `starts` and `ends` are where."""

    data: bytes
    starts: Any
    ends: Any


def _only_objects(data: bytes, options: DecodeOptions) -> tuple[_Lines, Rejections]:
    """The lines that look like objects, and the others rejected as the general way would.

    Raises _UnlikeError when one of the others is a record, or when they are many.
    """
    octets = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(octets == _NEWLINE)
    starts = np.concatenate(([0], newlines + 1))
    ends = np.concatenate((newlines, [len(data)]))
    if starts[-1] == len(data):
        starts, ends = starts[:-1], ends[:-1]
    last = ends - 1
    last = last - ((octets[last] == _RETURN) & (last > starts))
    filled = ends - starts >= 2
    fits = ends - starts <= options.limits.line_bytes_max
    good = filled & fits & (octets[np.minimum(starts, len(data) - 1)] == _OPEN) & (octets[last] == _CLOSE)
    rejections = Rejections(options.limits.rejections_listed_max)
    bad = np.flatnonzero(~good)
    if len(bad) == 0:
        return _Lines(data, starts, ends), rejections
    if len(bad) > len(starts) * CUT_SHARE_MAX:
        raise _UnlikeError
    _reject(data, [(int(at), int(starts[at]), int(ends[at])) for at in bad], options, rejections=rejections)
    keep = np.flatnonzero(good)
    whole = b"\n".join(_runs(data, starts, ends, bad=bad))
    lengths = ends[keep] - starts[keep]
    new_ends = np.cumsum(lengths + 1) - 1
    return _Lines(whole, new_ends - lengths, new_ends), rejections


def _runs(data: bytes, starts: Any, ends: Any, *, bad: Any) -> Iterable[bytes]:
    """The text between the bad lines."""
    first = 0
    for at in (*bad.tolist(), len(starts)):
        if at > first:
            yield data[starts[first] : ends[at - 1]]
        first = at + 1


def _reject(
    data: bytes, lines: Sequence[tuple[int, int, int]], options: DecodeOptions, *, rejections: Rejections
) -> None:
    """Let the general way say what is wrong with each line."""
    decoded = jsonlines.decode(b"\n".join(data[start:end] for _, start, end in lines), options)
    if decoded.columns.length:
        raise _UnlikeError
    for one in decoded.rejected:
        rejections.add(lines[one.line - 1][0] + 1, one.reason)
    rejections.count = decoded.rejected_count


def _sample(lines: _Lines, places: Iterable[int]) -> list[dict[str, Any]]:
    """Some lines, decoded the general way."""
    decode = msgspec.json.Decoder().decode
    try:
        rows = [
            decode(lines.data[lines.starts[at] : lines.ends[at]]) for at in places if at < len(lines.starts)
        ]
    except (msgspec.DecodeError, RecursionError):
        raise _UnlikeError from None
    return [row for row in rows if type(row) is dict]


def _learn(lines: _Lines, known: Mapping[str, Any] | None, count: int) -> dict[str, Any]:
    """The type of each field in some lines; _UnlikeError where one has several, or an object or list."""
    step = 1 if known is None else max(1, len(lines.starts) // count)
    types = dict(known or {})
    for row in _sample(lines, range(0, min(len(lines.starts), count * step), step)):
        for name, value in row.items():
            types[name] = _join(types.get(name), _type_of(value))
    if len(types) > DEFAULT_LIMITS.items_max or any(
        len(name) > DEFAULT_LIMITS.key_chars_max for name in types
    ):
        raise _UnlikeError
    return types


def _type_of(value: Any) -> Any:
    kind = _TYPES.get(type(value))
    if kind is None or (type(value) is int and not INT64_MIN <= value <= INT64_MAX):
        raise _UnlikeError
    return kind


def _join(known: Any, seen: Any) -> Any:
    if known is None or known == seen or known == pa.null():
        return seen
    if seen == pa.null():
        return known
    if {known, seen} == {pa.int64(), pa.float64()}:
        return pa.float64()
    raise _UnlikeError


def _parse(lines: _Lines, types: Mapping[str, Any]) -> Any:
    table = arrow_json.read_json(
        pa.BufferReader(lines.data),
        read_options=arrow_json.ReadOptions(use_threads=True, block_size=ARROW_BLOCK_BYTES),
        parse_options=arrow_json.ParseOptions(
            explicit_schema=pa.schema(list(types.items())),
            newlines_in_values=False,
            unexpected_field_behavior="error",
        ),
    )
    if table.num_rows != len(lines.starts):
        raise _UnlikeError
    return table


class _Mapper:
    """Puts the fields of a parsed block where the general way puts them."""

    def __init__(self, table: Any, options: DecodeOptions) -> None:
        self._length = table.num_rows
        self._options = options
        self._names: Names = names_of(options.fields)
        self._raw = {name: _checked(table.column(name)) for name in table.column_names}

    def columns(self) -> Columns:
        """The block as a batch."""
        if self._raw.keys() >= BUNYAN:
            raise _UnlikeError
        core = {}
        for family, sources in self._names.plan(tuple(self._raw)).core.items():
            column = self._take(family, [source for source in sources if isinstance(source, str)])
            if column is not None:
                core[family] = column
        core["message"] = _filled(core.get("message"), "", self._length)
        for family, default in (("service", self._options.service), ("host", self._options.host)):
            if default is not None:
                core[family] = _filled(core.get(family), default, self._length)
        timestamp = core.pop("timestamp", None)
        return Columns(
            length=self._length,
            timestamp=pa.nulls(self._length, pa.int64()) if timestamp is None else timestamp,
            core=core,
            attributes={
                name: column for name, column in self._raw.items() if column.null_count < self._length
            },
        )

    def _take(self, family: str, sources: Sequence[str]) -> Any:
        """A core field from the first of its names; _UnlikeError where several would have to share."""
        sources = [name for name in sources if self._raw[name].null_count < self._length]
        if not sources:
            return None
        name = sources[0]
        column = self._raw[name]
        if column.null_count and len(sources) > 1:
            raise _UnlikeError
        taken = self._convert(family, name, column)
        if taken.null_count != column.null_count:
            raise _UnlikeError
        del self._raw[name]
        return taken

    def _convert(self, family: str, name: str, column: Any) -> Any:
        asked = name in self._names.asked
        if family == "timestamp":
            return self._times(column, weak=name in WEAK_TIME and not asked)
        if family == "level":
            if name in WEAK_LEVEL and not asked:
                raise _UnlikeError
            return _levels(column)
        return _texts(column)

    def _times(self, column: Any, *, weak: bool) -> Any:
        times = self._instants(column, weak=weak)
        reach = pc.min_max(times).as_py()
        if reach["min"] is not None and not INSTANT_MIN <= reach["min"] <= reach["max"] <= INSTANT_MAX:
            raise _UnlikeError
        return times

    def _instants(self, column: Any, *, weak: bool) -> Any:
        if pa.types.is_string(column.type):
            return self._time_texts(column)
        if not pa.types.is_int64(column.type):
            raise _UnlikeError
        low, high = pc.min_max(column).as_py().values()
        if low < (WEAK_TIME_MIN if weak else 0) or epoch_unit(low) != epoch_unit(high):
            raise _UnlikeError
        return pc.multiply_checked(column, epoch_unit(low))

    def _time_texts(self, column: Any) -> Any:
        if pc.min(pc.binary_length(column)).as_py() >= TIME_CHARS_MIN:
            try:
                return pc.cast(column, pa.timestamp("ns", "UTC")).cast(pa.int64())
            except pa.ArrowInvalid:
                pass
        elif is_utc(self._options.zone) and pc.min(pc.binary_length(column)).as_py() == TIME_CHARS_MIN - 1:
            try:
                return pc.cast(column, pa.timestamp("ns")).cast(pa.int64())
            except pa.ArrowInvalid:
                pass
        times = Times(self._options.zone, self._options.now_ns)
        return pa.array(times.column(column.to_pylist()), pa.int64())


def _checked(column: Any) -> Any:
    """One array of a parsed column; doubles only when each is the number that was written."""
    array = column.combine_chunks()
    doubles = array.drop_null() if pa.types.is_float64(array.type) else ()
    if len(doubles) and (pc.any(pc.is_nan(doubles)).as_py() or pc.max(pc.abs(doubles)).as_py() >= EXACT_MAX):
        raise _UnlikeError
    return array


def _levels(column: Any) -> Any:
    if not (pa.types.is_string(column.type) or pa.types.is_int64(column.type)):
        raise _UnlikeError
    encoded = column.dictionary_encode()
    names = pa.array([read_level(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return names.take(encoded.indices)


def _texts(column: Any) -> Any:
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_int64(column.type) or pa.types.is_boolean(column.type):
        return pc.cast(column, pa.string())
    raise _UnlikeError


def _filled(column: Any, value: str, length: int) -> Any:
    if column is None:
        return pa.repeat(pa.scalar(value, pa.string()), length)
    return column.fill_null(value) if column.null_count else column
