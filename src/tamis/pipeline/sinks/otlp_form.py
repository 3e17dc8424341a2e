"""Records as OTLP's ExportLogsServiceRequest, in the form its JSON has (opentelemetry-proto 1.x)."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tamis.pipeline.base import Batch
from tamis.pipeline.encode import otel_fields
from tamis.pipeline.sinks.identity import record_id
from tamis.record.attributes import DEEP_MARK, DEFAULT_LIMITS, safe_text
from tamis.record.model import Record

Json = dict[str, Any]
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 63) - 1
_INT_DIGITS_BITS: Final = 4_096
_TRACE_ID, _SPAN_ID = re.compile(r"[0-9a-fA-F]{32}"), re.compile(r"[0-9a-fA-F]{16}")
_Row = tuple[Mapping[str, Any], str, Json]


def request_of(batch: Batch) -> Json:
    """The request; records stay in their order, so a resource or a scope begins anew where another was between."""
    rows = [_row(batch.id, place, record) for place, record in enumerate(batch.records)]
    resources = []
    for _, found in itertools.groupby(rows, key=lambda row: row[0]):
        group = list(found)
        scopes = [
            {"scope": {"name": name} if name else {}, "logRecords": [row[2] for row in members]}
            for name, members in itertools.groupby(group, key=lambda row: row[1])
        ]
        resources.append({"resource": {"attributes": _pairs(group[0][0])}, "scopeLogs": scopes})
    return {"resourceLogs": resources}


def _row(batch_id: str, place: int, record: Record) -> _Row:
    """What a record's resource is, its scope's name, and the record itself."""
    fields = otel_fields(record)
    attributes = {**fields["Attributes"], "log.record.uid": record_id(batch_id, place, record)}
    process = record.attributes.get("process")
    if process is not None:
        attributes["process"] = process
    found: Json = {}
    _put_ids(found, record, attributes)
    if record.timestamp >= 0:
        found["timeUnixNano"] = found["observedTimeUnixNano"] = str(record.timestamp)
    else:
        attributes["timestamp"] = record.timestamp
    if fields.get("SeverityNumber"):
        found["severityNumber"] = fields["SeverityNumber"]
    if record.level:
        found["severityText"] = safe_text(record.level)
    found["body"] = {"stringValue": safe_text(record.message)}
    found["attributes"] = _pairs(attributes)
    return fields.get("Resource", {}), safe_text(record.logger or ""), found


def _put_ids(found: Json, record: Record, attributes: Json) -> None:
    """Ids that OTLP can hold; others stay attributes."""
    for name, key, form in (("trace_id", "traceId", _TRACE_ID), ("span_id", "spanId", _SPAN_ID)):
        value = getattr(record, name)
        if value is None:
            continue
        if form.fullmatch(value) and value.strip("0"):
            found[key] = value.lower()
        else:
            attributes[name] = value


def _pairs(fields: Mapping[Any, Any], depth: int = 0) -> list[Json]:
    return [
        {"key": safe_text(str(name), DEFAULT_LIMITS.key_chars_max), "value": any_value(value, depth)}
        for name, value in fields.items()
        if value is not None
    ]


def any_value(value: object, depth: int = 0) -> Json:
    """A value as an AnyValue; what that has no form for (integers over 64 bits, other objects) is its text."""
    if isinstance(value, str):
        return {"stringValue": safe_text(value)}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return _int_value(value)
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else _JSON_NAMES[str(value)]}
    if isinstance(value, Mapping | Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return _container(value, depth)
    try:
        text = str(value)
    except Exception:  # a user's __str__ may do anything; the record goes on without it
        text = f"[{type(value).__name__} without text]"
    return {"stringValue": safe_text(text)}


_JSON_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _int_value(value: int) -> Json:
    if _INT_MIN <= value <= _INT_MAX:
        return {"intValue": str(value)}
    return {"stringValue": str(value) if value.bit_length() <= _INT_DIGITS_BITS else hex(value)}


def _container(value: Any, depth: int) -> Json:
    if depth >= DEFAULT_LIMITS.depth_max:
        return {"stringValue": DEEP_MARK}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _pairs(value, depth + 1)}}
    return {"arrayValue": {"values": [any_value(item, depth + 1) for item in value if item is not None]}}
