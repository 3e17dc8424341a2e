"""The servers that tests are run against fail as they are told, and only so."""

import gzip
import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.faulty_server import (
    NONE,
    FaultyServer,
    Reply,
    Request,
    cut,
    drop,
    garble,
    json_reply,
    refuse_with,
    slow,
    stall,
)


class Echo(FaultyServer):
    """Remembers bodies, and sends them back."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []
        super().__init__()

    def answer(self, request: Request) -> Reply:
        self.stored.append(request.body)
        return Reply(200, request.body)


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo() as server:
        yield server


def post(server: FaultyServer, body: bytes = b"hello", path: str = "/x", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(
            "POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def send_and_read(connection: http.client.HTTPConnection) -> None:
    """Over the connection there is; none is opened."""
    connection.auto_open = 0
    try:
        connection.request("POST", "/", b"lost")
        connection.getresponse()
    finally:
        connection.auto_open = 1


BROKEN = (ConnectionError, http.client.IncompleteRead, http.client.BadStatusLine)


def test_it_answers_over_one_connection_again_and_again(server: Echo) -> None:
    """Keep-alive, gzip, chunks, queries and HEAD are understood, and requests are noted."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", "/a%20b?q=1&empty=", gzip.compress(b"zip"), {"Content-Encoding": "gzip"})
    assert connection.getresponse().read() == b"zip"
    connection.request("POST", "/chunks", iter([b"ab", b"c"]), encode_chunked=True)
    assert connection.getresponse().read() == b"abc"
    connection.request("HEAD", "/head")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert server.open_connections == 1
    connection.close()
    first, second, third = server.requests
    assert (first.path, first.query, first.body) == ("/a b", {"q": "1", "empty": ""}, b"zip")
    assert first.wire_bytes == len(gzip.compress(b"zip"))
    assert (second.body, third.method) == (b"abc", "HEAD")
    assert server.statuses == [200, 200, 200]
    server.wait_until(lambda: server.open_connections == 0)


def test_what_is_not_gzip_is_refused(server: Echo) -> None:
    """A bad body is told, not stored."""
    assert post(server, b"not gzip", Content_Encoding="gzip")[0] == 400
    assert server.stored == []


def test_scripts_run_in_order_and_end(server: Echo) -> None:
    """Two 503, one 429 with its Retry-After, then all is well; a script for another path waits for it."""
    server.script(refuse_with(503), times=2)
    server.script(refuse_with(429, retry_after="7"), refuse_with(500, where="/other"))
    assert [post(server)[0] for _ in range(4)] == [503, 503, 429, 200]
    assert post(server, path="/other")[0] == 500
    assert server.stored == [b"hello"]
    server.script(refuse_with(429, retry_after="7"))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/")
    assert connection.getresponse().headers["Retry-After"] == "7"
    connection.close()


def test_what_always_holds_holds_until_it_is_cleared(server: Echo) -> None:
    """Scripts come first; `always(NONE)` and `clear()` end it."""
    server.always(refuse_with(500))
    server.script(refuse_with(429))
    assert [post(server)[0] for _ in range(3)] == [429, 500, 500]
    server.always(NONE)
    assert post(server)[0] == 200
    server.always(refuse_with(500))
    server.body_bytes_max = 1
    server.clear()
    assert post(server)[0] == 200


def test_bodies_over_the_limit_are_refused(server: Echo) -> None:
    """413 for what is larger on the wire."""
    server.body_bytes_max = 100
    assert post(server, bytes(101))[0] == 413
    assert post(server, bytes(100))[0] == 200
    assert post(server, gzip.compress(bytes(10_000)), Content_Encoding="gzip")[0] == 200
    assert [len(body) for body in server.stored] == [100, 10_000]


@pytest.mark.parametrize("at", [0, 5, 60])
def test_a_connection_is_cut_after_its_body_was_stored(server: Echo, at: int) -> None:
    """The client cannot know: before the status, within it, within the head."""
    server.script(cut(at))
    with pytest.raises(BROKEN):
        post(server, b"x" * 1_000)
    assert server.stored == [b"x" * 1_000]


def test_a_connection_is_dropped_before_anything_is_done(server: Echo) -> None:
    """It was read, and that is all."""
    server.script(drop())
    with pytest.raises(BROKEN):
        post(server)
    assert (len(server.requests), server.stored) == (1, [])


def test_an_answer_may_be_garbage(server: Echo) -> None:
    """Done, with status 200, and unreadable."""
    server.script(garble(b'{"x'))
    assert post(server) == (200, b'{"x')
    assert server.stored == [b"hello"]


@pytest.mark.parametrize("done", [False, True])
def test_a_stalled_request_hangs_until_it_is_released(server: Echo, done: bool) -> None:
    """Before it is done or after, for ever: the client's time-out comes first, or release."""
    server.script(stall(done=done))
    answers: list[tuple[int, bytes]] = []
    thread = threading.Thread(target=lambda: answers.append(post(server)))
    thread.start()
    server.wait_until(lambda: bool(server.statuses if done else server.requests))
    assert server.stored == ([b"hello"] if done else [])
    assert answers == []
    assert post(server, b"another")[0] == 200
    server.release()
    thread.join(20)
    assert answers == [(200, b"hello")]


def test_a_stall_may_end_by_itself(server: Echo) -> None:
    """After its seconds."""
    server.script(stall(0.05))
    began = time.monotonic()
    assert post(server)[0] == 200
    assert time.monotonic() - began >= 0.05


def test_a_slow_server_takes_its_time(server: Echo) -> None:
    """2,000 bytes at 10,000 a second are at least a tenth of a second."""
    server.script(slow(10_000))
    began = time.monotonic()
    assert post(server, bytes(2_000)) == (200, bytes(2_000))
    assert time.monotonic() - began >= 0.1


def test_it_refuses_connections_and_comes_back_on_its_port(server: Echo) -> None:
    """Those there are reset, new ones refused, until it listens again; several times."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for number in range(3):
        connection.connect()
        connection.request("POST", "/", b"kept")
        connection.getresponse().read()
        server.refuse()
        server.refuse()
        with pytest.raises(ConnectionRefusedError):
            post(server)
        with pytest.raises(BROKEN):
            send_and_read(connection)
        connection.close()
        server.listen()
        server.listen()
        assert post(server, b"again") == (200, b"again")
        assert server.stored == [b"kept", b"again"] * (number + 1)


def test_refusing_resets_what_hangs(server: Echo) -> None:
    """A client that waits for a stalled answer learns at once that there is none."""
    server.script(stall())
    failed: list[BaseException] = []

    def wait() -> None:
        try:
            post(server)
        except BROKEN as error:
            failed.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    server.wait_until(lambda: bool(server.requests))
    server.refuse()
    thread.join(20)
    assert len(failed) == 1


def test_closing_ends_every_thread(server: Echo) -> None:
    """Idle connections and hanging requests too."""
    before = threading.active_count() - 1
    idle = socket.create_connection(("127.0.0.1", server.port))
    hanging = socket.create_connection(("127.0.0.1", server.port))
    server.script(stall())
    hanging.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
    server.wait_until(lambda: bool(server.requests))
    server.close()
    idle.close()
    hanging.close()
    assert threading.active_count() == before
    assert server.stored == []


def test_many_clients_at_once_are_all_answered(server: Echo) -> None:
    """Sixteen threads, each with its own answer."""
    answers: list[bytes] = []

    def work(number: int) -> None:
        for turn in range(10):
            answers.append(post(server, f"{number}-{turn}".encode())[1])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == sorted(server.stored)
    assert len(set(answers)) == 160


def test_what_does_not_happen_is_told(server: Echo) -> None:
    """Waiting ends with an error."""
    with pytest.raises(TimeoutError, match="0 requests came"):
        server.wait_until(lambda: False, 0.01)


def test_replies_of_json_say_so() -> None:
    """The body is JSON."""
    assert json_reply({"a": 1}, 201, X="y") == Reply(201, b'{"a": 1}', {"X": "y"})
