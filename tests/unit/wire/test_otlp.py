"""OpenTelemetry's logs: both encodings mean the same, and every record is kept or named."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from tamis.errors import TooLargeError, WireError
from tamis.pipeline.base import Batch
from tamis.pipeline.sinks.otlp_form import request_of
from tamis.pipeline.sinks.otlp_protobuf import encode_request, message_of, rejected_of
from tamis.record.model import Record
from tamis.wire.base import Decoded, DecodeOptions, WireLimits
from tamis.wire.otlp import read_severity
from tamis.wire.otlp_json import decode_json
from tamis.wire.otlp_protobuf import decode_protobuf, encode_protobuf_response, encode_protobuf_status
from tamis.wire.protobuf import bytes_field, varint_field
from tests.support.strategies import records

NOW_NS = 1_763_719_200_000_000_000
OPTIONS = DecodeOptions(now_ns=NOW_NS)
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def rows(found: Decoded) -> list[Record]:
    return list(found.columns.records(NOW_NS))


def request(*records: dict[str, Any], resource: Any = (), scope: Any = None) -> dict[str, Any]:
    around: dict[str, Any] = {"scope": scope or {}, "logRecords": list(records)}
    return {"resourceLogs": [{"resource": {"attributes": list(resource)}, "scopeLogs": [around]}]}


def from_json(given: dict[str, Any], options: DecodeOptions = OPTIONS) -> Decoded:
    return decode_json(json.dumps(given).encode(), options)


def raw_request(*records: bytes) -> bytes:
    return bytes_field(1, bytes_field(2, b"".join(bytes_field(2, one) for one in records)))


def full_request() -> ExportLogsServiceRequest:
    """One record that has everything there is."""
    sent = ExportLogsServiceRequest()
    around = sent.resource_logs.add(schema_url="https://schemas/1")
    for name, value in (
        ("service.name", "shop"),
        ("host.name", "h1"),
        ("cloud.region", "eu"),
        ("taken", "r"),
    ):
        around.resource.attributes.add(key=name).value.string_value = value
    scope = around.scope_logs.add()
    scope.scope.name, scope.scope.version = "shop.orders", "1.2"
    scope.scope.attributes.add(key="team").value.string_value = "a"
    record = scope.log_records.add(
        time_unix_nano=NOW_NS,
        observed_time_unix_nano=NOW_NS + 5,
        severity_number=13,
        severity_text="WARN",
        trace_id=bytes.fromhex(TRACE),
        span_id=bytes.fromhex(SPAN),
        flags=257,
        event_name="order.late",
        dropped_attributes_count=3,
    )
    record.body.string_value = "late"
    put = record.attributes
    put.add(key="taken").value.string_value = "own"
    put.add(key="n").value.int_value = -7
    put.add(key="d").value.double_value = 0.5
    put.add(key="nan").value.double_value = math.nan
    put.add(key="yes").value.bool_value = True
    put.add(key="raw").value.bytes_value = b"\xff\x00"
    put.add(key="nothing")
    put.add(key="list").value.array_value.values.add().string_value = "x"
    inner = put.add(key="object").value.kvlist_value.values.add(key="k")
    inner.value.int_value = 1 << 40
    put.add(key="correlation_id").value.string_value = "c-1"
    return sent


def test_everything_a_record_says_is_kept() -> None:
    """Resource, scope, ids, severity, times, flags and any-values have their places."""
    (found,) = rows(decode_protobuf(full_request().SerializeToString(), OPTIONS))
    assert found == Record(
        timestamp=NOW_NS,
        message="late",
        level="WARNING",
        service="shop",
        host="h1",
        logger="shop.orders",
        trace_id=TRACE,
        span_id=SPAN,
        correlation_id="c-1",
        attributes=found.attributes,
    )
    assert found.attributes == {
        "taken": "own",
        "resource.taken": "r",
        "n": -7,
        "d": 0.5,
        "nan": "NaN",
        "yes": True,
        "raw": "/wA=",
        "list": ["x"],
        "object": {"k": 1 << 40},
        "cloud.region": "eu",
        "otel.scope.version": "1.2",
        "otel.scope.team": "a",
        "otel.schema_url": "https://schemas/1",
        "observed_time_unix_nano": NOW_NS + 5,
        "trace_flags": 257,
        "event.name": "order.late",
        "dropped_attributes_count": 3,
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(records(), max_size=8))
def test_what_our_sink_sends_is_what_we_read(given: list[Record]) -> None:
    """Both encodings of any records give the same columns, with the core fields that were sent."""
    form = request_of(Batch("batch", tuple(given)))
    one, other = from_json(form), decode_protobuf(encode_request(form), OPTIONS)
    assert rows(one) == rows(other)
    assert one.received == len(given)
    assert one.rejected_count == other.rejected_count == 0
    for sent, found in zip(given, rows(one), strict=True):
        assert found.message == sent.message
        assert (found.service or None) == (sent.service or None)
        assert (found.level or "") == (sent.level or "")
        if sent.timestamp > 0:
            assert found.timestamp == sent.timestamp


@pytest.mark.parametrize(
    ("number", "text", "level", "more"),
    [
        (9, "", "INFO", {}),
        (0, "warn", "WARNING", {}),
        (17, "SEVERE", "ERROR", {}),
        (9, "weird", "INFO", {"severity_text": "weird"}),
        (9, "ERROR", "INFO", {"severity_text": "ERROR"}),
        (0, "CUSTOM", "CUSTOM", {}),
        (0, "", None, {}),
        (99, "", None, {"severity_number": 99}),
        (-1, "x", "X", {"severity_number": -1}),
    ],
)
def test_the_number_decides_a_severity(number: int, text: str, level: str | None, more: Any) -> None:
    """The text says the same, or says it alone, or is kept beside the number."""
    assert read_severity(number, text) == (level, more)


def test_times_fall_back() -> None:
    """Without a time the observed one; a time that no store keeps is an attribute with a note."""
    never = 2**64 - 1
    found = rows(
        from_json(request({"observedTimeUnixNano": "5"}, {"timeUnixNano": str(never)}, {"timeUnixNano": 7}))
    )
    assert [one.timestamp for one in found] == [5, NOW_NS, 7]
    assert found[1].attributes["time_unix_nano"] == never
    assert "decode_note" in found[1].attributes


def test_a_body_that_is_no_text_is_json() -> None:
    """An object is a message that words find, and an attribute that a query can look into."""
    body = {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}}
    found = rows(from_json(request({"body": body}, {"body": {"boolValue": True}}, {})))
    assert [one.message for one in found] == ['{"a":1}', "true", ""]
    assert found[0].attributes == {"body": {"a": 1}}


def test_a_broken_record_is_rejected_alone() -> None:
    """Its neighbours are stored; its place and the reason are told."""
    good = bytes_field(5, bytes_field(1, b"good"))
    found = decode_protobuf(raw_request(good, b"\x2a\xff", good, b"\x0f"), OPTIONS)
    assert [one.message for one in rows(found)] == ["good", "good"]
    assert [one.line for one in found.rejected] == [2, 4]
    found = from_json(request({"body": {"stringValue": "a"}}, {"timeUnixNano": []}, {"body": 7}))
    assert (found.received, [one.line for one in found.rejected]) == (3, [2, 3])


def test_text_that_is_not_utf8_is_replaced() -> None:
    """The record is kept with a note instead of being lost."""
    (found,) = rows(decode_protobuf(raw_request(bytes_field(5, bytes_field(1, b"br\xffken"))), OPTIONS))
    assert found.message == "br\ufffdken"
    assert "decode_note" in found.attributes


def test_a_double_of_another_size_is_told() -> None:
    """Of a resource: the request is refused; of a record: that one is rejected."""
    value = bytes_field(4, b"1234")
    resource = bytes_field(1, bytes_field(1, bytes_field(1, b"k") + bytes_field(2, value)))
    with pytest.raises(WireError, match="field 4"):
        decode_protobuf(bytes_field(1, resource), OPTIONS)
    found = decode_protobuf(raw_request(bytes_field(5, value)), OPTIONS)
    assert found.rejected_count == 1
    assert "field 4" in found.rejected[0].reason


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x05", b"\x08\x01", b"[1]", b"\x0a\x02\x10\x01"])
def test_what_is_no_request_is_refused_whole(body: bytes) -> None:
    """Nothing of a request whose frame is broken is kept."""
    with pytest.raises(WireError):
        decode_protobuf(body, OPTIONS)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"resourceLogs":{}}', b'{"resourceLogs":[1]}', b"[" * 100_000]
)
def test_json_that_is_no_request_is_refused_whole(body: bytes) -> None:
    """Nothing of it is kept."""
    with pytest.raises(WireError):
        decode_json(body, OPTIONS)


def test_limits_hold() -> None:
    """A long record is rejected, too many are refused, and copies of what stands around count."""
    limits = WireLimits(line_bytes_max=100, lines_max=3)
    tight = replace(OPTIONS, limits=limits)
    long = bytes_field(5, bytes_field(1, b"x" * 200))
    found = decode_protobuf(raw_request(b"", long), tight)
    assert (found.columns.length, found.rejected_count) == (1, 1)
    found = from_json(request({}, {"body": {"stringValue": "x" * 200}}), tight)
    assert (found.columns.length, found.rejected_count) == (1, 1)
    with pytest.raises(TooLargeError):
        decode_protobuf(raw_request(*[b""] * 4), tight)
    around = bytes_field(
        1, bytes_field(1, bytes_field(1, b"k") + bytes_field(2, bytes_field(1, b"v" * 900_000)))
    )
    many = bytes_field(2, b"".join([bytes_field(2, b"")] * 1_000))
    with pytest.raises(TooLargeError):
        decode_protobuf(bytes_field(1, around + many), OPTIONS)


def test_depth_is_bounded() -> None:
    """A value nested a thousand deep ends in a mark, in both encodings."""
    value = bytes_field(1, b"x")
    deep: dict[str, Any] = {"stringValue": "x"}
    for _ in range(300):
        value, deep = bytes_field(5, bytes_field(1, value)), {"arrayValue": {"values": [deep]}}
    record = bytes_field(6, bytes_field(1, b"k") + bytes_field(2, value))
    one = rows(decode_protobuf(raw_request(record), OPTIONS))
    other = rows(from_json(request({"attributes": [{"key": "k", "value": deep}]})))
    assert one == other
    assert "too deep" in str(one[0].attributes["k"])


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200), st.data())
def test_any_bytes_are_kept_or_refused(noise: bytes, data: st.DataObject) -> None:
    """Whatever comes, nothing but WireError is raised, and received = kept + rejected."""
    good = raw_request(
        bytes_field(5, bytes_field(1, b"good")) + varint_field(2, 9) + bytes_field(9, b"\1" * 16)
    )
    at = data.draw(st.integers(0, len(good)))
    for body in (
        noise,
        raw_request(noise),
        raw_request(bytes_field(6, noise)),
        good[:at] + noise + good[at:],
    ):
        try:
            found = decode_protobuf(body, OPTIONS)
        except WireError:
            continue
        assert found.received == len(rows(found)) + found.rejected_count


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["stringValue", "intValue", "arrayValue", "kvlistValue", "values", "key", "value", "doubleValue"]
    ), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
FIELDS = [
    "timeUnixNano",
    "severityNumber",
    "severityText",
    "body",
    "attributes",
    "traceId",
    "flags",
    "eventName",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES) | JSON_VALUES, max_size=4))
def test_any_json_is_kept_or_rejected(odd: list[Any]) -> None:
    """Whatever stands where a record should, it is kept or named; nothing else is raised."""
    found = from_json(request(*odd))
    assert found.received == len(odd) == len(rows(found)) + found.rejected_count


def test_answers_are_what_clients_read() -> None:
    """OpenTelemetry's own classes and our own sink read them."""
    answer = encode_protobuf_response(3, "too long")
    read = ExportLogsServiceResponse.FromString(answer).partial_success
    assert (read.rejected_log_records, read.error_message) == (3, "too long")
    assert rejected_of(answer) == (3, "too long")
    assert encode_protobuf_response(0, "") == b""
    assert message_of(encode_protobuf_status(14, "later")) == "later"
