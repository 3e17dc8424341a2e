"""How a server process stops while requests are open: their senders hear to come again, and nothing is kept of them."""

import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.commands import TOKEN, start_server, wait_for
from tests.support.listening import count, metric, ports

WAIT_S = 60.0
GRACE_S = 60
RECORD = b'{"message":"halfway"}\n'
JOURNAL = b"__CURSOR=s=9\nMESSAGE=journalled\n\n"
PROBLEM = "application/problem+json"
ROUTES = [
    ("/api/v1/ingest", "text/plain", PROBLEM),
    ("/loki/api/v1/push", "application/json", PROBLEM),
    ("/gelf", "application/json", PROBLEM),
    ("/v1/logs", "application/json", "application/json"),
    ("/v1/logs", "application/x-protobuf", "application/x-protobuf"),
    ("/_bulk", "application/x-ndjson", "application/json"),
    ("/shop/_doc", "application/json", "application/json"),
]


def begun(port: int, path: str, media_type: str, rest: bytes) -> socket.socket:
    """A connection on which a request has begun."""
    caller = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: {media_type}\r\n"
    )
    caller.sendall(head.encode() + rest)
    return caller


def answered(caller: socket.socket) -> tuple[int, dict[str, str]]:
    """Status and headers of the answer, read until the connection ends."""
    data = b""
    with caller:
        while piece := caller.recv(65_536):
            data += piece
    first, *lines = data.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    named = (line.partition(": ") for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, _, value in named}


def test_open_bodies_end_soon_and_are_to_be_sent_again(tmp_path: Path) -> None:
    """However long the grace is, each is answered 503 with Retry-After as its clients read it; what was not
    acknowledged is not there afterwards, but for journals: these go on from what is stored."""
    server = start_server(tmp_path, TAMIS_SERVER_STOP_GRACE_S=f"{GRACE_S}s", TAMIS_JOURNAL_PORT="0")
    port = int(urlsplit(server.url).port or 0)
    sized = b"Content-Length: 100000\r\n\r\n" + RECORD
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(RECORD), RECORD)
    journal = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(JOURNAL), JOURNAL)
    media_type = "application/vnd.fdo.journal"
    callers = [begun(port, path, sent, body) for path, sent, _ in ROUTES for body in (sized, chunked)]
    callers += [begun(one, "/upload", media_type, journal) for one in (port, ports(server)["journal"])]
    try:
        assert wait_for(lambda: metric(server, "tamis_http_open_requests") > len(callers), WAIT_S)
        assert wait_for(lambda: count(server, "journalled") >= 2, WAIT_S)
    finally:
        server.process.send_signal(signal.SIGTERM)
    began_s = time.monotonic()
    answers = [answered(caller) for caller in callers]
    assert server.process.wait(WAIT_S) == 0
    assert time.monotonic() - began_s < GRACE_S / 2
    expected = [kind for _, _, kind in ROUTES for _ in range(2)] + [PROBLEM] * 2
    assert [(status, headers["content-type"]) for status, headers in answers] == [
        (503, kind) for kind in expected
    ]
    assert all(int(headers["retry-after"]) >= 1 for _, headers in answers)
    assert "Traceback" not in server.output.read_text()
    again = start_server(tmp_path)
    try:
        assert (count(again, "halfway"), count(again, "journalled")) == (0, 2)
    finally:
        again.stop()


def test_a_sender_that_does_not_listen_hears_of_the_stop(tmp_path: Path) -> None:
    """It is read on for a moment after the answer: a connection that is reset would have no answer."""
    server = start_server(tmp_path)
    caller = begun(
        int(urlsplit(server.url).port or 0),
        "/api/v1/ingest",
        "text/plain",
        b"Content-Length: 50000000\r\n\r\n" + RECORD,
    )
    assert wait_for(lambda: metric(server, "tamis_http_open_requests") > 1, WAIT_S)
    server.process.send_signal(signal.SIGTERM)
    caller.settimeout(0.01)
    heard = b""
    while not heard:
        caller.settimeout(WAIT_S)
        caller.sendall(RECORD)
        caller.settimeout(0.01)
        try:
            heard = caller.recv(12)
        except TimeoutError:
            continue
    assert heard == b"HTTP/1.1 503"
    caller.close()
    assert server.process.wait(WAIT_S) == 0
