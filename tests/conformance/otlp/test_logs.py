"""What the OTLP specification (1.x, OTLP/HTTP, logs) asks of a server, case by case.

    pytest tests/conformance/otlp --url http://127.0.0.1:4318 [--token TOKEN]

Answers are looked at everywhere; what was stored only in a Tamis of our own. MUST of the specification is asserted;
where it leaves a choice, every choice passes.
"""

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # without types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from tests.conformance.otlp.conftest import JSON, PROTOBUF, WAIT_S, Target
from tests.conformance.otlp.requests import NOW_NS, as_json, as_protobuf, attribute, logs, record

Found = Callable[[str], list[dict[str, Any]] | None]
Value = dict[str, Any]
ENCODERS = {JSON: as_json, PROTOBUF: as_protobuf}
BOTH = pytest.mark.parametrize("kind", [JSON, PROTOBUF], ids=["json", "protobuf"])
RETRYABLE = (429, 502, 503, 504)
VALUES: dict[str, tuple[Value, Any]] = {
    "text": ({"stringValue": "grüße 日本 🙂"}, "grüße 日本 🙂"),
    "empty text": ({"stringValue": ""}, ""),
    "true": ({"boolValue": True}, True),
    "false": ({"boolValue": False}, False),
    "zero": ({"intValue": "0"}, 0),
    "greatest int": ({"intValue": str(2**63 - 1)}, 2**63 - 1),
    "least int": ({"intValue": str(-(2**63))}, -(2**63)),
    "double": ({"doubleValue": 2.5}, 2.5),
    "bytes": ({"bytesValue": "AAEC/w=="}, "AAEC/w=="),
    "list": ({"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "b"}]}}, [1, "b"]),
    "object": (
        {"kvlistValue": {"values": [{"key": "inner", "value": {"boolValue": True}}]}},
        {"inner": True},
    ),
}


def accepted(answer: httpx2.Response, kind: str) -> None:
    """Full success: 200, the request's content type, a response without partial success."""
    assert (answer.status_code, media_type(answer)) == (200, kind), answer.content[:300]
    if kind == JSON:
        assert not answer.json().get("partialSuccess")
    else:
        assert not ExportLogsServiceResponse.FromString(answer.content).HasField("partial_success")


def refused(answer: httpx2.Response, kind: str, *statuses: int) -> None:
    """Not retryable, and a Status in the request's content type that says why."""
    assert answer.status_code in (statuses or range(400, 500)), answer.content[:300]
    assert answer.status_code not in RETRYABLE
    assert media_type(answer) == kind
    message = answer.json().get("message") if kind == JSON else Status.FromString(answer.content).message
    assert message


def media_type(answer: httpx2.Response) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def only(records: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    """The one record of a case; None of a server that cannot be asked."""
    if records is None:
        return None
    assert len(records) == 1
    return records[0]


@BOTH
def test_a_record_is_taken(target: Target, found: Found, kind: str) -> None:
    """200, in the request's encoding, partial_success unset; time, severity, body and resource are kept."""
    case = f"taken {kind}"
    accepted(target.post(ENCODERS[kind](logs(case, record())), kind), kind)
    if (one := only(found(case))) is not None:
        assert (one["message"], one["level"], one["service"]) == ("a message", "INFO", "conformance")
        assert one["timestamp"] == "2026-11-21T12:00:00Z"


@BOTH
@pytest.mark.parametrize("empty", ["nothing", "no resources", "no scopes", "no records"])
def test_an_empty_request_is_a_success(target: Target, kind: str, empty: str) -> None:
    """A client may send nothing; it is told that this went well."""
    forms: dict[str, dict[str, Any]] = {
        "nothing": {},
        "no resources": {"resourceLogs": []},
        "no scopes": {"resourceLogs": [{}]},
        "no records": {"resourceLogs": [{"scopeLogs": [{"logRecords": []}]}]},
    }
    accepted(target.post(ENCODERS[kind](forms[empty]), kind), kind)


@BOTH
def test_gzip_is_undone(target: Target, found: Found, kind: str) -> None:
    """Content-Encoding: gzip means the same request."""
    case = f"gzip {kind}"
    body = gzip.compress(ENCODERS[kind](logs(case, record())))
    accepted(target.post(body, kind, Content_Encoding="gzip"), kind)
    assert found(case) is None or only(found(case))


@BOTH
def test_what_is_no_gzip_is_refused(target: Target, kind: str) -> None:
    """The client is told not to send it again."""
    refused(target.post(b"no gzip", kind, Content_Encoding="gzip"), kind)


@BOTH
def test_an_unknown_content_encoding_is_refused(target: Target, kind: str) -> None:
    """Not taken for what it is not."""
    refused(target.post(ENCODERS[kind](logs("encoding", record())), kind, Content_Encoding="nonsense"), kind)


@BOTH
@pytest.mark.parametrize("broken", ["garbage", "cut"])
def test_what_cannot_be_decoded_is_400(target: Target, kind: str, broken: str) -> None:
    """400 with a Status in the request's encoding: bad data, not to be sent again."""
    whole = ENCODERS[kind](logs("broken", record("x" * 300)))
    refused(target.post(whole[:-10] if broken == "cut" else b"\xff\xff\xff\xff", kind), kind, 400)


def test_json_that_is_no_object_is_400(target: Target) -> None:
    """A list is no request."""
    refused(target.post(b"[]", JSON), JSON, 400)


def test_an_unknown_content_type_is_refused(target: Target) -> None:
    """Only OTLP's two; 415 says so."""
    answer = target.post(b"message", "text/plain")
    assert 400 <= answer.status_code < 500
    assert answer.status_code not in RETRYABLE


@pytest.mark.parametrize(
    "given", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/json;charset=UTF-8"]
)
def test_media_types_are_read_as_http_says(target: Target, given: str) -> None:
    """Parameters and case change nothing."""
    accepted(target.post(as_json(logs("media type", record())), given), JSON)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_sends_logs(target: Target, method: str) -> None:
    """Other methods are the client's error."""
    answer = httpx2.request(method, f"{target.url}/v1/logs", headers=target.headers, timeout=WAIT_S)
    assert 400 <= answer.status_code < 500


def test_a_body_in_chunks_is_taken(target: Target, found: Found) -> None:
    """Without a Content-Length, as JavaScript's exporter sends it."""

    def pieces() -> Iterator[bytes]:
        body = as_json(logs("chunked", record("m" * 5_000)))
        yield from (body[at : at + 100] for at in range(0, len(body), 100))

    accepted(target.post(pieces(), JSON), JSON)
    assert found("chunked") is None or only(found("chunked"))


def test_a_client_that_waits_for_100_is_told_to_go_on(target: Target) -> None:
    """Expect: 100-continue is answered before the body comes."""
    parts = urlsplit(target.url)
    body = as_protobuf(logs("expect", record()))
    head = [
        "POST /v1/logs HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Content-Type: {PROTOBUF}",
        f"Content-Length: {len(body)}",
        "Expect: 100-continue",
        *(f"{name}: {value}" for name, value in target.headers.items()),
    ]
    address = (str(parts.hostname), parts.port or 80)
    with socket.create_connection(address, timeout=WAIT_S) as caller:
        caller.sendall("\r\n".join([*head, "", ""]).encode())
        told = caller.recv(65_536)
        assert told.split()[1] in (b"100", b"200")
        caller.sendall(body)
        while b" 200 " not in told:
            piece = caller.recv(65_536)
            assert piece, told
            told += piece


def test_many_requests_use_one_connection(target: Target) -> None:
    """Connections are kept, in either encoding, also after an error."""
    with httpx2.Client(headers=target.headers, timeout=WAIT_S) as client:
        for number in range(20):
            kind = (JSON, PROTOBUF)[number % 2]
            body = b"\xff" if number == 10 else ENCODERS[kind](logs("kept", record()))
            answer = client.post(f"{target.url}/v1/logs", content=body, headers={"Content-Type": kind})
            assert answer.status_code == (400 if number == 10 else 200)


def test_requests_may_come_at_once(target: Target, found: Found) -> None:
    """A client may have several under way; none gets another's answer or loses records."""

    def send(number: int) -> int:
        body = as_protobuf(logs("at once", *(record(f"{number}/{at}") for at in range(20))))
        return target.post(body).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(send, range(32))) == [200] * 32
    records = found("at once")
    expected = {f"{number}/{at}" for number in range(32) for at in range(20)}
    assert records is None or {one["message"] for one in records} == expected


def test_a_large_request_is_taken_whole(target: Target, found: Found) -> None:
    """Five thousand records in one."""
    body = as_protobuf(logs("large", *(record(f"record {number}") for number in range(5_000))))
    accepted(target.post(body), PROTOBUF)
    records = found("large")
    assert records is None or len(records) == 5_000


@BOTH
@pytest.mark.parametrize("name", VALUES)
def test_every_kind_of_value_is_taken(target: Target, found: Found, kind: str, name: str) -> None:
    """As attribute and as body: AnyValue of each kind, kept as it is."""
    value, expected = VALUES[name]
    case = f"value {name} {kind}"
    sent = record(body=value, attributes=[attribute("held", value)])
    accepted(target.post(ENCODERS[kind](logs(case, sent)), kind), kind)
    if (one := only(found(case))) is not None:
        assert one["attributes"]["held"] == expected
        assert type(one["attributes"]["held"]) is type(expected)
        assert one["message"] == (
            expected if isinstance(expected, str) else json.dumps(expected, separators=(",", ":"))
        )


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"intValue": 7}, 7), ({"intValue": "7"}, 7), ({"doubleValue": "2.5"}, 2.5), ({"doubleValue": 3}, 3.0),
     ({"doubleValue": "NaN"}, "NaN"), ({"doubleValue": "-Infinity"}, "-Infinity")],
)  # fmt: skip
def test_numbers_of_json_are_read_in_each_form(
    target: Target, found: Found, given: Value, expected: Any
) -> None:
    """64-bit integers as decimal text or number; doubles as numbers, text, or the names of what JSON lacks."""
    case = f"json number {as_json(given).hex()}"
    accepted(target.post(as_json(logs(case, record(attributes=[attribute("n", given)]))), JSON), JSON)
    if (one := only(found(case))) is not None:
        assert one["attributes"]["n"] == expected


@pytest.mark.parametrize("stamp", [str(NOW_NS), NOW_NS], ids=["text", "number"])
def test_times_of_json_are_text_or_number(target: Target, found: Found, stamp: Any) -> None:
    """timeUnixNano is a fixed64: decimal text, or a number."""
    case = f"json time {type(stamp).__name__}"
    accepted(target.post(as_json(logs(case, record(timeUnixNano=stamp))), JSON), JSON)
    one = only(found(case))
    assert one is None or one["timestamp"] == "2026-11-21T12:00:00Z"


@pytest.mark.parametrize("case", ["lower", "upper"])
def test_ids_of_json_are_hexadecimal(target: Target, found: Found, case: str) -> None:
    """Not base64, in either case of letters."""
    trace, span = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
    shown = (str.lower if case == "lower" else str.upper)(trace)
    accepted(target.post(as_json(logs(f"ids {case}", record(traceId=shown, spanId=span))), JSON), JSON)
    one = only(found(f"ids {case}"))
    assert one is None or (one["trace_id"], one["span_id"]) == (trace, span)


def test_ids_of_protobuf_are_bytes(target: Target, found: Found) -> None:
    """16 and 8 of them, shown in hexadecimal."""
    trace, span = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
    accepted(target.post(as_protobuf(logs("ids", record(traceId=trace, spanId=span)))), PROTOBUF)
    one = only(found("ids"))
    assert one is None or (one["trace_id"], one["span_id"]) == (trace, span)


@BOTH
def test_ids_may_be_absent_empty_or_zero(target: Target, found: Found, kind: str) -> None:
    """Then there is no trace; the record is good."""
    case = f"no ids {kind}"
    records = [record(), record(traceId="", spanId=""), record(traceId="0" * 32, spanId="0" * 16)]
    accepted(target.post(ENCODERS[kind](logs(case, *records)), kind), kind)
    made = found(case)
    assert made is None or [one["trace_id"] for one in made] == [None] * 3


@BOTH
def test_unknown_fields_are_ignored(target: Target, found: Found, kind: str) -> None:
    """A newer client may send what this server does not know, at every level."""
    case = f"unknown {kind}"
    request = logs(case, record())
    if kind == JSON:
        request["new"] = {"deep": [1]}
        request["resourceLogs"][0]["new"] = 1
        request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["new"] = "x"
        body = as_json(request)
    else:
        body = as_protobuf(request) + b"\xfa\x3f\x03abc" + b"\xf0\x3f\x01"  # fields 1023 and 1022
    accepted(target.post(body, kind), kind)
    assert found(case) is None or only(found(case))


def test_null_is_absent_in_json(target: Target, found: Found) -> None:
    """As protobuf's JSON has it: a null field is one that was not sent."""
    request = logs("null", record(severityText=None, traceId=None, body={"stringValue": "m"}))
    request["resourceLogs"][0]["schemaUrl"] = None
    accepted(target.post(as_json(request), JSON), JSON)
    assert found("null") is None or only(found("null"))


@BOTH
def test_a_record_of_nothing_is_a_record(target: Target, found: Found, kind: str) -> None:
    """No time, no severity, no body."""
    case = f"nothing {kind}"
    accepted(target.post(ENCODERS[kind](logs(case, {})), kind), kind)
    one = only(found(case))
    assert one is None or one["message"] == ""


@BOTH
def test_the_observed_time_stands_in(target: Target, found: Found, kind: str) -> None:
    """When a record has no time of its own."""
    case = f"observed {kind}"
    sent = {"observedTimeUnixNano": str(NOW_NS), "body": {"stringValue": "m"}}
    accepted(target.post(ENCODERS[kind](logs(case, sent)), kind), kind)
    one = only(found(case))
    assert one is None or one["timestamp"] == "2026-11-21T12:00:00Z"


@pytest.mark.parametrize(
    ("number", "level"),
    [(1, "TRACE"), (5, "DEBUG"), (9, "INFO"), (13, "WARNING"), (17, "ERROR"), (21, "CRITICAL")],
)
def test_severities_are_levels(target: Target, found: Found, number: int, level: str) -> None:
    """The first number of each range names it, also when no text comes along."""
    case = f"severity {number}"
    accepted(target.post(as_protobuf(logs(case, record(severityNumber=number, severityText="")))), PROTOBUF)
    one = only(found(case))
    assert one is None or one["level"] == level


@BOTH
def test_scope_resource_and_event_are_kept(target: Target, found: Found, kind: str) -> None:
    """Names, versions, schemas, flags and counts beside the record."""
    case = f"around {kind}"
    request = logs(
        case,
        record(eventName="order.placed", flags=1, droppedAttributesCount=2),
        schemaUrl="https://schema.example/1",
    )
    scope = request["resourceLogs"][0]["scopeLogs"][0]
    scope["scope"] = {"name": "shop.orders", "version": "1.2", "attributes": [attribute("lib", "x")]}
    accepted(target.post(ENCODERS[kind](request), kind), kind)
    if (one := only(found(case))) is not None:
        assert one["logger"] == "shop.orders"
        assert one["attributes"]["otel.scope.version"] == "1.2"
        assert one["attributes"]["event.name"] == "order.placed"
        assert one["attributes"]["otel.schema_url"] == "https://schema.example/1"


def test_deep_values_do_not_break_it(target: Target) -> None:
    """Whatever a server makes of forty levels, it answers, and answers the next."""
    value: Value = {"stringValue": "bottom"}
    for _ in range(40):
        value = {"kvlistValue": {"values": [{"key": "down", "value": value}]}}
    answer = target.post(as_json(logs("deep", record(attributes=[attribute("deep", value)]))), JSON)
    assert answer.status_code < 500
    accepted(target.post(as_json(logs("deep", record())), JSON), JSON)


def test_text_that_is_not_utf_8_does_not_break_it(target: Target) -> None:
    """Protobuf forbids it, some send it: taken or refused, never an error of the server."""
    body = as_protobuf(logs("not utf-8", record("abcdefgh"))).replace(b"abcdefgh", b"\xff\xfe\xfdabcde")
    assert target.post(body).status_code in (200, 400)


def test_a_huge_record_is_taken_or_reported(target: Target, found: Found) -> None:
    """Two megabytes in one record: stored, rejected in partial_success, or refused; never dropped in silence."""
    body = as_protobuf(logs("huge", record("x" * (2 << 20)), record("small")))
    answer = target.post(body)
    if answer.status_code == 200:
        partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
        records = found("huge")
        assert records is None or len(records) + partial.rejected_log_records == 2
        assert not partial.rejected_log_records or partial.error_message
    else:
        refused(answer, PROTOBUF, 400, 413)


def test_the_suite_can_fail() -> None:
    """A retryable answer to bad data, another content type and a success with a partial success are all seen."""
    with pytest.raises(AssertionError):
        refused(httpx2.Response(503, json={"message": "x"}), JSON)
    with pytest.raises((AssertionError, DecodeError)):
        accepted(httpx2.Response(200, json={}), PROTOBUF)
    with pytest.raises(AssertionError):
        accepted(httpx2.Response(200, json={"partialSuccess": {"rejectedLogRecords": "1"}}), JSON)
