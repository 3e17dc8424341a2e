"""OTLP in protobuf: requests read, answers written (opentelemetry-proto 1.x, logs.proto and common.proto)."""

import base64
import math
import struct
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np

from tamis.errors import WireError
from tamis.record.attributes import DEEP_MARK, DEFAULT_LIMITS
from tamis.wire.base import NOTE_FIELD, Bytes, Decoded, DecodeOptions
from tamis.wire.gathered import Gathered
from tamis.wire.jsonlines import UTF8_NOTE
from tamis.wire.otlp import Attributes, Collector, LogRecord, Scope, bounded, scope_of
from tamis.wire.otlp_together import columns_together
from tamis.wire.protobuf import (
    BYTES,
    SIZES,
    VARINT,
    bytes_field,
    fields_with_ends,
    messages_in,
    read_fields,
    read_varint,
    signed,
    varint_field,
)

TOGETHER_MIN = 32
"""Fewer records of a scope are read sooner one by one."""
BLOCK = 5_000
"""So many records are made columns of at a time."""
AROUND_BYTES_LARGE = 1 << 14
"""What stands around records is so large that its copies are foreseen."""
PAIRS_KEPT_MAX, PAIR_BYTES_MAX = 10_000, 256
"""Attributes that were read before are known again by their bytes: so many, none longer than that."""
_MALFORMED = (WireError, IndexError, KeyError, struct.error)
_TIME, _SEVERITY, _SEVERITY_TEXT, _BODY, _ATTRIBUTE, _DROPPED = 0x09, 0x10, 0x1A, 0x2A, 0x32, 0x38
_FLAGS, _TRACE, _SPAN, _OBSERVED, _EVENT = 0x45, 0x4A, 0x52, 0x59, 0x62
"""The first byte of each of a record's fields: its number, and its wire type."""
_FIXED = {_TIME: 9, _OBSERVED: 9, _FLAGS: 5}
"""Fields of one size: the place of the next one behind them."""
_NO_TIME, _NO_FLAGS = bytes(8), bytes(4)
_fixed64 = struct.Struct("<Q").unpack_from
_double = struct.Struct("<d").unpack
_DOUBLE_BYTES = 8


def decode_protobuf(body: Bytes, options: DecodeOptions) -> Decoded:
    """The records of an ExportLogsServiceRequest. WireError when it is none: nothing of it is kept then.

    A record that is broken inside is rejected alone. TooLargeError when there are too many.
    """
    collector = Collector(options)
    reader = _Reader("strict")
    for resource_logs in messages_in(bytes(body), 1):
        collector.surround()
        _read_resource_logs(resource_logs, collector, reader)
    return collector.finish()


def _read_resource_logs(message: bytes, collector: Collector, reader: "_Reader") -> None:
    resource: Attributes = {}
    schema, around = "", 0
    for number, value in read_fields(message):
        if number == 1:
            around += len(_message(value))
            if around <= collector.options.limits.line_bytes_max:  # else each record is rejected: why read it
                resource.update(reader.pairs(_message(value), 1))
        elif number == 3:
            schema = _text(value)
    if around > AROUND_BYTES_LARGE:
        _foresee(messages_in(message, 2), around, collector)
    for scope_logs in messages_in(message, 2):
        collector.surround()
        _read_scope_logs(scope_logs, resource, schema, around=around, collector=collector, reader=reader)


def _foresee(scopes: Iterator[bytes], around: int, collector: Collector) -> None:
    """What a large resource becomes when every record has a copy of it, checked before the first has."""
    count = size = 0
    for message in scopes:
        found = _Spans(message, collector)
        count += len(found.starts)
        size += found.size(around + len(found.scope))
    collector.foresee(count, size)


class _Spans:
    """What a scope's message holds: the scope, the URL of its schema, and the places of its records."""

    def __init__(self, message: bytes, collector: Collector) -> None:
        scope, self.schema = bytearray(), ""
        starts, ends = array("q"), array("q")
        for number, value, end in fields_with_ends(message):
            match number:
                case 1:
                    scope += _message(value)
                case 2:
                    ends.append(end)
                    starts.append(end - len(_message(value)))
                    if not len(ends) % BLOCK:
                        collector.foresee(len(ends), 0)
                case 3:
                    self.schema = _text(value)
        self.scope = bytes(scope)
        self.starts, self.ends = np.frombuffer(starts, np.int64), np.frombuffer(ends, np.int64)
        self._bytes_max = collector.options.limits.line_bytes_max

    def size(self, around: int) -> int:
        """The bytes of all records, with what stands around each, that are within their limit."""
        sizes = self.ends - self.starts + around
        return int(sizes[sizes <= self._bytes_max].sum())


def _read_scope_logs(
    message: bytes, resource: Attributes, schema: str, *, around: int, collector: Collector, reader: "_Reader"
) -> None:
    spans = _Spans(message, collector)
    if not len(spans.starts):
        return
    around += len(spans.scope)
    collector.foresee(len(spans.starts), spans.size(around))
    readable = spans.scope if around <= collector.options.limits.line_bytes_max else b""
    made = _read_scope(readable, resource, (schema, spans.schema), reader=reader)
    collector.begin(made, around)
    for first in _left_over(message, made, spans, around=around, collector=collector):
        block = slice(first, first + BLOCK)
        for start, end in zip(spans.starts[block].tolist(), spans.ends[block].tolist(), strict=True):
            _read_record(message[start:end], collector, reader)


def _left_over(
    message: bytes, scope: Scope, spans: _Spans, *, around: int, collector: Collector
) -> Iterator[int]:
    """The first records of the blocks that have to be read one by one; the others are added together."""
    starts, ends = spans.starts, spans.ends
    count = len(starts)
    if count < TOGETHER_MIN:
        yield from range(0, count, BLOCK)
        return
    seen = Gathered(message)
    for first in range(0, count, BLOCK):
        begin, behind = starts[first : first + BLOCK], ends[first : first + BLOCK]
        sizes, length = behind - begin + around, len(begin)
        columns = None
        if sizes.max() <= collector.options.limits.line_bytes_max and collector.has_room(
            length, int(sizes.sum())
        ):
            names_max = collector.names_left(length)
            columns = columns_together(
                seen, begin, behind, scope=scope, options=collector.options, names_max=names_max
            )
        if columns is None:
            yield first
        else:
            collector.add_block(columns, int(sizes.sum()))


def _read_record(record: bytes, collector: Collector, reader: "_Reader") -> None:
    if not collector.admit(len(record)):
        return
    try:
        collector.add(reader.record(record))
    except UnicodeDecodeError:
        _add_lenient(record, collector)
    except _MALFORMED as error:
        collector.reject(f"the record is not protobuf: {error}")


def _read_scope(
    message: bytes, resource: Attributes, schemas: tuple[str, str], *, reader: "_Reader"
) -> Scope:
    name = version = ""
    for number, value in read_fields(message):
        if number == 1:
            name = _text(value)
        elif number == 2:
            version = _text(value)
    return scope_of(resource, name, version, attributes=reader.pairs(message, 3), schemas=schemas)


def _add_lenient(record: bytes, collector: Collector) -> None:
    """A record with text that is not UTF-8, which others send though protobuf forbids it."""
    try:
        found = _Reader("replace").record(record)
    except _MALFORMED as error:
        collector.reject(f"the record is not protobuf: {error}")
        return
    collector.add(found._replace(attributes={**found.attributes, NOTE_FIELD: UTF8_NOTE}))


def _message(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise WireError("not an OTLP request: a number stands where a message should")
    return value


def _text(value: int | bytes) -> str:
    return _message(value).decode("utf-8", "replace")


class _Reader:
    """Reads records. `errors` is what becomes of text that is not UTF-8."""

    def __init__(self, errors: str) -> None:
        self._errors = errors
        self._pairs: dict[bytes, tuple[str, Any]] = {}

    def record(self, data: bytes) -> LogRecord:
        """A LogRecord; one of `_MALFORMED`, or UnicodeDecodeError."""
        held: dict[int, Any] = {}
        attributes = self._split(data, held)
        get = held.get
        flags = get(_FLAGS)
        more = self._more(held) if _EVENT in held or _DROPPED in held else None
        if flags is not None and flags != _NO_FLAGS:
            attributes.setdefault("trace_flags", int.from_bytes(flags, "little"))
        body = get(_BODY)
        return LogRecord(
            _fixed64(get(_TIME, _NO_TIME))[0],
            _fixed64(get(_OBSERVED, _NO_TIME))[0],
            signed(get(_SEVERITY, 0)),
            get(_SEVERITY_TEXT, b"").decode("utf-8", self._errors),
            None if body is None else self._body(body),
            attributes,
            _id(held[_TRACE]) if _TRACE in held else "",
            _id(held[_SPAN]) if _SPAN in held else "",
            more,
        )

    def _split(self, data: bytes, held: dict[int, Any]) -> Attributes:
        """A record's attributes; what its other fields hold is put into `held`, by tag. It runs for every byte."""
        at, end = 0, len(data)
        attributes: Attributes = {}
        known = self._pairs.get
        while at < end:
            tag = data[at]
            if tag == _ATTRIBUTE:
                size, at = data[at + 1], at + 2
                if size > 0x7F:
                    size, at = read_varint(data, at - 1)
                raw = data[at : (at := at + size)]
                name, value = known(raw) or self._short_pair(raw)
                attributes[name] = value
            elif tag in _FIXED:
                held[tag] = data[at + 1 : (at := at + _FIXED[tag])]
            elif tag & 0x87 == BYTES:
                size, at = data[at + 1], at + 2
                if size > 0x7F:
                    size, at = read_varint(data, at - 1)
                held[tag] = data[at : (at := at + size)]
            elif tag & 0x87 == VARINT:
                value = data[at + 1]
                held[tag], at = (value, at + 2) if value < 0x80 else read_varint(data, at + 1)
            else:
                at = _skip(data, at)
        if at > end:
            raise WireError(f"it ends {at - end:,} bytes too early")
        if None in attributes.values():
            attributes = {name: one for name, one in attributes.items() if one is not None}
        return bounded(attributes)

    def _more(self, held: dict[int, Any]) -> Attributes | None:
        """What few records have."""
        more: Attributes = {}
        if held.get(_EVENT):
            more["event.name"] = held[_EVENT].decode("utf-8", self._errors)
        if held.get(_DROPPED):
            more["dropped_attributes_count"] = held[_DROPPED]
        return more or None

    def _body(self, raw: bytes) -> Any:
        """As `value`; a text, which it nearly always is, sooner."""
        if raw[:1] == b"\n" and len(raw) > 1:
            if raw[1] == len(raw) - 2 and raw[1] < 0x80:
                return raw[2:].decode("utf-8", self._errors)
            if len(raw) > 0x82 and raw[2] < 0x80 and raw[1] & 0x7F | raw[2] << 7 == len(raw) - 3:
                return raw[3:].decode("utf-8", self._errors)
        return self.value(raw)

    def _short_pair(self, raw: bytes) -> tuple[str, Any]:
        """As `_pair`; a short text or number under a short name, which it nearly always is, sooner."""
        size = len(raw)
        if size < 0x80 and raw[:1] == b"\n" and (at := raw[1] + 2) + 3 < size and raw[at] == 0x12:
            kind = raw[at + 2]
            if raw[at + 1] == size - at - 2:
                if kind == 0x0A and raw[at + 3] == size - at - 4:
                    value: Any = raw[at + 4 :].decode("utf-8", self._errors)
                elif kind == 0x18:
                    number, end = read_varint(raw, at + 3)
                    value = signed(number) if end == size else None
                else:
                    value = None
                if value is not None:
                    pair = (raw[2:at].decode("utf-8", self._errors), value)
                    if len(self._pairs) < PAIRS_KEPT_MAX:
                        self._pairs[raw] = pair
                    return pair
        return self._pair(raw)

    def pairs(self, message: bytes, number: int) -> Attributes:
        """The attributes among a message's fields."""
        found = dict(self._lenient_pair(raw) for raw in messages_in(message, number))
        return bounded({name: value for name, value in found.items() if value is not None})

    def _lenient_pair(self, raw: bytes) -> tuple[str, Any]:
        try:
            return self._pair(raw)
        except UnicodeDecodeError:
            return _Reader("replace")._pair(raw)

    def _pair(self, raw: bytes, depth: int = 0) -> tuple[str, Any]:
        """A KeyValue; a scalar one is remembered by its bytes."""
        name, value = "", None
        for number, held in read_fields(raw):
            if number == 1:
                name = _message(held).decode("utf-8", self._errors)
            elif number == 2:
                value = self.value(_message(held), depth)
        pair = (name, value)
        if (
            len(raw) <= PAIR_BYTES_MAX
            and len(self._pairs) < PAIRS_KEPT_MAX
            and type(value) not in (list, dict)
        ):
            self._pairs[raw] = pair
        return pair

    def value(self, raw: bytes, depth: int = 0) -> Any:
        """An AnyValue; None when it holds nothing. Bytes are base64, numbers that JSON lacks are their names."""
        found: Any = None
        for number, held in read_fields(raw):
            match number, held:
                case 1, bytes():
                    found = held.decode("utf-8", self._errors)
                case 2, int():
                    found = held != 0
                case 3, int():
                    found = signed(held)
                case 4, bytes() if len(held) == _DOUBLE_BYTES:
                    found = _finite(_double(held)[0])
                case 5 | 6, bytes():
                    found = self._container(number, held, depth)
                case 7, bytes():
                    found = base64.b64encode(held).decode()
                case 1 | 2 | 3 | 4 | 5 | 6 | 7, _:
                    raise WireError(f"an AnyValue's field {number} has another type")
        return found

    def _container(self, number: int, raw: bytes, depth: int) -> Any:
        if depth >= DEFAULT_LIMITS.depth_max:
            return DEEP_MARK
        if number == 6:
            pairs = dict(self._pair(one, depth + 1) for one in messages_in(raw, 1))
            return {name: one for name, one in pairs.items() if one is not None}
        items = [self.value(one, depth + 1) for one in messages_in(raw, 1)]
        return [one for one in items if one is not None]


def _skip(data: bytes, at: int) -> int:
    """The place behind a field whose number is too high for any that is known."""
    key, at = read_varint(data, at)
    kind = key & 7
    if kind == VARINT:
        return read_varint(data, at)[1]
    size, at = read_varint(data, at) if kind == BYTES else (SIZES[kind], at)
    return at + size


def _id(raw: bytes) -> str:
    return raw.hex() if raw.strip(b"\0") else ""


def _finite(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"  # noqa: PLR0124  # NaN's test


def encode_protobuf_response(rejected: int, message: str) -> bytes:
    """An ExportLogsServiceResponse; without rejected records it is empty."""
    if not rejected and not message:
        return b""
    return bytes_field(1, varint_field(1, rejected) + bytes_field(2, message.encode()))


def encode_protobuf_status(code: int, message: str) -> bytes:
    """A google.rpc.Status."""
    return varint_field(1, code) + bytes_field(2, message.encode())
