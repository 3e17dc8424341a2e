"""The OTLP receiver of the tests reads what exporters write."""

import gzip
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.faulty_server import refuse_with
from tests.support.otlp_server import JSON, PROTOBUF, OtlpServer
from tests.support.otlp_wire import OtlpRecord, partial_success

GOLDEN = bytes.fromhex(
    "0ad7010a180a160a0c736572766963652e6e616d6512060a0473686f7012ba010a080a0377656212013112a10109154df925a40d"
    "ea1810111a054552524f522a0b0a096772c3b6c39f65203532100a0169120b18fbffffffffffffffff01320e0a01641209210000"
    "00000000044032070a01621202100032100a016c120b2a090a0218010a030a017832120a016f120d320b0a090a016b12043a0200"
    "ff32050a016e120045010000004a10000102030405060708090a0b0c0d0e0f5208000102030405060759164df925a40dea18120a"
    "2a080a067365636f6e64"
)
"""Written by opentelemetry-proto 1.45."""
FIRST = OtlpRecord(
    time_ns=1_795_262_400_123_456_789,
    observed_ns=1_795_262_400_123_456_790,
    severity_number=17,
    severity_text="ERROR",
    body="größe 5",
    attributes={"i": -5, "d": 2.5, "b": False, "l": [1, "x"], "o": {"k": b"\x00\xff"}, "n": None},
    trace_id="000102030405060708090a0b0c0d0e0f",
    span_id="0001020304050607",
    flags=1,
    resource={"service.name": "shop"},
    scope="web",
)
AS_JSON = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeLogs": [
                {
                    "scope": {"name": "web"},
                    "logRecords": [
                        {
                            "timeUnixNano": "1795262400123456789",
                            "observedTimeUnixNano": 1795262400123456790,
                            "severityNumber": 17,
                            "severityText": "ERROR",
                            "body": {"stringValue": "größe 5"},
                            "attributes": [
                                {"key": "i", "value": {"intValue": "-5"}},
                                {"key": "d", "value": {"doubleValue": 2.5}},
                                {"key": "b", "value": {"boolValue": False}},
                                {
                                    "key": "l",
                                    "value": {
                                        "arrayValue": {"values": [{"intValue": 1}, {"stringValue": "x"}]}
                                    },
                                },
                                {
                                    "key": "o",
                                    "value": {
                                        "kvlistValue": {
                                            "values": [{"key": "k", "value": {"bytesValue": "AP8="}}]
                                        }
                                    },
                                },
                                {"key": "n", "value": {}},
                            ],
                            "traceId": "000102030405060708090A0B0C0D0E0F",
                            "spanId": "0001020304050607",
                            "flags": 1,
                        },
                        {"body": {"stringValue": "second"}},
                    ],
                }
            ],
        }
    ]
}


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    with OtlpServer() as server:
        yield server


def send(
    server: OtlpServer, body: bytes, kind: str, path: str = "/v1/logs", **headers: str
) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("POST", path, body, {"Content-Type": kind, **given})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def send_json(server: OtlpServer, body: Any) -> tuple[int, Any]:
    status, _, answer = send(server, json.dumps(body).encode(), JSON)
    return status, json.loads(answer)


def test_protobuf_is_read_whole(server: OtlpServer) -> None:
    """Every kind of value, as the official library wrote it; gzip too."""
    assert send(server, GOLDEN, PROTOBUF) == (200, PROTOBUF, b"")
    first, second = server.records
    assert first == FIRST
    assert (second.body, second.trace_id, second.resource) == ("second", "", {"service.name": "shop"})
    assert send(server, gzip.compress(GOLDEN), PROTOBUF, Content_Encoding="gzip")[0] == 200
    assert len(server.records) == 4


def test_json_is_read_whole(server: OtlpServer) -> None:
    """The same request in JSON is the same records."""
    assert send_json(server, AS_JSON) == (200, {})
    first, second = server.records
    assert (first, second.body) == (FIRST, "second")


def test_rejected_records_are_told_in_partial_success(server: OtlpServer) -> None:
    """In both formats, with how many."""
    server.reject(lambda record: record.body == "second")
    _, answer = send_json(server, AS_JSON)
    assert answer["partialSuccess"]["rejectedLogRecords"] == "1"
    assert send(server, GOLDEN, PROTOBUF)[2].startswith(b"\x0a")
    assert [record.body for record in server.records] == ["größe 5", "größe 5"]
    server.clear()
    assert send_json(server, AS_JSON) == (200, {})


def test_partial_success_is_written_as_the_official_library_does() -> None:
    """Two bytes of varint and text beyond ASCII."""
    assert partial_success(300, "zu groß").hex() == "0a0d08ac0212087a752067726fc39f"


def test_what_cannot_be_read_is_refused(server: OtlpServer) -> None:
    """Nothing of it is taken."""
    wrong: list[Any] = [
        [],
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"traceId": "00"}]}]}]},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"textValue": "x"}}]}]}]},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {"body": "text"}]}]}]},
    ]
    assert [send_json(server, body)[0] for body in wrong] == [400] * 4
    for damaged in (GOLDEN[:-1], GOLDEN[1:], b"\x0b", b"\xff" * 11):
        assert send(server, damaged, PROTOBUF)[0] == 400
    assert send(server, b"{}", "text/plain")[0] == 415
    assert send(server, b"{}", JSON, "/v1/traces")[0] == 404
    assert server.records == []


def test_it_wants_its_headers() -> None:
    """Without them 401."""
    with OtlpServer(headers={"X-Key": "secret"}) as server:
        assert send(server, GOLDEN, PROTOBUF)[0] == 401
        assert send(server, GOLDEN, PROTOBUF, X_Key="secret")[0] == 200


def test_it_pushes_back_when_told(server: OtlpServer) -> None:
    """429 and 503, then it takes them."""
    server.script(refuse_with(429, retry_after="1"), refuse_with(503))
    assert [send_json(server, AS_JSON)[0] for _ in range(3)] == [429, 503, 200]
    assert len(server.records) == 2
