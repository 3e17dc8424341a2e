"""Records as lines of JSON: under our own names, Elastic's (ECS) or OpenTelemetry's. Total: every record is a line."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias, cast

import msgspec

from tamis.pipeline.stacktrace import print_exception
from tamis.record.attributes import Value, safe_attributes, safe_text
from tamis.record.context import id_text
from tamis.record.model import Record
from tamis.record.severity import severity

Names: TypeAlias = Literal["tamis", "ecs", "otel"]
"""Whose names the fields get."""
NAMES: Final = ("tamis", "ecs", "otel")
ECS_VERSION: Final = "8.11.0"

_NS = 1_000_000_000
_NINE_DIGITS = _NS // 10
"""Fractions of a second from here on need no zeros before them."""
_EPOCH = datetime(1970, 1, 1)  # printed without a zone, the Z follows the fraction
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_NULL = re.compile(rb"[:,\[]null")
"""What NaN, an infinity or None becomes, and hardly anything else: where it stands, the total encoder looks."""
_REFUSED = (UnicodeError, ValueError, TypeError, OverflowError, RecursionError)

_encoder = msgspec.json.Encoder()
_AT_ONCE_BYTES_MAX: Final = 256 << 10
_LINE_END: Final = b"\n"


class _Line(msgspec.Struct, omit_defaults=True, gc=False):
    """Our own names, in the order of a line. None is left out; `message` and `attributes` never are."""

    timestamp: str
    level: str | None = None
    service: str | None = None
    host: str | None = None
    logger: str | None = None
    message: str | None = None
    correlation_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    exception: Value | None = None
    attributes: dict[str, Value] | None = None


def encode_lines(records: Sequence[Record], names: Names = "tamis", *, about: int | None = None) -> bytes:
    """A line for each record, each with its newline: what `encode_line` makes of each, but quicker. `about` is how many
    bytes that will be, where it is known.
    """
    try:
        data = write_lines(_LINES[names](records), about=about)
        if b"null" not in data or _NULL.search(data) is None:
            return data
    except _REFUSED:  # one of them is unusual; each for itself then
        pass
    return b"".join([encode_line(record, names) for record in records])


def write_lines(values: Sequence[object], *, about: int | None = None) -> bytes:
    """Values as JSON, each with its newline; `about` is how many bytes that will be, where it is known.

    What is large, or may be, goes line by line into one buffer: where memory ends, msgspec 0.22 crashes the process
    when it makes the bytes itself, and raises MemoryError when it is given a buffer.
    """
    if about is not None and about <= _AT_ONCE_BYTES_MAX:
        return _encoder.encode_lines(values)
    buffer = bytearray()
    for value in values:
        _encoder.encode_into(value, buffer, -1)
        buffer += _LINE_END
    return bytes(buffer)


def encode_line(record: Record, names: Names = "tamis") -> bytes:
    """One record as a line with its newline. Never raises.

    What JSON cannot carry is carried as text: lone surrogates as ``\\udXXX``, NaN and infinities by their names,
    integers of thousands of digits in hexadecimal, other objects as their `str`.
    """
    try:
        data = write_lines(_LINES[names]([record]))
        if b"null" not in data or _NULL.search(data) is None:
            return data
    except _REFUSED:
        pass
    (line,) = _LINES[names]([_safe(record)])
    fields = line if isinstance(line, dict) else msgspec.structs.asdict(line)
    present = {name: value for name, value in fields.items() if value is not None}
    return json.dumps(present, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def print_instant(ns: int) -> str:
    """UTC nanoseconds in RFC 3339, with as many digits as needed (0, 3, 6 or 9)."""
    seconds, fraction = divmod(ns, _NS)
    return _print_second(seconds) + _print_fraction(fraction)


def _print_second(seconds: int) -> str:
    """Beyond the years 1 to 9999, which RFC 3339 has no form for, the first or last second of them."""
    return (_EPOCH + timedelta(seconds=min(max(seconds, _FIRST_SECOND), _LAST_SECOND))).isoformat()


def _print_fraction(fraction: int) -> str:
    if fraction % 1_000:
        return f".{fraction:09}Z"
    if fraction % 1_000_000:
        return f".{fraction // 1_000:06}Z"
    return f".{fraction // 1_000_000:03}Z" if fraction else "Z"


def _own_lines(records: Sequence[Record]) -> list[_Line]:
    lines: list[_Line] = []
    add = lines.append
    start = end = 0
    head = point = ""
    for record in records:
        stamp, attributes, exception = record.timestamp, record.attributes, None
        if "exception" in attributes:
            exception = attributes["exception"]
            attributes = {name: value for name, value in attributes.items() if name != "exception"}
        if not start <= stamp < end:  # another second than that of the record before
            second = stamp // _NS
            start, end, head = second * _NS, (second + 1) * _NS, _print_second(second)
            point = f"{head}."
        add(
            _Line(
                f"{point}{fraction}Z"
                if (fraction := stamp - start) >= _NINE_DIGITS and fraction % 1_000
                else head + _print_fraction(fraction),
                record.level,
                record.service,
                record.host,
                record.logger,
                record.message,
                record.correlation_id,
                record.trace_id,
                record.span_id,
                exception,
                attributes,
            )
        )
    return lines


def ecs_fields(record: Record) -> dict[str, Any]:
    """A record under the names of the Elastic Common Schema; what that has no name for stands in `attributes`."""
    left = dict(record.attributes)
    code, exception = _taken_object(left, "code"), _taken_object(left, "exception")
    fields = {
        "@timestamp": print_instant(record.timestamp),
        "log.level": record.level,
        "message": record.message,
        "ecs.version": ECS_VERSION,
        "log.logger": record.logger,
        "service.name": record.service,
        "host.name": record.host,
        "trace.id": record.trace_id,
        "span.id": record.span_id,
        "correlation_id": record.correlation_id,
        "process.pid": left.pop("process_id", None),
        "process.entity_id": left.pop("process", None),
        "process.thread.name": left.pop("thread", None),
        "event.sequence": left.pop("sequence", None),
        "log.origin.file.name": code.get("file"),
        "log.origin.file.line": code.get("line"),
        "log.origin.function": code.get("function"),
        "error.type": exception.get("type"),
        "error.message": exception.get("message"),
        "error.stack_trace": print_exception(exception) if exception else None,
        "attributes": left or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def otel_fields(record: Record) -> dict[str, Any]:
    """A record under the names of OpenTelemetry's log data model and semantic conventions."""
    left = dict(record.attributes)
    code, exception = _taken_object(left, "code"), _taken_object(left, "exception")
    resource = {
        "service.name": record.service,
        "service.instance.id": left.pop("process", None),
        "host.name": record.host,
        "process.pid": left.pop("process_id", None),
    }
    named = {
        "thread.name": left.pop("thread", None),
        "code.file.path": code.get("file"),
        "code.line.number": code.get("line"),
        "code.function.name": code.get("function"),
        "exception.type": exception.get("type"),
        "exception.message": exception.get("message"),
        "exception.stacktrace": print_exception(exception) if exception else None,
        "correlation_id": record.correlation_id,
    }
    fields = {
        "Timestamp": str(record.timestamp),
        "SeverityText": record.level,
        "SeverityNumber": severity(record.level or "") or None,
        "Body": record.message,
        "TraceId": record.trace_id,
        "SpanId": record.span_id,
        "InstrumentationScope": {"name": record.logger} if record.logger else None,
        "Resource": _present(resource),
        "Attributes": _present({**left, **_present(named)}),
    }
    return _present(fields)


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _taken_object(attributes: dict[str, Value], name: str) -> Mapping[str, Value]:
    """An attribute that is an object, taken out; nothing when a user's field has the name."""
    found = attributes.get(name)
    if not isinstance(found, Mapping):
        return {}
    del attributes[name]
    return found


_Lines: TypeAlias = Callable[[Sequence[Record]], Sequence[_Line | dict[str, Any]]]
_LINES: Mapping[Names, _Lines] = {
    "tamis": _own_lines,
    "ecs": lambda records: [ecs_fields(record) for record in records],
    "otel": lambda records: [otel_fields(record) for record in records],
}


_NO_TEXTS: Final = ("timestamp", "attributes")


def _safe(record: Record) -> Record:
    """The record with nothing in it that JSON has no form for."""
    texts = {
        name: id_text(value) if type(value) is not str else safe_text(value)
        for name in record.__struct_fields__
        if name not in _NO_TEXTS and (value := getattr(record, name)) is not None
    }
    attributes = safe_attributes(cast("Mapping[object, object]", record.attributes))
    return msgspec.structs.replace(record, **texts, attributes=attributes)
