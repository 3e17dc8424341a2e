"""The HTTP client against real sockets: what is repeated, what is not, and what an answer becomes."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tamis.errors import (
    ConfigError,
    ConflictError,
    DeniedError,
    OverloadedError,
    QueryError,
    QueryTimeoutError,
    RemoteError,
    TamisError,
    UnreachableError,
)
from tamis.http_client import HttpClient
from tamis.http_client.address import parse_address

PROBLEM = "application/problem+json"


class Hands:
    """A clock whose sleeps take no time."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now_ns(self) -> int:
        return 0

    def monotonic_s(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@dataclass
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Site:
    """A server that gives its answers one after the other; None hangs up instead."""

    url: str = ""
    answers: list[Answer | None] = field(default_factory=list)
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            made.connections += 1

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.seen.append((self.command, self.path, dict(self.headers), body))
            answer = made.answers.pop(0) if made.answers else Answer()
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = answer  # noqa: N815  # names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def client(site: Site, clock: Hands) -> Iterator[HttpClient]:
    made = HttpClient(parse_address(site.url), "abc", timeout_s=5, clock=clock)
    yield made
    made.close()


def test_one_connection_serves_many_requests(client: HttpClient, site: Site) -> None:
    """Keep-alive: requests one after the other share a connection, and carry the token."""
    for _ in range(5):
        assert client.request("GET", "/a", query={"q": "x y", "none": None}).json() == {}
    assert site.connections == 1
    assert site.seen[0][:2] == ("GET", "/a?q=x+y")
    assert site.seen[0][2]["Authorization"] == "Bearer abc"


def test_repeatable_requests_are_repeated(client: HttpClient, site: Site, clock: Hands) -> None:
    """A GET, and a POST with a key, survive a hang-up and a server that is away for a moment."""
    client.request("GET", "/first")
    site.answers = [None, Answer(503), Answer(502), Answer(200, b"[1]")]
    assert client.request("GET", "/again").json() == [1]
    site.answers = [None, Answer(200, b"[2]")]
    headers = {"Idempotency-Key": "k1"}
    assert client.request("POST", "/ingest", body=b"lines", headers=headers).json() == [2]
    sent = [one for one in site.seen if one[1] == "/ingest"]
    assert [one[3] for one in sent] == [b"lines", b"lines"]
    assert {one[2]["Idempotency-Key"] for one in sent} == {"k1"}
    assert len(clock.slept) == 4


def test_a_post_without_a_key_is_sent_once(client: HttpClient, site: Site) -> None:
    """Nobody knows what became of it: it is not sent again."""
    client.request("GET", "/first")
    site.answers = [None]
    with pytest.raises(UnreachableError):
        client.request("POST", "/delete", body=b"x")
    assert [one[1] for one in site.seen] == ["/first", "/delete"]


def test_push_back_is_honoured(client: HttpClient, site: Site, clock: Hands) -> None:
    """429 is waited for as long as the server says, and given up when that takes too long."""
    busy = Answer(429, b'{"detail": "busy"}', {"Retry-After": "7", "Content-Type": PROBLEM})
    site.answers = [busy, Answer(200, b"[1]")]
    assert client.request("POST", "/delete").json() == [1]
    assert clock.slept == [7]
    site.answers = [busy] * 20
    with pytest.raises(OverloadedError) as caught:
        client.request("GET", "/a")
    assert caught.value.retry_after_s == 7
    assert sum(clock.slept) <= 7 + 30


def test_a_server_that_was_never_there_is_not_waited_for(clock: Hands) -> None:
    """A wrong address is told at once, with what to do."""
    client = HttpClient(parse_address("http://127.0.0.1:9"), clock=clock)
    with pytest.raises(UnreachableError, match="tamis serve"):
        client.request("GET", "/a")
    assert clock.slept == []


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"detail": "x", "column": 3, "reason": "no such thing", "suggestion": "do."}', QueryError),
        (400, b'{"detail": "start must be a time."}', RemoteError),
        (401, b'{"detail": "sign in"}', DeniedError),
        (403, b"", DeniedError),
        (422, b'{"detail": "another body"}', ConflictError),
        (504, b'{"detail": "too long"}', QueryTimeoutError),
        (500, b"<html>", RemoteError),
        (404, b"\xff\xfe", RemoteError),
    ],
)
def test_answers_become_errors(
    client: HttpClient, site: Site, status: int, body: bytes, kind: type[TamisError]
) -> None:
    """Each refusal is the error that it describes; what is no problem document is told by its status."""
    site.answers = [Answer(status, body, {"Content-Type": PROBLEM})]
    with pytest.raises(kind) as caught:
        client.request("GET", "/a")
    assert type(caught.value) is kind
    if isinstance(caught.value, QueryError):
        assert (caught.value.column, caught.value.reason) == (3, "no such thing")
        assert caught.value.suggestion == "do."


def test_failures_of_the_reader_are_its_own(client: HttpClient, site: Site) -> None:
    """What goes wrong where the pieces are put is not said of the connection."""
    site.answers = [Answer(body=b"whole")]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with pytest.raises(BrokenPipeError), client.stream("GET", "/export") as pieces:
            os.write(writer, next(pieces))
    finally:
        os.close(writer)


def test_streams_end_early_with_an_error(client: HttpClient, site: Site) -> None:
    """An export that breaks off is never taken for a whole one."""
    site.answers = [Answer(200, b"x" * 100), Answer(200, b"short", {"Content-Length": "100"})]
    with client.stream("GET", "/export") as pieces:
        assert b"".join(pieces) == b"x" * 100
    site.answers[0].headers["Connection"] = "close"  # type: ignore[union-attr]  # it is an Answer
    with pytest.raises(RemoteError), client.stream("GET", "/export") as pieces:
        list(pieces)


@pytest.mark.parametrize(
    ("text", "url", "token", "loopback"),
    [
        ("http://127.0.0.1:4817", "http://127.0.0.1:4817", "", True),
        ("https://tok%2Fen@logs.example/base/", "https://logs.example/base", "tok/en", False),
        ("localhost:99", "http://localhost:99", "", True),
        ("http://[::1]:4817", "http://[::1]:4817", "", True),
    ],
)
def test_addresses_are_taken_apart(text: str, url: str, token: str, *, loopback: bool) -> None:
    """Scheme, host, port, path and token of a URL; the token is not in what is shown."""
    address = parse_address(text)
    assert (address.url, address.token, address.loopback) == (url, token, loopback)


@pytest.mark.parametrize("text", ["ftp://x", "http://", "http://x:99999", "http://[", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    """With the text in the sentence."""
    with pytest.raises(ConfigError):
        parse_address(text)
