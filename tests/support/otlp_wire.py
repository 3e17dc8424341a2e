"""ExportLogsServiceRequest read from JSON and from protobuf, by the numbers of opentelemetry-proto 1.x."""

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Json = dict[str, Any]
Fields = dict[int, list[Any]]


@dataclass(frozen=True)
class OtlpRecord:
    """One log record with what stood round it; ids are hexadecimal."""

    time_ns: int
    observed_ns: int
    severity_number: int
    severity_text: str
    body: Any
    attributes: Json = field(default_factory=dict)
    trace_id: str = ""
    span_id: str = ""
    flags: int = 0
    resource: Json = field(default_factory=dict)
    scope: str = ""


def records_of_json(body: bytes) -> list[OtlpRecord]:
    """The records of a request in OTLP's JSON (lower camel case, ids in hexadecimal, 64-bit numbers as text)."""
    return [
        OtlpRecord(
            time_ns=int(record.get("timeUnixNano", 0)),
            observed_ns=int(record.get("observedTimeUnixNano", 0)),
            severity_number=record.get("severityNumber", 0),
            severity_text=record.get("severityText", ""),
            body=_json_value(record.get("body", {})),
            attributes=_json_attributes(record),
            trace_id=_hexadecimal(record.get("traceId", ""), 16),
            span_id=_hexadecimal(record.get("spanId", ""), 8),
            flags=record.get("flags", 0),
            resource=_json_attributes(resource.get("resource", {})),
            scope=scope.get("scope", {}).get("name", ""),
        )
        for resource in json.loads(body).get("resourceLogs", [])
        for scope in resource.get("scopeLogs", [])
        for record in scope.get("logRecords", [])
    ]


def records_of_protobuf(body: bytes) -> list[OtlpRecord]:
    """The records of a request in protobuf."""
    return [
        _proto_record(fields_of(record), resource, scope)
        for resource_logs in map(fields_of, fields_of(body).get(1, []))
        for resource in [_message(resource_logs, 1)]
        for scope_logs in map(fields_of, resource_logs.get(2, []))
        for scope in [_message(scope_logs, 1)]
        for record in scope_logs.get(2, [])
    ]


def fields_of(message: bytes) -> Fields:
    """A message's fields by number: ints for varints, bytes for all others."""
    found: Fields = {}
    for number, value in _fields(message):
        found.setdefault(number, []).append(value)
    return found


def partial_success(rejected: int, message: str) -> bytes:
    """An ExportLogsServiceResponse."""
    if not rejected and not message:
        return b""
    inner = b"\x08" + _varint(rejected) + b"\x12" + _varint(len(message.encode())) + message.encode()
    return b"\x0a" + _varint(len(inner)) + inner


def status_message(code: int, message: str) -> bytes:
    """A google.rpc.Status."""
    text = message.encode()
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(text)) + text


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _read_varint(message, place)
            yield number, value
            continue
        if kind == BYTES:
            size, place = _read_varint(message, place)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind} of field {number} is not known")
        if place + size > len(message):
            raise ValueError(f"field {number} ends after the message")
        yield number, message[place : place + size]
        place += size


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return value, place
        if shift > 63:
            raise ValueError("a varint is over 64 bits")


def _varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found, value = found + bytes([value & 0x7F | 0x80]), value >> 7
    return found + bytes([value])


def _message(fields: Fields, number: int) -> Fields:
    return fields_of(b"".join(fields.get(number, [])))


def _text(fields: Fields, number: int) -> str:
    return bytes(fields.get(number, [b""])[-1]).decode("utf-8")


def _fixed64(fields: Fields, number: int) -> int:
    return int(struct.unpack("<Q", fields.get(number, [bytes(8)])[-1])[0])


def _proto_record(record: Fields, resource: Fields, scope: Fields) -> OtlpRecord:
    return OtlpRecord(
        time_ns=_fixed64(record, 1),
        observed_ns=_fixed64(record, 11),
        severity_number=record.get(2, [0])[-1],
        severity_text=_text(record, 3),
        body=_proto_value(_message(record, 5)),
        attributes=_proto_attributes(record.get(6, [])),
        trace_id=_hexadecimal(record.get(9, [b""])[-1].hex(), 16),
        span_id=_hexadecimal(record.get(10, [b""])[-1].hex(), 8),
        flags=int(struct.unpack("<I", record.get(8, [bytes(4)])[-1])[0]),
        resource=_proto_attributes(resource.get(1, [])),
        scope=_text(scope, 1),
    )


def _proto_attributes(pairs: list[bytes]) -> Json:
    fields = [fields_of(pair) for pair in pairs]
    return {_text(pair, 1): _proto_value(_message(pair, 2)) for pair in fields}


def _proto_value(value: Fields) -> Any:
    """An AnyValue; None when it holds none."""
    if not value:
        return None
    ((number, given),) = [(number, given[-1]) for number, given in value.items()]
    if number == 1:
        return given.decode("utf-8")
    if number == 2:
        return bool(given)
    if number == 3:
        return given - 2**64 if given >= 2**63 else given
    if number == 4:
        return struct.unpack("<d", given)[0]
    if number == 5:
        return [_proto_value(fields_of(one)) for one in fields_of(given).get(1, [])]
    if number == 6:
        return _proto_attributes(fields_of(given).get(1, []))
    return bytes(given)


def _json_attributes(owner: Json) -> Json:
    return {pair["key"]: _json_value(pair.get("value", {})) for pair in owner.get("attributes", [])}


def _json_value(value: Json) -> Any:
    if not value:
        return None
    ((kind, given),) = value.items()
    if kind == "intValue":
        return int(given)
    if kind == "doubleValue":
        return float(given)
    if kind == "arrayValue":
        return [_json_value(one) for one in given.get("values", [])]
    if kind == "kvlistValue":
        return {pair["key"]: _json_value(pair.get("value", {})) for pair in given.get("values", [])}
    if kind == "bytesValue":
        return base64.b64decode(given)
    if kind not in ("stringValue", "boolValue"):
        raise ValueError(f"{kind} is no value")
    return given


def _hexadecimal(text: str, size: int) -> str:
    if text and len(bytes.fromhex(text)) != size:
        raise ValueError(f"an id of {size} bytes is {text!r}")
    return text.lower()
