"""Requests as the official messages make them, so that nothing of ours is tested by itself."""

import base64
import json
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

NOW_NS = 1_795_262_400_000_000_000

_HEX = ("traceId", "spanId")


def logs(case: str, *records: dict[str, Any], **around: Any) -> dict[str, Any]:
    """A request in JSON's form; each record has an attribute that names its case."""
    marked = [
        {**record, "attributes": [attribute("case", case), *record.get("attributes", [])]}
        for record in records
    ]
    resource = {"attributes": [attribute("service.name", "conformance")]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": marked}], **around}]}


def attribute(name: str, value: Any) -> dict[str, Any]:
    """A text under a name, or another value in JSON's form."""
    return {"key": name, "value": {"stringValue": value} if isinstance(value, str) else value}


def record(message: str = "a message", **more: Any) -> dict[str, Any]:
    """A usual one."""
    return {
        "timeUnixNano": str(NOW_NS),
        "severityNumber": 9,
        "severityText": "INFO",
        "body": {"stringValue": message},
        **more,
    }


def as_json(request: dict[str, Any]) -> bytes:
    """OTLP/JSON."""
    return json.dumps(request).encode()


def as_protobuf(request: dict[str, Any]) -> bytes:
    """OTLP/protobuf: protobuf's own JSON has ids in base64, OTLP's in hexadecimal."""
    from google.protobuf.json_format import ParseDict

    return bytes(ParseDict(_with_base64_ids(request), ExportLogsServiceRequest()).SerializeToString())


def _with_base64_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64_ids(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(one)).decode() if name in _HEX else _with_base64_ids(one)
        for name, one in value.items()
    }
