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
from tamis.wire.jsonbody import WHOLE_BYTES_MAX, check_count, read_document, read_layer, read_value, size_of
from tamis.wire.otlp import Attributes, Collector, LogRecord, Scope, bounded, scope_of

WHAT = "an OTLP request"
_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
_LEVELS = (("resourceLogs", "resource_logs"), ("scopeLogs", "scope_logs"), ("logRecords", "log_records"))
_Pieces = list[msgspec.Raw] | None
_NOTHING = msgspec.Raw(b"null")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_INT_DIGITS_MAX = 40
_MALFORMED = (WireError, ValueError, TypeError, KeyError, AttributeError, OverflowError)
_SEVERITY_NAME = "SEVERITY_NUMBER_"
_encode = msgspec.json.Encoder().encode


def _layer(name: str, lists: tuple[str, ...], around: str) -> type[msgspec.Struct]:
    """The outside of a message: its list, of which the items stay bytes, and what stands around them."""
    texts = [(one, str | None, None) for one in ("schemaUrl", "schema_url")]
    return msgspec.defstruct(
        name, [(one, _Pieces, None) for one in lists] + texts + [(around, msgspec.Raw, _NOTHING)]
    )


_Request = _layer("Request", _LEVELS[0], "around")
_ResourceLogs = _layer("ResourceLogs", _LEVELS[1], "resource")
_ScopeLogs = _layer("ScopeLogs", _LEVELS[2], "scope")


def decode_json(body: Bytes, options: DecodeOptions) -> Decoded:
    """The records of an ExportLogsServiceRequest. WireError when it is none: nothing of it is kept then.

    A record that has something of a wrong type is rejected alone. TooLargeError when there are too many.
    """
    request = _request(bytes(body), options)
    collector = Collector(options)
    for resource_logs in _objects(request, "resourceLogs", "resource_logs", layer=_ResourceLogs):
        resource, around = _around(resource_logs.get("resource"), "resource", options)
        schema = _text(_either(resource_logs, "schemaUrl", "schema_url"))
        attributes = _attributes(resource)
        for scope_logs in _objects(resource_logs, "scopeLogs", "scope_logs", layer=_ScopeLogs):
            scope, size = _around(scope_logs.get("scope"), "scope", options)
            schemas = (schema, _text(_either(scope_logs, "schemaUrl", "schema_url")))
            collector.begin(_scope(attributes, scope, schemas), around + size)
            for record in _list(scope_logs, "logRecords", "log_records"):
                _add(record, collector)
    return collector.finish()


def _request(body: bytes, options: DecodeOptions) -> dict[str, Any]:
    """The request: a large one only on the outside, what is inside is read when its turn has come."""
    if len(body) <= WHOLE_BYTES_MAX:
        return read_document(body, WHAT)
    check_count(body, _LEVELS, WHAT, of="objects", count_max=options.limits.lines_max)
    return read_layer(body, _Request, WHAT)


def _object(value: Any, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise WireError(f"not {WHAT}: {what} is no object")
    return value


def _either(owner: dict[str, Any], name: str, snake: str) -> Any:
    """A field under its JSON name, or under that of the schema, which protobuf's readers take too."""
    found = owner.get(name)
    return owner.get(snake) if found is None else found


def _list(owner: dict[str, Any], name: str, snake: str) -> list[Any]:
    found = _either(owner, name, snake)
    if found is None:
        return []
    if not isinstance(found, list):
        raise WireError(f"not {WHAT}: {name} is not a list")
    return found


def _objects(
    owner: dict[str, Any], name: str, snake: str, *, layer: type[msgspec.Struct]
) -> Iterator[dict[str, Any]]:
    for one in _list(owner, name, snake):
        if isinstance(one, msgspec.Raw):
            yield read_layer(one, layer, WHAT)
        elif isinstance(one, dict):
            yield one
        else:
            raise WireError(f"not {WHAT}: {name} holds something that is no object")


def _around(given: Any, what: str, options: DecodeOptions) -> tuple[dict[str, Any], int]:
    """A resource or scope, and its size; not read when it alone is over what a record may have."""
    if not isinstance(given, msgspec.Raw):
        found = _object(given, what)
        return found, size_of(found.get("attributes")) if what == "resource" else size_of(found)
    size = memoryview(given).nbytes
    if size > options.limits.line_bytes_max:
        return {}, size
    return _object(read_value(given, WHAT), what), size


def _attributes(owner: dict[str, Any]) -> Attributes:
    try:
        return _pairs(owner.get("attributes"))
    except _MALFORMED as error:
        raise WireError(f"not {WHAT}: attributes of a resource or scope: {error}") from None


def _scope(resource: Attributes, scope: dict[str, Any], schemas: tuple[str, str]) -> Scope:
    name, version = _text(scope.get("name")), _text(scope.get("version"))
    return scope_of(resource, name, version, attributes=_attributes(scope), schemas=schemas)


def _add(record: Any, collector: Collector) -> None:
    """One record, stored or rejected."""
    is_raw = isinstance(record, msgspec.Raw)
    if not collector.admit(memoryview(record).nbytes if is_raw else size_of(record)):
        return
    try:
        collector.add(_record(read_value(record, "a record") if is_raw else record))
    except _MALFORMED as error:
        collector.reject(f"the record is not OTLP: {error}"[:200])


def _record(given: Any) -> LogRecord:
    if not isinstance(given, dict):
        raise WireError(f"{_kind(given)} where a record should be")
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
        return _digits(given) if given else 0
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise WireError(f"{_kind(given)} where a number should be")
    return int(given)


def _digits(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise WireError(f"{text!r} where a number should be") from None


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
        raise WireError(f"{_kind(given)} where a text should be")
    return given


def _id(given: Any) -> str:
    text = _text(given)
    if not text.strip("0"):
        return ""
    return text.lower() if _HEX.fullmatch(text) else text


def _pairs(given: Any, depth: int = 0) -> Attributes:
    found: Attributes = {}
    for pair in _listed(given, "attributes"):
        if not isinstance(pair, dict):
            raise WireError(f"{_kind(pair)} where a key and its value should be")
        held = pair.get("value")
        if held is None:
            continue
        value = held.get("stringValue") if type(held) is dict else None
        if type(value) is not str:
            value = _value(held, depth)
        if value is not None:
            found[_text(pair.get("key"))] = value
    return bounded(found) if depth == 0 else found


def _value(given: Any, depth: int = 0) -> Any:
    """An AnyValue; None when it holds nothing. Bytes stay base64."""
    for kind, held in _any_value(given).items():
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
                items = [_value(one, depth + 1) for one in _values(held, kind)]
                return [one for one in items if one is not None]
            case "kvlistValue":
                return _pairs(_values(held, kind), depth + 1)
    return None


def _any_value(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise WireError(f'{_kind(given)} where an object such as {{"stringValue": …}} should be')
    return given


def _values(held: Any, kind: str) -> list[Any]:
    if not isinstance(held, dict):
        raise WireError(f"{_kind(held)} where the object of {kind} should be")
    return _listed(held.get("values"), kind)


def _listed(given: Any, what: str) -> list[Any]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise WireError(f"{_kind(given)} where the list of {what} should be")
    return given


def _kind(given: Any) -> str:
    """What JSON calls it."""
    return _KINDS.get(type(given), "a number")


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
