"""JSON lines, the general way (`jsonlines_arrow` is the fast one); and our own export format."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import msgspec

from tamis.record.attributes import safe_attributes
from tamis.record.model import Columns, Record, StoredRecord
from tamis.wire.base import NOTE_FIELD, Bytes, Decoded, DecodeOptions, Rejections, join_columns
from tamis.wire.rows import Row, RowReader
from tamis.wire.times import time_printer

BLOCK_BYTES = 1 << 22
"""Lines are decoded in blocks of about this size: rows stay in the processor's cache, and few in memory."""
INT_DIGITS_MAX = 4_000
"""An integer with more digits is kept as text."""
REASON_CHARS_MAX = 160

BOM = b"\xef\xbb\xbf"
UTF8_NOTE = "invalid UTF-8 replaced"
_EDGE = b" \t\r\n\0\f\v"
_SKIP = object()
_OPENERS = frozenset(b'{["-0123456789tfnNI')
"""What JSON values begin with, those that others write included (NaN, Infinity)."""
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decode_json = msgspec.json.Decoder().decode


def decode(body: Bytes, options: DecodeOptions) -> Decoded:
    """Objects of JSON lines, or of an array of objects, as columns."""
    data = body if isinstance(body, bytes) else bytes(body)
    data = data.removeprefix(BOM)
    rejections = Rejections(options.limits.rejections_listed_max)
    whole = _whole_array(data)
    if whole is not None:
        return _decode_array(whole, options, len(data), rejections=rejections)
    reader = RowReader(options, rows_expected=data.count(b"\n"))
    parts = []
    line = 0
    places: list[int] = []
    for lines in split_blocks(data):
        columns, found = _decode_block(lines, reader, line, rejections=rejections)
        parts.append(columns)
        places.extend(line + at for at in found if options.line_as_message)
        line += len(lines)
    columns = join_columns(parts) if parts else Columns(length=0, timestamp=[])
    if columns.length == 0 and rejections.count > 1:
        return _decode_pretty(data, options) or rejections.result(columns)
    return rejections.result(columns, places)


def decode_lines(lines: list[bytes], options: DecodeOptions) -> Decoded:
    """As `decode`, for lines that are known to be lines (not one value that stands on many)."""
    rejections = Rejections(options.limits.rejections_listed_max)
    reader = RowReader(options, rows_expected=len(lines))
    columns, places = _decode_block(lines, reader, 0, rejections=rejections)
    return rejections.result(columns, places if options.line_as_message else ())


def split_blocks(data: bytes, block_bytes: int = BLOCK_BYTES) -> Iterator[list[bytes]]:
    """The lines of a body (without their newlines), some thousand at a time."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + block_bytes)
        end = len(data) if end == -1 else end
        lines = data[start:end].split(b"\n")
        if end == len(data) and not lines[-1]:
            lines.pop()
        yield lines
        start = end + 1


def _decode_block(
    lines: list[bytes], reader: RowReader, first: int, *, rejections: Rejections
) -> tuple[Columns, Sequence[int]]:
    """Columns of some lines, and the place of each record's line among them."""
    limit = reader.options.limits.line_bytes_max
    if lines and max(map(len, lines)) > limit:
        lines = [_within(one, limit, first + at + 1, rejections=rejections) for at, one in enumerate(lines)]
    rows: list[Any] = []
    left = iter(lines)
    while True:
        try:
            rows.extend(map(_decode_json, left))
            break
        except _FAILURES:  # the rows before it are in; the iterator stands behind the bad line
            rows.append(_mend(lines[len(rows)], reader.options, first + len(rows) + 1, rejections=rejections))
    places: Sequence[int] = range(len(rows))
    if set(map(type, rows)) - {dict}:
        rows, places = _objects(rows, first, rejections)
    texts = None
    if reader.options.line_as_message:
        texts = lambda at: lines[places[at]].strip(_EDGE).decode("utf-8", "replace")  # noqa: E731  # a closure over two locals
    return reader.columns(rows, texts), places


def _within(line: bytes, limit: int, number: int, *, rejections: Rejections) -> bytes:
    if len(line) <= limit:
        return line
    rejections.add(number, f"over line_bytes_max = {limit:,}: {len(line):,} bytes")
    return b""


def _mend(line: bytes, options: DecodeOptions, number: int, *, rejections: Rejections) -> Any:
    """A line that the strict decoder refused, read leniently; `_SKIP` when it is blank, or rejected."""
    bare = line.strip(_EDGE).removeprefix(BOM)
    if not bare:
        return _SKIP
    if bare[0] not in _OPENERS and not options.keep_unparsed:
        rejections.add(number, f"not JSON: it begins with {bare[:1]!r}")
        return _SKIP
    note = None
    try:
        text = bare.decode()
    except UnicodeDecodeError:
        text, note = bare.decode("utf-8", "replace"), UTF8_NOTE
    try:
        value = read_lenient(text)
    except RecursionError:
        reason = "nested too deeply"
    except ValueError as error:
        reason = f"not JSON: {error}"[:REASON_CHARS_MAX]
    else:
        return _lenient_object(value, note) if isinstance(value, dict) else value
    if options.keep_unparsed:
        return {"message": text, NOTE_FIELD: reason}
    rejections.add(number, reason)
    return _SKIP


def _lenient_object(value: Row, note: str | None) -> Row:
    safe: Row = dict(safe_attributes(cast("dict[object, object]", value)))
    if note:
        safe.setdefault(NOTE_FIELD, note)
    return safe


def read_lenient(text: str) -> Any:
    """JSON with what others put into it: NaN and Infinity (as text), control characters, lone surrogates."""
    return json.loads(text, strict=False, parse_constant=str, parse_int=_read_int, parse_float=_read_float)


def _read_int(digits: str) -> int | str:
    return int(digits) if len(digits) <= INT_DIGITS_MAX else digits


def _read_float(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _objects(rows: list[Any], first: int, rejections: Rejections) -> tuple[list[Any], list[int]]:
    """The objects among decoded lines (those of lists included), and the line of each."""
    kept: list[Any] = []
    places: list[int] = []
    for at, row in enumerate(rows):
        if row is _SKIP:
            continue
        for one in row if type(row) is list else (row,):
            if type(one) is dict:
                kept.append(one)
                places.append(at)
            else:
                rejections.add(first + at + 1, f"a record is an object, not {_kind(one)}")
    return kept, places


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "a boolean", str: "a text", list: "a list"}.get(type(value), "a number")


def _whole_array(data: bytes) -> list[Any] | None:
    """The elements, when the whole body is one array (which may stand on many lines)."""
    if not data[:64].lstrip(_EDGE).startswith(b"["):
        return None
    value = _whole(data)
    return value if isinstance(value, list) else None


def _whole(data: bytes) -> Any:
    try:
        return _decode_json(data)
    except _FAILURES:
        pass
    end = data.find(b"\n")
    if end != -1 and data[:end].rstrip(_EDGE).endswith((b"]", b"}")) and data[end:].strip(_EDGE):
        return None  # its first line is whole: these are lines
    text = data.strip(_EDGE).decode("utf-8", "replace")
    note = UTF8_NOTE if "\ufffd" in text and not _is_utf8(data) else None
    try:
        value = read_lenient(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list):
        return [_lenient_object(one, note) if type(one) is dict else one for one in value]
    return _lenient_object(value, note) if type(value) is dict else None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode_array(
    elements: list[Any], options: DecodeOptions, size: int, *, rejections: Rejections
) -> Decoded:
    limit = options.limits.line_bytes_max
    rows: list[Row] = []
    for at, one in enumerate(elements):
        if type(one) is not dict:
            rejections.add(at + 1, f"a record is an object, not {_kind(one)}")
        elif size > limit and len(_line(one)) > limit:
            rejections.add(at + 1, f"over line_bytes_max = {limit:,}")
        else:
            rows.append(one)
    reader = RowReader(options, rows_expected=len(rows))
    texts = (lambda at: _line(rows[at]).decode()) if options.line_as_message else None
    return rejections.result(reader.columns(rows, texts))


def _decode_pretty(data: bytes, options: DecodeOptions) -> Decoded | None:
    """The body as one object over many lines; None when it is not."""
    if len(data) > options.limits.line_bytes_max or not data.lstrip(_EDGE).startswith(b"{"):
        return None
    value = _whole(data)
    if type(value) is not dict:
        return None
    return _decode_array([value], options, len(data), rejections=Rejections(1))


_encode_json = msgspec.json.Encoder().encode
_OPTIONAL = ("level", "service", "logger", "host")
_IDS = ("trace_id", "span_id", "correlation_id")


def encode(records: Iterable[StoredRecord], *, store_id: str) -> bytes:
    """Stored records as lines of our own format: `decode` gives their records back."""
    printed = time_printer()
    return b"".join(
        _line({"id": f"{store_id}-{one.seq}", **public_fields(one.record, printed(one.record.timestamp))})
        + b"\n"
        for one in records
    )


def encode_records(records: Iterable[Record]) -> bytes:
    """Records that no store has numbered yet, as lines: the same without ``id``."""
    printed = time_printer()
    return b"".join(_line(public_fields(one, printed(one.timestamp))) + b"\n" for one in records)


def public_fields(record: Record, timestamp: str) -> dict[str, Any]:
    """A record as our own format names its fields; absent ones are left out, message and attributes never."""
    fields: dict[str, Any] = {"timestamp": timestamp}
    for name in _OPTIONAL:
        if (value := getattr(record, name)) is not None:
            fields[name] = value
    fields["message"] = record.message
    for name in _IDS:
        if (value := getattr(record, name)) is not None:
            fields[name] = value
    fields["attributes"] = record.attributes
    return fields


def _line(fields: dict[str, Any]) -> bytes:
    try:
        return _encode_json(fields)
    except (OverflowError, ValueError, TypeError):  # integers beyond 64 bits, lone surrogates
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "backslashreplace"
        )
