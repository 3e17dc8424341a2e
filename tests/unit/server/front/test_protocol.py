"""Heads, trailers and hosts as strangers send them, over sockets."""

import socket
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tamis.store.memory import MemoryStore
from tests.unit.server.conftest import TOKEN, listening

WAIT_S = 20
HEAD_BYTES_MAX = 65_536
SEARCH = f"GET /api/v1/count HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
INGEST = f"POST /api/v1/ingest HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
CHUNKED = INGEST + b"Transfer-Encoding: chunked\r\n\r\n"
RECORD = b'f\r\n{"message":"a"}\r\n'


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server in this process."""
    with listening(MemoryStore(), server__header_timeout_s=1.0) as made:
        yield made


def told(port: int, *pieces: bytes) -> bytes:
    """What the server says to these bytes until it closes the connection, or for ever if it does not."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as caller:
        answer = b""
        try:
            for piece in pieces:
                caller.sendall(piece)
            while piece := caller.recv(65_536):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            pass  # closed while we were still sending
        return answer


def status(answer: bytes) -> int:
    return int(answer.split()[1])


def counted(port: int) -> bytes:
    """How many records there are."""
    return told(port, SEARCH + b"Connection: close\r\n\r\n").partition(b'"count":')[2]


def padded(size: int) -> bytes:
    """Headers of about so many bytes, none of them long."""
    return b"".join(b"X-%06d: %s\r\n" % (n, b"x" * 88) for n in range(size // 100))


@pytest.mark.parametrize(
    "pieces",
    [
        (SEARCH + padded(HEAD_BYTES_MAX) + b"\r\n",),
        (SEARCH + b"X: " + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n",),
        (SEARCH + b"X: " + b"x" * 80_000,),
        (b"GET /" + b"x" * HEAD_BYTES_MAX + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",),
        (b"\r\n" * HEAD_BYTES_MAX,),
        (SEARCH, *(padded(1_000) for _ in range(70)), b"\r\n"),
    ],
    ids=["many", "one", "unended", "target", "blank lines", "in pieces"],
)
def test_a_head_over_its_limit_is_431(port: int, pieces: tuple[bytes, ...]) -> None:
    """However it is cut, also when all of it comes at once."""
    assert status(told(port, *pieces)) == 431


@pytest.mark.parametrize("size", [HEAD_BYTES_MAX * 2, 8 << 20])
def test_a_refused_head_is_read_over_until_its_sender_has_the_answer(port: int, size: int) -> None:
    """Whole, not as a connection that was reset: the sender writes all of it before it looks."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as caller:
        caller.sendall(SEARCH + padded(size) + b"\r\n")
        answer = b""
        while piece := caller.recv(65_536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.endswith(b"\r\n\r\n")


def test_a_refused_body_is_read_over_until_its_sender_has_the_answer(port: int) -> None:
    """So a stranger with a large body is told 401."""
    size = 4 << 20
    head = f"POST /api/v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as caller:
        caller.sendall(head.encode() + b"x" * size)
        answer = b""
        while piece := caller.recv(65_536):
            answer += piece
    assert status(answer) == 401


def test_who_never_ends_is_not_listened_to_for_long(port: int) -> None:
    """So many bytes after a refusal, and the connection ends."""
    data = padded(200 << 20)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as caller,
        pytest.raises((ConnectionResetError, BrokenPipeError)),
    ):
        caller.sendall(data)


def test_a_head_within_its_limit_is_answered(port: int) -> None:
    """Nearly all of it may be used, by every request of a connection."""
    head = SEARCH + padded(HEAD_BYTES_MAX - 2_000)
    answer = told(port, (head + b"\r\n") * 3 + head + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 4


@pytest.mark.parametrize(
    "trailers",
    [padded(2 * HEAD_BYTES_MAX), b"X: " + b"x" * 400_000],
    ids=["many", "one"],
)
def test_endless_trailers_are_431(port: int, trailers: bytes) -> None:
    """They count as a head does: before the answer, and the body is not stored."""
    before = counted(port)
    assert status(told(port, CHUNKED + RECORD + b"0\r\n", trailers)) == 431
    assert counted(port) == before


def test_endless_trailers_after_the_answer_end_the_connection(port: int) -> None:
    """A route that reads no body has answered already: nothing more is said."""
    head = SEARCH + b"Transfer-Encoding: chunked\r\n\r\n"
    answer = told(port, head + RECORD + b"0\r\n", *(padded(10_000) for _ in range(20)))
    assert answer.count(b"HTTP/1.1") <= 1  # none when the reset came before we read


def test_endless_chunk_extensions_end_the_connection(port: int) -> None:
    """What stands beside a chunk's size is no body."""
    assert status(told(port, CHUNKED + b"1;" + b"x" * 400_000)) in (400, 431)


def test_trailers_of_the_usual_size_change_nothing(port: int) -> None:
    """They are read over, and name no host."""
    trailers = b"Host: evil.example\r\nX-Checksum: 1\r\n"
    answer = told(
        port, CHUNKED + RECORD + b"0\r\n" + trailers + b"\r\n" + SEARCH + b"Connection: close\r\n\r\n"
    )
    assert answer.count(b"HTTP/1.1 200 ") == 2


def test_a_body_that_nobody_reads_must_end(port: int) -> None:
    """The answer is sent, and the connection does not wait for the rest for longer than for a head."""
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    assert status(told(port, head + b"x")) == 200


@pytest.mark.parametrize("start", [b"", b"\r\n", SEARCH + b"\r\n", SEARCH + b"\r\n\r\n"])
def test_a_head_that_does_not_come_ends_the_connection(port: int, start: bytes) -> None:
    """Also after an answer, also when only blank lines come."""
    told(port, start + b"GET / HT")


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"Host: localhost\r\nHost: localhost\r\n",
        b"Host: localhost\r\nHost: evil.example\r\n",
        b"Host: localhost, evil.example\r\n",
        b"Host: evil@localhost\r\n",
        b"Host: localhost/evil\r\n",
        b"Host: localhost:80:90\r\n",
        b"Host: localhost:x\r\n",
        b"Host: localhost:65536\r\n",
        b"Host: [::1\r\n",
        b"Host: \xff\r\n",
        b"Host: \r\n",
    ],
)
def test_odd_hosts_are_400(port: int, headers: bytes) -> None:
    """One Host header, with one host in it."""
    answer = told(port, b"GET /healthz HTTP/1.1\r\n" + headers + b"\r\n")
    assert status(answer) == 400
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/healthz", 200),
        (b"http://localhost:4817/healthz", 200),
        (b"http://evil.example/healthz", 400),
        (b"x", 400),
    ],
)
def test_a_target_with_another_host_is_400(port: int, target: bytes, expected: int) -> None:
    """RFC 9112 lets targets name the host: they must name the same."""
    head = b"GET " + target + b" HTTP/1.1\r\nHost: localhost:4817\r\nConnection: close\r\n\r\n"
    assert status(told(port, head)) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Authorization: Bearer x\r\n", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: Chunked\r\n", 200),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(port: int, header: bytes, expected: int) -> None:
    """Two tokens, and bodies in a coding that is not undone here."""
    head = SEARCH + header + b"Connection: close\r\n\r\n0\r\n\r\n"
    assert status(told(port, head)) == expected


@pytest.mark.parametrize("host", [b"localhost:", b"LOCALHOST:1", b"[::1]:1", b"127.0.0.1", b"a.localhost"])
def test_own_hosts_are_answered(port: int, host: bytes) -> None:
    """By every name of this machine's loopback."""
    head = b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
    assert status(told(port, head)) == 200


@pytest.mark.parametrize(
    "target",
    [
        "/.//evil.example",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "/%5Cevil.example",
        "/%2Fevil.example",
        "/%2e%2e//evil.example",
        "/x/..//evil.example",
        "/\t/evil.example",
        "/%09/evil.example",
        "/%0d%0aSet-Cookie:x",
        "/?q=\r\nSet-Cookie: x=1",
        "/x#@evil.example",
        "/:@evil.example",
        "http:/evil.example",
        "/．／evil.example",
    ],
)
def test_signing_in_stays_on_this_site(port: int, target: str) -> None:
    """Every way out is turned into the first page."""
    form = f"token={TOKEN}&next={quote(target, safe='')}".encode()
    head = b"POST /signin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    answer = told(port, head % len(form) + form)
    assert status(answer) == 303
    assert b"\r\nlocation: /\r\n" in answer.lower()
