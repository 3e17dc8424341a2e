"""The contract of sinks: each promise of `pipeline/base.Sink`, kept by every member."""

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tamis.errors import BatchTooLargeError, SinkUnavailableError
from tamis.pipeline.base import DELIVERED, Batch, BatchLimits
from tamis.record.model import Record
from tests.contracts.sink_members import MEMBERS, SECRET, Member, Place
from tests.support.faulty_server import cut, drop, garble, refuse_with, slow, stall

TIMEOUT_S = 20.0
SHORT_S = 0.4
T0 = 1_763_719_200_000_000_000
REMOTE = [member for member in MEMBERS if member.is_remote]


@pytest.fixture(params=MEMBERS, ids=lambda member: member.name)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with request.param.open(tmp_path) as opened:
        yield opened


@pytest.fixture(params=REMOTE, ids=lambda member: member.name)
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with request.param.open(tmp_path) as opened:
        yield opened


def record(number: int, message: str = "", **attributes: Any) -> Record:
    ours: dict[str, Any] = {"process_id": 7, "process": "0a1b2c3d", "sequence": number}
    return Record(
        timestamp=T0 + number,
        message=message or f"message {number}",
        level="INFO",
        service="shop",
        host="web-1",
        logger="shop.cart",
        attributes={**ours, **attributes},
    )


def batch(*records: Record, name: str = "b") -> Batch:
    first = records[0].attributes.get("sequence", 0) if records else 0
    return Batch(f"{name}-{first}-{len(records)}", records)


def many(count: int, first: int = 1) -> Batch:
    return batch(*(record(number) for number in range(first, first + count)))


def server_of(place: Place) -> Any:
    assert place.server is not None
    return place.server


def test_a_batch_arrives_whole_and_in_order(place: Place) -> None:
    """Every record, once, in the order given, over several batches."""
    for first in (1, 101, 201):
        assert place.sink.send(many(100, first), timeout_s=TIMEOUT_S) == DELIVERED
    assert place.messages == [f"message {number}" for number in range(1, 301)]


def test_what_it_sent_is_told(place: Place) -> None:
    """The bytes of each batch, so that metrics know them; a sink in memory sends none."""
    sent = place.sink.send(many(50), timeout_s=TIMEOUT_S).sent_bytes
    assert (sent == 0) if place.sink.name.startswith("memory") else (0 < sent < 50_000)


def test_an_empty_batch_is_delivered(place: Place) -> None:
    """Nothing to send is no error."""
    assert place.sink.send(Batch("empty", ()), timeout_s=TIMEOUT_S) == DELIVERED
    assert place.messages == []


def test_it_says_how_it_wants_its_batches(place: Place) -> None:
    """Limits are positive, and the name is one line of text."""
    limits = place.sink.limits
    assert isinstance(limits, BatchLimits)
    assert min(limits.records, limits.bytes) > 0
    assert limits.wait_s >= 0
    assert place.sink.name.isprintable()
    assert isinstance(place.sink.spooled, bool)


def test_it_sends_again_after_close(place: Place) -> None:
    """`close` is idempotent, and what comes later is delivered all the same."""
    place.sink.send(many(1), timeout_s=TIMEOUT_S)
    place.sink.close()
    place.sink.close()
    assert place.sink.send(many(2, 2), timeout_s=TIMEOUT_S) == DELIVERED
    assert place.messages == ["message 1", "message 2", "message 3"]


def test_close_may_come_from_another_thread(place: Place) -> None:
    """While one thread sends, another closes: every batch is delivered or told to be sent again."""
    done = threading.Event()

    def close_often() -> None:
        while not done.is_set():
            place.sink.close()

    closer = threading.Thread(target=close_often)
    closer.start()
    try:
        for first in range(1, 101, 10):
            part = many(10, first)
            while True:
                try:
                    assert place.sink.send(part, timeout_s=TIMEOUT_S) == DELIVERED
                    break
                except SinkUnavailableError:
                    continue
    finally:
        done.set()
        closer.join()
    assert set(place.messages) == {f"message {number}" for number in range(1, 101)}


def deep(levels: int) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = {"inner": value}
    return value


ODD: dict[str, Any] = {
    "surrogate": "a\ud800b",
    "nul": "a\0b",
    "huge": 2**70,
    "negative": -(2**70),
    "nan": math.nan,
    "infinite": -math.inf,
    "deep": deep(300),
    "list": [1, "a", None, [True, 2.5]],
    "none": None,
    "empty": "",
    "long": "x" * 100_000,
    "bytes": b"\xff\x00",
    "object": object(),
    "name\ud800": "odd name",
    "": "no name",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_values_arrive_or_are_reported(place: Place, name: str) -> None:
    """The record is there, or is given back with a reason; its neighbours are there in any case."""
    odd = record(2, **{name: ODD[name]})
    outcome = place.sink.send(batch(record(1), odd, record(3)), timeout_s=TIMEOUT_S)
    refused = [item.record for item in outcome.rejected]
    assert outcome.retry == ()
    assert refused in ([], [odd])
    assert all(item.reason for item in outcome.rejected)
    expected = ["message 1", "message 3"] if refused else ["message 1", "message 2", "message 3"]
    assert place.messages == expected


def test_odd_texts_arrive(place: Place) -> None:
    """Lone surrogates in the message and core fields, and fields that are absent, lose no record."""
    odd = Record(timestamp=T0, message="lone \udc00 one", level="ODD", logger="\ud800", trace_id="not hex")
    bare = Record(timestamp=-1)
    outcome = place.sink.send(Batch("odd-1-2", (odd, bare)), timeout_s=TIMEOUT_S)
    assert outcome == DELIVERED
    assert len(place.messages) == 2
    assert "lone " in place.messages[0]


def test_nothing_secret_is_shown(place: Place) -> None:
    """Neither name nor repr hold what the URL held."""
    assert SECRET not in place.sink.name
    assert SECRET not in repr(place.sink)
    assert SECRET not in repr(vars(place.sink).get("limits"))


@pytest.mark.parametrize("member", [item for item in MEMBERS if item.stores_once], ids=lambda item: item.name)
def test_a_batch_sent_twice_is_stored_once(member: Member, tmp_path: Path) -> None:
    """Under the same id; and also when the first answer was lost on its way."""
    with member.open(tmp_path) as place:
        server = server_of(place)
        assert place.sink.send(many(50), timeout_s=TIMEOUT_S) == DELIVERED
        assert place.sink.send(many(50), timeout_s=TIMEOUT_S) == DELIVERED
        for fault in (cut(20), garble(), stall(done=True)):
            server.script(fault)
            with pytest.raises(SinkUnavailableError):
                place.sink.send(many(50, 101), timeout_s=SHORT_S if fault.stall_after_s else TIMEOUT_S)
            server.release()
        assert place.sink.send(many(50, 101), timeout_s=TIMEOUT_S) == DELIVERED
        assert sorted(place.messages) == sorted(f"message {n}" for n in [*range(1, 51), *range(101, 151)])


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_pushes_back_is_unavailable(remote: Place, status: int) -> None:
    """The error has the status and how long to wait, and the next attempt succeeds."""
    server = server_of(remote)
    server.script(refuse_with(status, retry_after="7"))
    with pytest.raises(SinkUnavailableError) as caught:
        remote.sink.send(many(3), timeout_s=TIMEOUT_S)
    assert (caught.value.status, caught.value.retry_after_s) == (status, 7.0)
    assert remote.messages == []
    assert remote.sink.send(many(3), timeout_s=TIMEOUT_S) == DELIVERED
    assert len(remote.messages) == 3


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 404, 405])
def test_what_is_set_up_wrongly_loses_nothing(remote: Place, status: int) -> None:
    """Credentials or addresses that are wrong: records wait, none is a dead letter, and the sentence says why."""
    server = server_of(remote)
    remote.sink.send(many(1), timeout_s=TIMEOUT_S)
    server.script(refuse_with(status))
    with pytest.raises(SinkUnavailableError) as caught:
        remote.sink.send(many(3, 2), timeout_s=TIMEOUT_S)
    assert caught.value.status == status
    assert str(status) in caught.value.reason or "token" in caught.value.reason
    assert SECRET not in str(caught.value)


def test_a_retry_after_of_another_kind_is_no_trouble(remote: Place) -> None:
    """Dates are understood; what nobody understands is as if it were not there."""
    server = server_of(remote)
    cases = {"Wed, 21 Oct 2015 07:28:00 GMT": 0.0, "soon": None, "-5": 0.0, "nan": None, "1e9": 3_600.0}
    for text, expected in cases.items():
        server.script(refuse_with(503, retry_after=text))
        with pytest.raises(SinkUnavailableError) as caught:
            remote.sink.send(many(1), timeout_s=TIMEOUT_S)
        assert caught.value.retry_after_s == expected


def test_a_server_that_is_away_is_unavailable(remote: Place) -> None:
    """Refused connections have status 0; when it is back, the same sink delivers."""
    server = server_of(remote)
    remote.sink.send(many(1), timeout_s=TIMEOUT_S)
    server.refuse()
    with pytest.raises(SinkUnavailableError) as caught:
        remote.sink.send(many(1, 2), timeout_s=TIMEOUT_S)
    assert caught.value.status == 0
    assert SECRET not in str(caught.value)
    server.listen()
    assert remote.sink.send(many(1, 2), timeout_s=TIMEOUT_S) == DELIVERED
    assert remote.messages == ["message 1", "message 2"]


@pytest.mark.parametrize("fault", [drop(), cut(5), garble(b"<html>"), garble(b"[1, 2"), garble(b'"text"')])
def test_an_answer_that_cannot_be_read_is_unavailable(remote: Place, fault: Any) -> None:
    """Nobody knows what became of the batch, so it is to be sent again."""
    server = server_of(remote)
    remote.sink.send(many(1), timeout_s=TIMEOUT_S)
    server.script(fault)
    with pytest.raises(SinkUnavailableError):
        remote.sink.send(many(3, 2), timeout_s=TIMEOUT_S)
    assert remote.sink.send(many(3, 2), timeout_s=TIMEOUT_S) == DELIVERED
    assert set(remote.messages) == {f"message {n}" for n in range(1, 5)}


def test_a_connection_that_stood_idle_and_was_closed_costs_no_attempt(remote: Place) -> None:
    """The server closed it meanwhile: the next batch goes over another one."""
    server = server_of(remote)
    remote.sink.send(many(1), timeout_s=TIMEOUT_S)
    server.cut_connections()
    server.wait_until(lambda: server.open_connections == 0)
    assert remote.sink.send(many(1, 2), timeout_s=TIMEOUT_S) == DELIVERED


def test_connections_are_kept(remote: Place) -> None:
    """Many batches, one connection."""
    for first in range(1, 40):
        remote.sink.send(many(1, first), timeout_s=TIMEOUT_S)
        assert server_of(remote).open_connections == 1


@pytest.mark.parametrize("fault", [stall(), slow(30.0)], ids=["stalled", "trickling"])
def test_time_limits_hold(remote: Place, fault: Any) -> None:
    """A server that hangs, and one that sends a few bytes now and then, cost no more than the time given."""
    server = server_of(remote)
    server.always(fault)
    began = time.monotonic()
    with pytest.raises(SinkUnavailableError) as caught:
        remote.sink.send(many(100), timeout_s=SHORT_S)
    assert time.monotonic() - began < SHORT_S + 2.0
    assert caught.value.status == 0
    server.clear()


def test_a_batch_that_is_too_large_is_asked_for_in_halves(remote: Place) -> None:
    """413 for many records says so; a single one is cut and marked until it fits."""
    server = server_of(remote)
    remote.sink.send(many(1), timeout_s=TIMEOUT_S)
    server.script(refuse_with(413))
    with pytest.raises(BatchTooLargeError):
        remote.sink.send(many(10, 2), timeout_s=TIMEOUT_S)
    server.script(refuse_with(413))
    large = record(50, "m" * 50_000, note="n" * 50_000)
    assert remote.sink.send(batch(large), timeout_s=TIMEOUT_S) == DELIVERED
    message, attributes = remote.arrived()[-1]
    assert len(message) < 20_000
    assert attributes["cut"] is True


def test_a_record_that_never_fits_is_too_large_alone(remote: Place) -> None:
    """Also when cut: the error for a single record, which then is a dead letter."""
    server = server_of(remote)
    remote.sink.send(many(1), timeout_s=TIMEOUT_S)
    server.always(refuse_with(413))
    with pytest.raises(BatchTooLargeError):
        remote.sink.send(many(1, 2), timeout_s=TIMEOUT_S)


def test_what_a_server_refuses_as_a_whole_is_found_by_halves(remote: Place) -> None:
    """400 for many asks for halves; for one record it is a dead letter with the server's reason."""
    server = server_of(remote)
    remote.sink.send(many(1), timeout_s=TIMEOUT_S)
    server.script(refuse_with(400), times=2)
    with pytest.raises(BatchTooLargeError):
        remote.sink.send(many(2, 2), timeout_s=TIMEOUT_S)
    outcome = remote.sink.send(many(1, 2), timeout_s=TIMEOUT_S)
    assert [item.record for item in outcome.rejected] == [record(2)]
    assert outcome.rejected[0].reason


def test_large_bodies_are_compressed(remote: Place) -> None:
    """What goes over the wire is smaller, and the difference is counted."""
    remote.sink.send(many(100), timeout_s=TIMEOUT_S)
    traffic: Any = remote.sink.traffic  # type: ignore[attr-defined]  # network sinks have it
    wire = sum(request.wire_bytes for request in server_of(remote).requests)
    assert traffic.sent_bytes == wire
    assert traffic.saved_bytes > traffic.sent_bytes
