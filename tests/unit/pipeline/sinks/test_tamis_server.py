"""A Tamis server as sink: keys, rejected lines, tokens, compression."""

import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tamis.errors import BatchTooLargeError, SinkUnavailableError
from tamis.pipeline.base import DELIVERED, Batch, Outcome
from tamis.pipeline.sinks.tamis_server import TamisSink
from tamis.record.model import Record
from tests.support.faulty_server import Fault, Reply, refuse_with
from tests.support.tamis_server import TamisServer

T0 = 1_763_719_200_000_000_000
TIMEOUT_S = 20.0


@pytest.fixture
def server() -> Iterator[TamisServer]:
    with TamisServer() as made:
        yield made


@pytest.fixture
def sink(server: TamisServer) -> Iterator[TamisSink]:
    made = TamisSink(server.url)
    yield made
    made.close()


def record(number: int, message: str = "") -> Record:
    return Record(timestamp=T0 + number, message=message or f"m{number}", attributes={"n": number})


def send(sink: TamisSink, *records: Record, name: str = "b") -> Outcome:
    return sink.send(Batch(name, records), timeout_s=TIMEOUT_S)


def messages(server: TamisServer) -> list[str]:
    return [one.message for one in server.records]


def test_records_arrive_as_they_are(server: TamisServer, sink: TamisSink) -> None:
    """Every field, to the nanosecond."""
    whole = Record(
        timestamp=T0 + 123_456_789,
        message="failed",
        level="ERROR",
        service="shop",
        host="web-1",
        logger="shop.cart",
        trace_id="t",
        span_id="s",
        correlation_id="c",
        attributes={"a": 1, "b": {"c": [1.5, "x", True]}, "exception": {"type": "E", "frames": []}},
    )
    assert send(sink, whole) == DELIVERED
    assert server.records == [whole]


def test_the_batchs_id_is_the_key(server: TamisServer, sink: TamisSink) -> None:
    """What a server sees twice it stores once."""
    send(sink, record(1), name="0a1b-sink-1-1")
    assert server.requests[0].headers["idempotency-key"] == "0a1b-sink-1-1"


def test_a_key_that_was_used_for_other_bytes_loses_nothing(server: TamisServer, sink: TamisSink) -> None:
    """422: the records go under a key of their own, the same at each try."""
    send(sink, record(1), name="same")
    assert send(sink, record(2), record(3), name="same") == DELIVERED
    assert send(sink, record(2), record(3), name="same") == DELIVERED
    assert messages(server) == ["m1", "m2", "m3"]


def test_rejected_lines_are_refused_with_their_reason(server: TamisServer, sink: TamisSink) -> None:
    """Those records alone; the others are stored."""
    large = record(2, "x" * (2 << 20))
    outcome = send(sink, record(1), large, record(3))
    assert [item.record for item in outcome.rejected] == [large]
    assert outcome.rejected[0].reason
    assert messages(server) == ["m1", "m3"]


def test_when_every_line_is_rejected_each_has_its_reason(server: TamisServer, sink: TamisSink) -> None:
    """The answer is 400 then, and still each record is accounted for."""
    outcome = send(sink, record(1, "x" * (2 << 20)), record(2, "y" * (2 << 20)))
    assert len(outcome.rejected) == 2
    assert messages(server) == []


@pytest.mark.parametrize(
    "answer",
    [
        {"received": 2, "stored": 2, "rejected": [{"line": 3, "reason": "r"}], "rejected_count": 1},
        {"received": 2, "stored": 2, "rejected": [{"reason": "r"}], "rejected_count": 1},
        {"received": 2, "stored": 1, "rejected": [], "rejected_count": 1},
        {"received": 1, "stored": 1, "rejected": [], "rejected_count": 0},
        {"received": 2, "stored": 2, "rejected": [{"line": 0, "reason": "r"}], "rejected_count": 1},
        [],
    ],
)
def test_an_answer_that_cannot_be_true_is_not_believed(
    server: TamisServer, sink: TamisSink, answer: Any
) -> None:
    """The batch is sent again, which the key makes harmless."""
    server.script(Fault(answer=Reply(200, msgspec.json.encode(answer))))
    with pytest.raises(SinkUnavailableError):
        send(sink, record(1), record(2))
    assert send(sink, record(1), record(2)) == DELIVERED


@pytest.mark.parametrize(("url", "said"), [("tok@", "in the sink's URL"), ("", "TAMIS_TOKEN")])
def test_a_wrong_token_is_named_by_its_place(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says where the token stands, not what it is; records wait."""
    monkeypatch.setenv("TAMIS_TOKEN", "wrong-one")
    with TamisServer(token="right-one") as server:
        sink = TamisSink(f"http://{url}127.0.0.1:{server.port}")
        with pytest.raises(SinkUnavailableError, match="token") as caught:
            send(sink, record(1))
        assert caught.value.status == 401
        assert said in caught.value.reason
        assert "wrong-one" not in str(caught.value)
        sink.close()


def test_a_missing_token_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none, and where it could stand."""
    monkeypatch.delenv("TAMIS_TOKEN", raising=False)
    with TamisServer(token="right-one") as server:
        sink = TamisSink(server.url)
        with pytest.raises(SinkUnavailableError, match="there is none, neither"):
            send(sink, record(1))
        sink.close()


@pytest.mark.parametrize(
    ("wish", "encoding"), [("auto", "zstd"), ("zstd", "zstd"), ("gzip", "gzip"), ("off", "")]
)
def test_bodies_are_compressed_as_wished(server: TamisServer, wish: str, encoding: str) -> None:
    """zstd where it is to be had."""
    sink = TamisSink(f"{server.url}?compress={wish}")
    assert send(sink, *(record(number) for number in range(100))) == DELIVERED
    assert server.requests[0].headers.get("content-encoding", "") == encoding
    assert (sink.traffic.saved_bytes > 0) is bool(encoding)
    assert len(server.records) == 100
    sink.close()


def test_without_a_library_for_zstd_it_is_gzip(server: TamisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the standard library is needed."""
    monkeypatch.setitem(sys.modules, "backports", None)
    monkeypatch.setitem(sys.modules, "compression", None)
    sink = TamisSink(server.url)
    assert send(sink, *(record(number) for number in range(100))) == DELIVERED
    assert server.requests[0].headers["content-encoding"] == "gzip"
    sink.close()


def test_a_server_without_zstd_gets_gzip(server: TamisServer, sink: TamisSink) -> None:
    """415 once, and from then on what it takes."""
    server.script(refuse_with(415))
    batch = [record(number) for number in range(100)]
    with pytest.raises(SinkUnavailableError):
        send(sink, *batch)
    assert send(sink, *batch) == DELIVERED
    assert server.requests[-1].headers["content-encoding"] == "gzip"


def test_more_records_than_an_answer_can_list_go_in_halves(sink: TamisSink) -> None:
    """Else nobody would know which were rejected."""
    with pytest.raises(BatchTooLargeError):
        send(sink, *(record(number) for number in range(1_001)))


def test_odd_batch_ids_make_good_keys(server: TamisServer, sink: TamisSink) -> None:
    """Long or with characters that no header holds: another key, the same each time."""
    for name in ("x" * 300, "grüße\n", "\ud800"):
        before = len(server.records)
        assert send(sink, record(1), name=name) == DELIVERED
        assert send(sink, record(1), name=name) == DELIVERED
        assert len(server.records) == before + 1
