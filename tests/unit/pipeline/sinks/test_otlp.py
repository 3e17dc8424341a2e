"""OTLP: the request in both encodings, and what answers mean."""

from collections.abc import Iterator
from typing import Any

import pytest

from tamis.errors import SinkUnavailableError
from tamis.pipeline.base import DELIVERED, Batch, Outcome
from tamis.pipeline.sinks.otlp import OtlpSink
from tamis.pipeline.sinks.otlp_protobuf import message_of, rejected_of
from tamis.record.model import Record
from tests.support.faulty_server import Fault, Reply
from tests.support.otlp_server import OtlpServer
from tests.support.otlp_wire import partial_success, status_message

T0 = 1_763_719_200_000_000_000
TIMEOUT_S = 20.0
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(params=["json", "protobuf"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[OtlpSink, OtlpServer]]:
    with OtlpServer() as server:
        sink = OtlpSink(f"otlp+http://127.0.0.1:{server.port}?encoding={request.param}")
        yield sink, server
        sink.close()


def record(number: int, **fields: Any) -> Record:
    attributes = {"process_id": 7, "process": "0a1b2c3d", "sequence": number, **fields.pop("attributes", {})}
    return Record(**{"timestamp": T0 + number, "message": f"m{number}", **fields}, attributes=attributes)


def send(sink: OtlpSink, *records: Record) -> Outcome:
    return sink.send(Batch("b", records), timeout_s=TIMEOUT_S)


def test_every_field_has_its_place(pair: tuple[OtlpSink, OtlpServer]) -> None:
    """Resource, scope, severity, ids and attributes of every type, as the data model has them."""
    sink, server = pair
    values: dict[str, Any] = {
        "text": "grüße 🙂",
        "int": -5,
        "largest": 2**63 - 1,
        "float": 2.5,
        "whole": 5.0,
        "yes": True,
        "no": False,
        "zero": 0,
        "empty": "",
        "list": [1, "a", [True]],
        "object": {"a": {"b": 1}},
    }
    one = record(
        1,
        level="ERROR",
        service="shop",
        host="web-1",
        logger="shop.cart",
        trace_id=TRACE.upper(),
        span_id=SPAN,
        correlation_id="c-1",
        attributes=values,
    )
    assert send(sink, one) == DELIVERED
    (found,) = server.records
    assert (found.time_ns, found.severity_number, found.severity_text) == (T0 + 1, 17, "ERROR")
    assert (found.body, found.scope, found.trace_id, found.span_id) == ("m1", "shop.cart", TRACE, SPAN)
    assert found.resource["service.name"] == "shop"
    assert found.resource["host.name"] == "web-1"
    assert found.resource["process.pid"] == 7
    assert {name: found.attributes[name] for name in values} == values
    assert found.attributes["correlation_id"] == "c-1"
    assert (found.attributes["process"], found.attributes["sequence"]) == ("0a1b2c3d", 1)


def test_what_the_data_model_cannot_hold_stays_an_attribute(pair: tuple[OtlpSink, OtlpServer]) -> None:
    """Ids of another form, integers over 64 bits as text, times before 1970."""
    sink, server = pair
    send(sink, record(1, timestamp=-5, trace_id="short", span_id="0" * 16, attributes={"big": 2**70}))
    (found,) = server.records
    assert (found.trace_id, found.span_id, found.time_ns) == ("", "", 0)
    assert found.attributes["trace_id"] == "short"
    assert found.attributes["span_id"] == "0" * 16
    assert found.attributes["big"] == str(2**70)
    assert found.attributes["timestamp"] == -5


def test_order_is_kept_where_resources_and_scopes_alternate(pair: tuple[OtlpSink, OtlpServer]) -> None:
    """Records arrive in the order in which they were logged."""
    sink, server = pair
    sent = [record(n, service="ab"[n % 2], logger="xyz"[n % 3]) for n in range(20)]
    send(sink, *sent)
    assert [one.body for one in server.records] == [one.message for one in sent]
    assert [one.resource["service.name"] for one in server.records] == [one.service for one in sent]
    assert [one.scope for one in server.records] == [one.logger for one in sent]


def test_a_record_keeps_its_uid(pair: tuple[OtlpSink, OtlpServer]) -> None:
    """Sent again it has the same `log.record.uid`, and every record another."""
    sink, server = pair
    for _ in range(2):
        send(sink, record(1), record(2))
    uids = [one.attributes["log.record.uid"] for one in server.records]
    assert uids[:2] == uids[2:]
    assert len(set(uids)) == 2


def test_a_batch_has_one_key_at_every_try(pair: tuple[OtlpSink, OtlpServer]) -> None:
    """A receiver that knows keys stores it once; one that has other bytes under the key gets it under another."""
    sink, server = pair
    send(sink, record(1))
    send(sink, record(1))
    server.script(Fault(answer=Reply(422, b"{}")))
    assert send(sink, record(1)) == DELIVERED
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert keys[:3] == ["b"] * 3
    assert keys[3].startswith("b-")


def test_when_all_are_rejected_all_are_refused(pair: tuple[OtlpSink, OtlpServer]) -> None:
    """With the receiver's own words."""
    sink, server = pair
    server.reject(lambda _: True)
    outcome = send(sink, record(1), record(2))
    assert [item.record for item in outcome.rejected] == [record(1), record(2)]
    assert "told to be rejected" in outcome.rejected[0].reason


def test_when_some_are_rejected_none_is_lost(pair: tuple[OtlpSink, OtlpServer]) -> None:
    """The receiver says how many, not which: every record of the batch is accounted for as refused, marked so."""
    sink, server = pair
    server.reject(lambda one: one.body == "m2")
    sent = [record(number) for number in (1, 2, 3)]
    outcome = send(sink, *sent)
    assert [item.record for item in outcome.rejected] == sent
    assert "1 of these 3" in outcome.rejected[0].reason
    assert outcome.retry == ()


def test_a_warning_without_rejections_is_delivered(pair: tuple[OtlpSink, OtlpServer]) -> None:
    """`partialSuccess` with a message alone is advice."""
    sink, server = pair
    body = b'{"partialSuccess":{"errorMessage":"old version"}}'
    server.script(Fault(answer=Reply(200, body)))
    assert send(sink, record(1)) == DELIVERED


def test_the_path_and_headers_are_the_urls() -> None:
    """`/v1/logs` behind what stands there; headers for tenants; user and password as Basic."""
    with OtlpServer(headers={"X-Scope-OrgID": "shop", "Authorization": "Basic dTpw"}) as server:
        where = f"u:p@127.0.0.1:{server.port}"
        for path in ("", "/v1/logs", "/v1/logs/"):
            sink = OtlpSink(f"otlp+http://{where}{path}?header.X-Scope-OrgID=shop")
            assert send(sink, record(1)) == DELIVERED
            sink.close()
        sink = OtlpSink(f"otlp+http://{where}/behind/proxy?header.X-Scope-OrgID=shop")
        with pytest.raises(SinkUnavailableError, match="/behind/proxy/v1/logs"):
            send(sink, record(1))
        sink.close()


def test_answers_in_protobuf_are_read() -> None:
    """Counts, messages, fields nobody knows; what is cut or none is told."""
    assert rejected_of(b"") == (0, "")
    assert rejected_of(partial_success(300, "grüße")) == (300, "grüße")
    assert rejected_of(b"\x98\x06\x05" + partial_success(1, "x")) == (1, "x")
    assert message_of(status_message(400, "bad")) == "bad"
    whole = partial_success(300, "reason")
    for cut in range(1, len(whole)):
        with pytest.raises(ValueError, match=r"protobuf|partial"):
            rejected_of(whole[:cut])
    for odd in (b"\x08\x01", b"\xff" * 20, b"\x0b"):
        with pytest.raises(ValueError, match=r"protobuf|partial"):
            rejected_of(odd)
