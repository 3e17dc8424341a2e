"""What network sinks share: connections of forked children, traffic."""

import os
from collections.abc import Iterator

import pytest

from tamis.pipeline.base import DELIVERED, Batch
from tamis.pipeline.sinks.tamis_server import TamisSink
from tamis.record.model import Record
from tests.support.faulty_server import FaultyServer, Reply
from tests.support.faulty_server import Request as Received

T0 = 1_763_719_200_000_000_000
TIMEOUT_S = 20.0


class Taking(FaultyServer):
    """Says of each line that it is stored."""

    def answer(self, request: Received) -> Reply:
        return Reply(200, b'{"received":1,"stored":1,"rejected":[],"rejected_count":0}')


@pytest.fixture
def server() -> Iterator[Taking]:
    with Taking() as made:
        yield made


def batch(name: str) -> Batch:
    return Batch(name, (Record(timestamp=T0, message=name),))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(server: Taking) -> None:
    """Parent and child never write on the same one, and the parent's goes on."""
    sink = TamisSink(server.url)
    assert sink.send(batch("before"), timeout_s=TIMEOUT_S) == DELIVERED
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if sink.send(batch("child"), timeout_s=TIMEOUT_S) == DELIVERED else 1
            os.close(writing)
            os.read(reading, 1)  # until the parent has looked
        finally:
            os._exit(code)
    server.wait_until(lambda: len(server.requests) == 2)
    open_then = server.open_connections
    os.close(writing)
    os.close(reading)
    assert os.waitpid(child, 0)[1] == 0
    assert open_then == 2
    assert sink.send(batch("after"), timeout_s=TIMEOUT_S) == DELIVERED
    server.wait_until(lambda: len(server.requests) == 3)
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert keys == ["before", "child", "after"]
    server.wait_until(lambda: server.open_connections == 1)
    assert sink.traffic.requests == 2
    sink.close()


def test_traffic_counts_what_went_over_the_wire(server: Taking) -> None:
    """Requests, bytes before compression and after."""
    sink = TamisSink(server.url)
    sink.send(batch("x" * 5_000), timeout_s=TIMEOUT_S)
    assert sink.traffic.requests == 1
    assert sink.traffic.plain_bytes > 5_000
    assert sink.traffic.sent_bytes == server.requests[0].wire_bytes
    assert sink.traffic.saved_bytes == sink.traffic.plain_bytes - sink.traffic.sent_bytes
    sink.close()
