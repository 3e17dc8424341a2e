"""Connections that are pooled, and answers within one time limit."""

import threading
import time
from collections.abc import Iterator

import pytest

from tamis.http_client.address import parse_address
from tamis.http_client.connection import FAILURES, Pool, Request
from tamis.http_client.exchange import exchange
from tests.support.faulty_server import FaultyServer, Reply, slow, stall
from tests.support.faulty_server import Request as Received
from tests.support.hand_clock import HandClock

PATIENT_S = 20.0
GET = Request("GET", "/", {})


class EchoServer(FaultyServer):
    """Answers with the body it got, or so many bytes."""

    size = 0

    def answer(self, request: Received) -> Reply:
        return Reply(200, b"x" * self.size or request.body)


@pytest.fixture
def server() -> Iterator[EchoServer]:
    with EchoServer() as made:
        yield made


def pool_of(server: FaultyServer, **options: object) -> Pool:
    return Pool(parse_address(server.url), PATIENT_S, **options)  # type: ignore[arg-type]  # options of any kind


def test_a_pool_grows_with_what_is_asked_at_a_time(server: EchoServer) -> None:
    """Three at once are three connections; after that each is used again."""
    pool = pool_of(server, connections_max=5)
    server.script(stall(), times=3)
    threads = [threading.Thread(target=exchange, args=(pool, GET, PATIENT_S)) for _ in range(3)]
    for thread in threads:
        thread.start()
    server.wait_until(lambda: len(server.requests) == 3)
    assert server.open_connections == 3
    server.release()
    for thread in threads:
        thread.join()
    for _ in range(10):
        assert exchange(pool, GET, PATIENT_S).status == 200
    assert server.open_connections == 3
    pool.close()


def test_a_pool_has_a_bound(server: EchoServer) -> None:
    """Who comes beyond it waits for its turn, and no longer than its time."""
    pool = pool_of(server, connections_max=2)
    server.script(stall(), times=2)
    threads = [threading.Thread(target=exchange, args=(pool, GET, PATIENT_S)) for _ in range(2)]
    for thread in threads:
        thread.start()
    server.wait_until(lambda: len(server.requests) == 2)
    with pytest.raises(TimeoutError, match="in use"):
        exchange(pool, GET, 0.1)
    assert server.open_connections == 2
    server.release()
    for thread in threads:
        thread.join()
    assert exchange(pool, GET, PATIENT_S).status == 200
    pool.close()


def test_a_place_is_given_back_after_a_failure(server: EchoServer) -> None:
    """Failures use up no place of the pool."""
    pool = pool_of(server, connections_max=1)
    server.refuse()
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            exchange(pool, GET, PATIENT_S)
    server.listen()
    assert exchange(pool, GET, PATIENT_S).status == 200
    pool.close()


def test_a_pool_shrinks_when_nobody_needs_it(server: EchoServer) -> None:
    """What was idle too long is closed when the next request comes; what is fresh stays."""
    clock = HandClock()
    pool = pool_of(server, connections_max=5, idle_s=60.0, clock=clock)
    taken = [pool.take() for _ in range(4)]
    for connection in taken:
        connection.connect()
        pool.give_back(connection)
    assert pool.idle == 4
    clock.sleep(59.0)
    assert exchange(pool, GET, PATIENT_S).status == 200
    assert pool.idle == 4
    clock.sleep(2.0)
    assert exchange(pool, GET, PATIENT_S).status == 200
    assert pool.idle == 1
    server.wait_until(lambda: server.open_connections == 1)
    pool.close()


def test_a_connection_closed_meanwhile_is_not_used(server: EchoServer) -> None:
    """The other side ended it while it was idle: a request goes over another one, and succeeds."""
    pool = pool_of(server)
    exchange(pool, GET, PATIENT_S)
    server.cut_connections()
    server.wait_until(lambda: server.open_connections == 0)
    assert exchange(pool, GET, PATIENT_S).status == 200
    pool.close()


@pytest.mark.parametrize("size", [0, 200_000])
def test_the_limit_holds_for_the_whole_answer(server: EchoServer, size: int) -> None:
    """Bytes that trickle in, of the head or of the body, do not begin it anew."""
    server.size = size
    pool = pool_of(server)
    server.always(slow(200 if size else 20))
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        exchange(pool, GET, 0.5)
    assert time.monotonic() - began < 5.0
    assert pool.idle == 0
    server.clear()
    pool.close()


def test_an_answer_has_a_bound(server: EchoServer) -> None:
    """What is larger is a failure, not memory."""
    server.size = 100_000
    pool = pool_of(server)
    with pytest.raises(FAILURES, match="over 1,000 bytes"):
        exchange(pool, GET, PATIENT_S, answer_bytes_max=1_000)
    assert len(exchange(pool, GET, PATIENT_S, answer_bytes_max=100_000).body) == 100_000
    pool.close()


def test_a_connection_that_the_answer_ends_is_not_kept(server: EchoServer) -> None:
    """`Connection: close` is heeded, and the answer is read whole first."""
    pool = pool_of(server)
    server.size = 100_000
    whole = server.answer
    server.answer = lambda request: Reply(200, whole(request).body, {"Connection": "close"})  # type: ignore[method-assign]  # this server alone
    assert len(exchange(pool, GET, PATIENT_S).body) == 100_000
    assert pool.idle == 0
    pool.close()
