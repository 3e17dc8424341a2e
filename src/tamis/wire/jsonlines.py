"""JSON lines, the general way (`jsonlines_arrow` is the fast one); and our own export format."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import msgspec

from tamis.errors import TooLargeError
from tamis.record.attributes import safe_attributes
from tamis.record.model import Columns, Record, StoredRecord
from tamis.wire.base import NOTE_FIELD, Bytes, Decoded, DecodeOptions, Rejections, join_columns
from tamis.wire.rows import Row, RowReader
from tamis.wire.times import time_printer

BLOCK_BYTES = 1 << 22
"""Lines are decoded in blocks of about this size: rows stay in the processor's cache, and few in memory."""
BLOCK_LINES = 50_000
INT_DIGITS_MAX = 4_000
"""An integer with more digits is kept as text."""
REASON_CHARS_MAX = 160

BOM = b"\xef\xbb\xbf"
UTF8_NOTE = "invalid UTF-8 replaced"
_EDGE = b" \t\r\n\0\f\v"
_BLANK_LINES = re.compile(rb"\n[ \t\r\n\0\f\v]*\n")
_SKIP = object()
_OPENERS = frozenset(b'{["-0123456789tfnNI')
"""What JSON values begin with, those that others write included (NaN, Infinity)."""
_MENDABLE = re.compile(rb"[\x00-\x1f\x80-\xff]|\\u|NaN|Infinity|\d[eE]")
MENDABLE_BYTES_MIN = 256
_ENDS = dict(zip(b'{["', b'}]"', strict=True))
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decode_json = msgspec.json.Decoder().decode


def decode(body: Bytes, options: DecodeOptions) -> Decoded:
    """Objects of JSON lines, or of an array of objects, as columns.

    Raises TooLargeError when the body has more than `WireLimits.lines_max` lines that are not blank.
    """
    data = body if isinstance(body, bytes) else bytes(body)
    data = data.removeprefix(BOM)
    rejections = Rejections(options.limits.rejections_listed_max)
    whole = _whole_array(data, options)
    if whole is not None:
        _check_count(len(whole), options)
        return _decode_array(whole, options, len(data), rejections=rejections)
    reader = LineReader(options, rejections)
    columns, places = reader.read(data)
    if columns.length == 0 and rejections.count > 1:
        return _decode_pretty(data, options) or rejections.result(columns)
    return replace(rejections.result(columns, places), rest_count=reader.rest_count)


def decode_lines(lines: list[bytes], options: DecodeOptions) -> Decoded:
    """As `decode`, for lines that are known to be lines (not one value that stands on many)."""
    rejections = Rejections(options.limits.rejections_listed_max)
    reader = RowReader(options, rows_expected=len(lines))
    columns, places = decode_block(lines, range(len(lines)), reader, rejections=rejections)
    return rejections.result(columns, places if options.line_as_message else ())


class LineReader:
    """Reads the lines of one body, which may come in parts; numbers and limits count over all of them.

    `line` is how many lines were read, `filled` how many of them were not blank (a list counts as many as it
    has elements). Raises TooLargeError when these are more than `WireLimits.lines_max`.
    """

    def __init__(self, options: DecodeOptions, rejections: Rejections) -> None:
        self._options = options
        self._rejections = rejections
        self._rows = RowReader(options)
        self.line = 0
        self.filled = 0

    def read(self, data: bytes) -> tuple[Columns, list[int]]:
        """The records of some whole lines, and (for `DecodeOptions.line_as_message`) the line of each."""
        self._rows.expect(data.count(b"\n") + 1)
        parts = []
        places: list[int] = []
        for lines, numbers in _few_at_a_time(filled_lines(data, self.line)):
            self.count(len(lines))
            rejected = self._rejections.count
            columns, found = decode_block(lines, numbers, self._rows, rejections=self._rejections)
            received = columns.length + self._rejections.count - rejected
            self.count(max(0, received - len(lines)))  # lines that are lists
            parts.append(columns)
            places.extend(found if self._options.line_as_message else ())
        self.line += data.count(b"\n") + (not data.endswith(b"\n"))
        return join_columns(parts) if parts else Columns(length=0, timestamp=[]), places

    @property
    def rest_count(self) -> int:
        """As `Decoded.rest_count`, of all parts so far."""
        return self._rows.rest_count

    def count(self, lines: int) -> None:
        """So many more lines that are not blank."""
        self.filled += lines
        _check_count(self.filled, self._options)

    def admit(self, names: Iterable[str], rows: int) -> bool:
        """Whether a part of so many rows may have all these attribute names; they count from then on."""
        return self._rows.admit(names, rows)


def _check_count(lines: int, options: DecodeOptions) -> None:
    if lines > options.limits.lines_max:
        raise TooLargeError("ingest.lines_max", options.limits.lines_max)


def filled_lines(data: bytes, first: int) -> Iterator[tuple[list[bytes], Sequence[int]]]:
    """The lines of a body with their numbers, some thousand at a time; runs of blank lines are passed over."""
    for text in _texts(data):
        lines: list[bytes] = []
        numbers: list[int] = []
        at = text.rfind(b"\n", 0, len(text) - len(text.lstrip(_EDGE))) + 1
        line = first + text.count(b"\n", 0, at)
        for run in _BLANK_LINES.finditer(text, at):
            found = text[at : run.start()].split(b"\n")
            lines += found
            numbers += range(line, line + len(found))
            line += len(found) - 1 + text.count(b"\n", run.start(), run.end())
            at = run.end()
        if at < len(text):
            found = text[at:].removesuffix(b"\n").split(b"\n")
            yield (
                lines + found if lines else found,
                ([*numbers, *range(line, line + len(found))] if lines else range(line, line + len(found))),
            )
        elif lines:
            yield lines, numbers
        first += text.count(b"\n")


def _few_at_a_time(
    blocks: Iterable[tuple[list[bytes], Sequence[int]]],
) -> Iterator[tuple[list[bytes], Sequence[int]]]:
    """Blocks of which none has more than BLOCK_LINES: what becomes of a line takes memory, however short it is."""
    for lines, numbers in blocks:
        if len(lines) <= BLOCK_LINES:
            yield lines, numbers
            continue
        for start in range(0, len(lines), BLOCK_LINES):
            yield lines[start : start + BLOCK_LINES], numbers[start : start + BLOCK_LINES]


def _texts(data: bytes) -> Iterator[bytes]:
    """Whole lines of about `BLOCK_BYTES`."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + BLOCK_BYTES) + 1 or len(data)
        yield data if end - start == len(data) else data[start:end]
        start = end


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


def decode_block(
    lines: list[bytes], numbers: Sequence[int], reader: RowReader, *, rejections: Rejections
) -> tuple[Columns, Sequence[int]]:
    """Columns of some lines, and the number of each record's line."""
    limit = reader.options.limits.line_bytes_max
    if lines and max(map(len, lines)) > limit:
        lines = [
            _within(one, limit, number + 1, rejections=rejections)
            for one, number in zip(lines, numbers, strict=True)
        ]
    rows: list[Any] = []
    left = iter(lines)
    while True:
        try:
            rows.extend(map(_decode_json, left))
            break
        except _FAILURES:  # the rows before it are in; the iterator stands behind the bad line
            at = len(rows)
            rows.append(_mend(lines[at], reader.options, numbers[at] + 1, rejections=rejections))
    places: Sequence[int] = range(len(rows))
    if set(map(type, rows)) - {dict}:
        rows, places = _objects(rows, numbers, rejections)
    texts = None
    if reader.options.line_as_message:
        texts = lambda at: lines[places[at]].strip(_EDGE).decode("utf-8", "replace")  # noqa: E731  # a closure over two locals
    columns = reader.columns(rows, texts)
    return columns, [numbers[at] for at in places] if reader.options.line_as_message else ()


def _within(line: bytes, limit: int, number: int, *, rejections: Rejections) -> bytes:
    if len(line) <= limit:
        return line
    rejections.add(number, too_long(limit, len(line)))
    return b""


def too_long(limit: int, size: int) -> str:
    """Why a line is rejected that is over the limit."""
    return f"over line_bytes_max = {limit:,}: {size:,} bytes"


def _mend(line: bytes, options: DecodeOptions, number: int, *, rejections: Rejections) -> Any:
    """A line that the strict decoder refused, read leniently; `_SKIP` when it is blank, or rejected."""
    bare = line.strip(_EDGE).removeprefix(BOM)
    if not bare:
        return _SKIP
    if not options.keep_unparsed and not rejections.lists(number) and _is_hopeless(line):
        rejections.count += 1
        return _SKIP
    if not options.keep_unparsed and _cannot_be(bare):
        rejections.add(number, f"not JSON: it begins with {bare[:1]!r}, and ends with {bare[-1:]!r}")
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


def _cannot_be(bare: bytes) -> bool:
    """Whether a line is no JSON by how it begins and ends: so much junk is told sooner than parsed."""
    first = bare[0]
    return first not in _OPENERS or (first in _ENDS and bare[-1] != _ENDS[first])


def _is_hopeless(line: bytes) -> bool:
    """Whether what the strict decoder refused has nothing in it that only the lenient one takes."""
    text = line.strip(b" \t\r")
    return len(text) < MENDABLE_BYTES_MIN and _MENDABLE.search(text) is None


def _lenient_object(value: Row, note: str | None) -> Row:
    safe: Row = dict(safe_attributes(cast("dict[object, object]", value)))
    if note:
        safe.setdefault(NOTE_FIELD, note)
    return safe


def read_lenient(text: str) -> Any:
    """JSON with what others put into it: NaN and Infinity (as text), control characters, lone surrogates."""
    return _LENIENT.decode(text)


def _read_int(digits: str) -> int | str:
    return int(digits) if len(digits) <= INT_DIGITS_MAX else digits


def _read_float(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


_LENIENT = json.JSONDecoder(
    strict=False, parse_constant=str, parse_int=_read_int, parse_float=_read_float
)  # made once: making it takes longer than reading a line


def _objects(rows: list[Any], numbers: Sequence[int], rejections: Rejections) -> tuple[list[Any], list[int]]:
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
                rejections.add(numbers[at] + 1, f"a record is an object, not {_kind(one)}")
    return kept, places


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "a boolean", str: "a text", list: "a list"}.get(type(value), "a number")


def _whole_array(data: bytes, options: DecodeOptions) -> list[Any] | None:
    """The elements, when the whole body is one array (which may stand on many lines)."""
    if not data[:64].lstrip(_EDGE).startswith(b"["):
        return None
    _check_count(data.count(b"{") + data.count(b"["), options)  # each becomes an object in memory
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
    columns = reader.columns(rows, texts)
    return replace(rejections.result(columns), rest_count=reader.rest_count)


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
