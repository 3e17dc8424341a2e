"""OTLP in JSON: requests read, answers written (opentelemetry-proto 1.x; protobuf's JSON mapping, ids in hex)."""

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from tamis.errors import WireError
from tamis.record.attributes import DEEP_MARK, DEFAULT_LIMITS
from tamis.record.severity import severity
from tamis.wire.base import Bytes, Decoded, DecodeOptions
from tamis.wire.jsonbody import read_document, size_of
from tamis.wire.otlp import Attributes, Collector, LogRecord, Scope, bounded, scope_of

_HEX = re.compile(r"[0-9A-Fa-f]+")
_INT_DIGITS_MAX = 40
_MALFORMED = (WireError, ValueError, TypeError, KeyError, AttributeError, OverflowError)
_SEVERITY_NAME = "SEVERITY_NUMBER_"
_encode = msgspec.json.Encoder().encode


def decode_json(body: Bytes, options: DecodeOptions) -> Decoded:
    """The records of an ExportLogsServiceRequest. WireError when it is none: nothing of it is kept then.

    A record that has something of a wrong type is rejected alone. TooLargeError when there are too many.
    """
    request = read_document(bytes(body), "an OTLP request")
    collector = Collector(options)
    for resource_logs in _objects(request, "resourceLogs", "resource_logs"):
        resource = _object(resource_logs.get("resource"), "resource")
        schema = _text(_either(resource_logs, "schemaUrl", "schema_url"))
        attributes = _around(resource)
        around = size_of(attributes)
        for scope_logs in _objects(resource_logs, "scopeLogs", "scope_logs"):
            scope = _object(scope_logs.get("scope"), "scope")
            schemas = (schema, _text(_either(scope_logs, "schemaUrl", "schema_url")))
            collector.begin(_scope(attributes, scope, schemas), around + size_of(scope))
            records = _either(scope_logs, "logRecords", "log_records") or []
            if not isinstance(records, list):
                raise WireError("logRecords is not a list")
            for record in records:
                _add(record, collector)
    return collector.finish()


def _object(value: Any, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise WireError(f"not an OTLP request: {what} is no object")
    return value


def _either(owner: dict[str, Any], name: str, snake: str) -> Any:
    """A field under its JSON name, or under that of the schema, which protobuf's readers take too."""
    found = owner.get(name)
    return owner.get(snake) if found is None else found


def _objects(owner: dict[str, Any], name: str, snake: str) -> Iterator[dict[str, Any]]:
    found = _either(owner, name, snake)
    if found is not None and not isinstance(found, list):
        raise WireError(f"not an OTLP request: {name} is not a list")
    return (_object(one, name) for one in found or ())


def _around(resource: dict[str, Any]) -> Attributes:
    try:
        return _pairs(resource.get("attributes"))
    except _MALFORMED as error:
        raise WireError(f"not an OTLP request: attributes of a resource or scope: {error!r}") from None


def _scope(resource: Attributes, scope: dict[str, Any], schemas: tuple[str, str]) -> Scope:
    name, version = _text(scope.get("name")), _text(scope.get("version"))
    return scope_of(resource, name, version, attributes=_around(scope), schemas=schemas)


def _add(record: Any, collector: Collector) -> None:
    """One record, stored or rejected."""
    if not collector.admit(size_of(record)):
        return
    try:
        collector.add(_record(record))
    except _MALFORMED as error:
        collector.reject(f"the record is not OTLP: {error}"[:200])


def _record(given: dict[str, Any]) -> LogRecord:
    body = given.get("body")
    more = {
        "event.name": given.get("eventName") or None,
        "trace_flags": _int(given.get("flags")) or None,
        "dropped_attributes_count": _int(given.get("droppedAttributesCount")) or None,
    }
    return LogRecord(
        _time(_either(given, "timeUnixNano", "time_unix_nano")),
        _time(_either(given, "observedTimeUnixNano", "observed_time_unix_nano")),
        _severity(_either(given, "severityNumber", "severity_number")),
        _text(_either(given, "severityText", "severity_text")),
        None if body is None else _value(body),
        _pairs(given.get("attributes")),
        _id(_either(given, "traceId", "trace_id")),
        _id(_either(given, "spanId", "span_id")),
        {name: value for name, value in more.items() if value is not None} or None,
    )


def _int(given: Any) -> int:
    """A number, which may stand as text (64 bits are more than JavaScript's numbers hold)."""
    if given is None:
        return 0
    if type(given) is int:
        return given
    if isinstance(given, str):
        if len(given) > _INT_DIGITS_MAX:
            raise WireError("an integer of more than 64 bits")
        return int(given) if given else 0
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise WireError(f"{type(given).__name__} where a number should be")
    return int(given)


def _time(given: Any) -> int:
    found = _int(given)
    if found < 0:
        raise WireError("a time before 1970")
    return found


def _severity(given: Any) -> int:
    if isinstance(given, str) and given.startswith(_SEVERITY_NAME):
        return severity(given.removeprefix(_SEVERITY_NAME))
    return _int(given)


def _text(given: Any) -> str:
    if given is None:
        return ""
    if not isinstance(given, str):
        raise WireError(f"{type(given).__name__} where a text should be")
    return given


def _id(given: Any) -> str:
    text = _text(given)
    if not text.strip("0"):
        return ""
    return text.lower() if _HEX.fullmatch(text) else text


def _pairs(given: Any, depth: int = 0) -> Attributes:
    found: Attributes = {}
    for pair in given or ():
        held = pair.get("value")
        if held is None:
            continue
        value = held.get("stringValue")
        if type(value) is not str:
            value = _value(held, depth)
        if value is not None:
            found[_text(pair.get("key"))] = value
    return bounded(found) if depth == 0 else found


def _value(given: Any, depth: int = 0) -> Any:
    """An AnyValue; None when it holds nothing. Bytes stay base64."""
    for kind, held in given.items():
        if held is None:
            continue
        match kind:
            case "stringValue" | "bytesValue":
                return _text(held)
            case "boolValue":
                return held if isinstance(held, bool) else _refuse(kind)
            case "intValue":
                return _int(held)
            case "doubleValue":
                return _double(held)
            case "arrayValue" | "kvlistValue" if depth >= DEFAULT_LIMITS.depth_max:
                return DEEP_MARK
            case "arrayValue":
                items = [_value(one, depth + 1) for one in held.get("values") or ()]
                return [one for one in items if one is not None]
            case "kvlistValue":
                return _pairs(held.get("values"), depth + 1)
    return None


def _double(held: Any) -> float | str:
    """A double, which may stand as text; the names of those that JSON lacks stay names."""
    if isinstance(held, int | float) and not isinstance(held, bool):
        return float(held)
    text = _text(held)
    try:
        number = float(text)
    except ValueError:
        raise WireError(f"doubleValue is no number: {text[:100]!r}") from None
    return number if math.isfinite(number) else text


def _refuse(kind: str) -> Any:
    raise WireError(f"{kind} has another type")


def encode_json_response(rejected: int, message: str) -> bytes:
    """An ExportLogsServiceResponse."""
    if not rejected and not message:
        return b"{}"
    return _encode({"partialSuccess": {"rejectedLogRecords": str(rejected), "errorMessage": message}})


def encode_json_status(code: int, message: str) -> bytes:
    """A google.rpc.Status."""
    return _encode({"code": code, "message": message})
