"""An ExportLogsServiceRequest in protobuf, from the form that its JSON has; and what its answer says.

Field numbers: opentelemetry-proto 1.x, `logs/v1/logs.proto`, `common/v1/common.proto`; the encoding:
https://protobuf.dev/programming-guides/encoding/.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MASK_64 = (1 << 64) - 1


def encode_request(request: Json) -> bytes:
    """The request as bytes."""
    return _message("request", request)


def rejected_of(answer: bytes) -> tuple[int, str]:
    """How many records an ExportLogsServiceResponse says were rejected, and why; ValueError when it is none."""
    partial = dict(_fields(answer)).get(1, b"")
    if not isinstance(partial, bytes):
        raise ValueError("partial_success is no message")
    found = dict(_fields(partial))
    count, reason = found.get(1, 0), found.get(2, b"")
    if not isinstance(count, int) or not isinstance(reason, bytes):
        raise ValueError("partial_success has fields of other types")
    return count, reason.decode("utf-8", "replace")


def message_of(answer: bytes) -> str:
    """The message of a google.rpc.Status; ValueError when it is none."""
    found = dict(_fields(answer)).get(2, b"")
    if not isinstance(found, bytes):
        raise ValueError("message is no text")
    return found.decode("utf-8", "replace")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _with_length(data: bytes) -> bytes:
    return _varint(len(data)) + data


_SCALARS: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    "text": (_BYTES, lambda value: _with_length(value.encode())),
    "hex": (_BYTES, lambda value: _with_length(bytes.fromhex(value))),
    "time": (_FIXED64, lambda value: struct.pack("<Q", int(value))),
    "double": (_FIXED64, lambda value: struct.pack("<d", float(value))),
    "bool": (_VARINT, lambda value: _varint(bool(value))),
    "int": (_VARINT, lambda value: _varint(int(value) & _MASK_64)),
}
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "request": {"resourceLogs": (1, "resource_logs")},
    "resource_logs": {"resource": (1, "resource"), "scopeLogs": (2, "scope_logs")},
    "resource": {"attributes": (1, "pair")},
    "scope_logs": {"scope": (1, "scope"), "logRecords": (2, "record")},
    "scope": {"name": (1, "text")},
    "record": {
        "timeUnixNano": (1, "time"),
        "severityNumber": (2, "int"),
        "severityText": (3, "text"),
        "body": (5, "value"),
        "attributes": (6, "pair"),
        "traceId": (9, "hex"),
        "spanId": (10, "hex"),
        "observedTimeUnixNano": (11, "time"),
    },
    "pair": {"key": (1, "text"), "value": (2, "value")},
    "value": {
        "stringValue": (1, "text"),
        "boolValue": (2, "bool"),
        "intValue": (3, "int"),
        "doubleValue": (4, "double"),
        "arrayValue": (5, "values"),
        "kvlistValue": (6, "pairs"),
    },
    "values": {"values": (1, "value")},
    "pairs": {"values": (1, "pair")},
}
"""Each message's fields: number, and what they hold; lists are fields that repeat."""


def _message(kind: str, given: Json) -> bytes:
    out = bytearray()
    fields = _MESSAGES[kind]
    for name, value in given.items():
        number, holds = fields[name]
        scalar = _SCALARS.get(holds)
        for item in value if isinstance(value, list) else (value,):
            wire, data = (
                (_BYTES, _with_length(_message(holds, item)))
                if scalar is None
                else (scalar[0], scalar[1](item))
            )
            out += _varint(number << 3 | wire) + data
    return bytes(out)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _read_varint(message, at)
            yield key >> 3, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(wire)
        if wire == _BYTES:
            size, at = _read_varint(message, at)
        if size is None or at + size > len(message):
            raise ValueError("no protobuf message")
        yield key >> 3, message[at : at + size]
        at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    raise ValueError("no protobuf message")
