"""A server process and callers that mean no good: every limit holds, is counted, and nobody else waits for it."""

import contextlib
import gzip
import json
import re
import signal
import socket
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil
import pyarrow as pa
import pytest

from tamis.server.front.gate import SECURITY_HEADERS
from tamis.wire.protobuf import bytes_field
from tests.support.commands import TOKEN, Server, running_server, start_server, wait_for

WAIT_S = 60
AUTHORIZED = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
CONNECTIONS_MAX = 100
RATIOS = ("server.decompress_ratio_max", "server.decompressed_bytes_max")
LIMITS = {
    "TAMIS_SERVER_CONNECTIONS_MAX": str(CONNECTIONS_MAX),
    "TAMIS_SERVER_HEADER_TIMEOUT_S": "2s",
    "TAMIS_SERVER_BODY_TIMEOUT_S": "1s",
    "TAMIS_SERVER_SEND_TIMEOUT_S": "1s",
    "TAMIS_SERVER_BODY_BYTES_MAX": "4MiB",
    "TAMIS_SERVER_DECOMPRESSED_BYTES_MAX": "16MiB",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One whose limits are soon met."""
    with running_server(tmp_path_factory.mktemp("server"), **LIMITS) as made:
        yield made


def raw(server: Server) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=WAIT_S)


def get(server: Server, path: str, **options: object) -> httpx2.Response:
    return httpx2.get(server.url + path, headers=HEADERS, timeout=WAIT_S, **options)  # type: ignore[arg-type]  # httpx2's


def met(server: Server, limit: str) -> float:
    """How often a limit was met, as /metrics says."""
    found = re.search(
        rf'^tamis_limits_met_total{{limit="{re.escape(limit)}"}} (\S+)', get(server, "/metrics").text, re.M
    )
    return float(found[1]) if found else 0.0


def is_closed(caller: socket.socket) -> bool:
    """Whether the server ended the connection; waits for it."""
    with contextlib.suppress(ConnectionResetError):
        while caller.recv(65_536):
            pass
    return True


def post(server: Server, body: bytes, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.post(
        f"{server.url}/api/v1/ingest", content=body, headers={**HEADERS, **named}, timeout=WAIT_S
    )


def test_slow_heads_keep_nobody_waiting(server: Server) -> None:
    """Half of all connections send their heads a byte at a time: others are answered, the slow ones closed in time."""
    before = met(server, "server.header_timeout_s")
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(raw(server)) for _ in range(CONNECTIONS_MAX // 2)]
        for byte in b"GET / HTTP":
            for caller in slow:
                with contextlib.suppress(OSError):
                    caller.sendall(bytes([byte]))
            assert get(server, "/api/v1/count").status_code == 200
        assert all(map(is_closed, slow))
    assert wait_for(lambda: met(server, "server.header_timeout_s") >= before + len(slow), WAIT_S)


def test_one_connection_too_many_is_told(server: Server) -> None:
    """503 with Retry-After and the usual headers; when the others went, everybody is answered again."""
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS_MAX):
            stack.enter_context(raw(server))
        refused = get(server, "/api/v1/count")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "server.connections_max" in refused.json()["detail"]
        assert refused.headers["x-frame-options"] == "DENY"
    assert wait_for(lambda: get(server, "/api/v1/count").status_code == 200, WAIT_S)
    assert met(server, "server.connections_max") >= 1


def test_a_body_that_does_not_come_is_given_up(server: Server) -> None:
    """408, nothing of it stored."""
    before = get(server, "/api/v1/count").json()["count"]
    with raw(server) as caller:
        head = f"POST /api/v1/ingest HTTP/1.1\r\n{AUTHORIZED}Content-Length: 1000\r\n\r\n"
        caller.sendall(head.encode() + b'{"message":"half"}\n')
        assert b" 408 " in caller.recv(65_536).split(b"\r\n")[0]
    assert get(server, "/api/v1/count").json()["count"] == before
    assert met(server, "server.body_timeout_s") == 1


def bombs() -> dict[str, bytes]:
    """Small bodies that become large: one of a million to one by two layers, one that is a thousand times itself, one
    of many members, one whose size field lies."""
    layer = gzip.compress(b'{"message":"a"}\n' * (8 << 20))
    lying = bytearray(gzip.compress(b" " * (64 << 20)))
    lying[-4:] = (5).to_bytes(4, "little")
    return {
        "lines": layer,
        "zeros": gzip.compress(bytes(128 << 20)),
        "members": gzip.compress(b" " * (1 << 20)) * 200,
        "lying": bytes(lying),
        "deflate": zlib.compress(b" " * (64 << 20)),
    }


def test_bombs_cost_neither_memory_nor_time(server: Server) -> None:
    """Each is 413 with the limit's name, and the process does not grow by what they would have become."""
    process = psutil.Process(server.process.pid)
    assert post(server, b'{"message":"a"}').status_code == 200
    before, met_before = process.memory_info().rss, sum(met(server, limit) for limit in RATIOS)
    made = bombs()
    for name, body in made.items():
        refused = post(server, body, Content_Encoding="deflate" if name == "deflate" else "gzip")
        assert (refused.status_code, refused.json()["limit"] in RATIOS) == (413, True), name
    assert sum(met(server, limit) for limit in RATIOS) == met_before + len(made)
    assert process.memory_info().rss < before + (128 << 20)


NARROW = {
    "TAMIS_SERVER_BODY_BYTES_MAX": "16MiB",
    "TAMIS_INGEST_LINES_MAX": "300000",
    "TAMIS_INGEST_DOCUMENT_BYTES_MAX": "16MiB",
    "TAMIS_INGEST_EXPANDED_BYTES_MAX": "64MiB",
}
BODY_MEMORY = (64 + 4 * 16 + 192) << 20
"""What one body may cost by these limits (docs/reference/limits.md): what it becomes, itself four times, and what
decoding and storing a block of it take."""
PROTOBUF, JSON = {"Content-Type": "application/x-protobuf"}, {"Content-Type": "application/json"}
JOURNAL = {"Content-Type": "application/vnd.fdo.journal"}


def times(unit: bytes, size: int = 6_000_000) -> bytes:
    return unit * (size // len(unit))


def field(*numbers: int, inner: bytes) -> bytes:
    """Messages in messages, the first number outside."""
    for number in reversed(numbers):
        inner = bytes_field(number, inner)
    return inner


def snappy(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="snappy", asbytes=True))


def named(form: str, count: int, between: str = "") -> bytes:
    return between.join(form.replace("#", str(number)) for number in range(count)).encode()


HOSTILE: dict[str, tuple[str, dict[str, str], Callable[[], bytes]]] = {
    "records": ("/v1/logs", PROTOBUF, lambda: field(1, 2, inner=times(b"\x12\0"))),
    "scopes": ("/v1/logs", PROTOBUF, lambda: field(1, inner=times(b"\x12\0"))),
    "resources": ("/v1/logs", PROTOBUF, lambda: times(b"\x0a\0")),
    "attributes": (
        "/v1/logs",
        PROTOBUF,
        lambda: field(1, 2, inner=field(2, inner=times(b"\x32\0", 1_000_000)) * 6),
    ),
    "items": ("/v1/logs", PROTOBUF, lambda: field(1, 2, 2, 5, 5, inner=times(b"\x0a\0", 1_000_000))),
    "names": (
        "/v1/logs",
        PROTOBUF,
        lambda: field(
            1,
            2,
            inner=b"".join(
                field(2, 6, inner=field(1, inner=b"n%d" % number) + b"\x12\x02\x10\x01")
                for number in range(200_000)
            ),
        ),
    ),
    "JSON records": (
        "/v1/logs",
        JSON,
        lambda: b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[%b{}]}]}]}' % times(b"{},"),
    ),
    "JSON lists": (
        "/v1/logs",
        JSON,
        lambda: b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":[%b[]]}]}]}]}' % times(b"[],"),
    ),
    "JSON depth": ("/v1/logs", JSON, lambda: b'{"a":%b' % times(b"[")),
    "entries": (
        "/loki/api/v1/push",
        PROTOBUF,
        lambda: snappy(field(1, inner=field(1, inner=b"{}") + times(b"\x12\0"))),
    ),
    "streams": ("/loki/api/v1/push", PROTOBUF, lambda: snappy(times(field(1, 1, inner=b"{}")))),
    "JSON streams": ("/loki/api/v1/push", JSON, lambda: b'{"streams":[%b{}]}' % times(b"{},")),
    "array": ("/api/v1/ingest", {}, lambda: b"[%b{}]" % times(b"{},")),
    "lines of names": ("/api/v1/ingest", {}, lambda: named('{"n#":1}\n', 290_000)),
    "objects of names": ("/api/v1/ingest", {}, lambda: named('{"a":{"n#":1}}\n', 200_000)),
    "lines of lists": ("/api/v1/ingest", {}, lambda: (b'{"a":[%b[]]}\n' % times(b"[],", 1_000_000)) * 6),
    "ids": ("/_bulk", {}, lambda: named('{"create":{"_id":"#"}}\n{}\n', 290_000)),
    "refusals": ("/_bulk", {}, lambda: named('{"create":{}}\n{"a#\n', 290_000)),
    "messages": ("/gelf", {}, lambda: times(b"{}\n")),
    "fields": ("/upload", JOURNAL, lambda: (times(b"A=\n", 1_000_000) + b"\n") * 6),
}


def peak_bytes(server: Server, *, anew: bool = False) -> int:
    """The most memory that the server ever had, or has had since this was asked anew."""
    process = Path("/proc") / str(server.process.pid)
    if anew:
        (process / "clear_refs").write_text("5")
    found = re.search(r"^VmHWM:\s+(\d+) kB", (process / "status").read_text(), re.M)
    assert found is not None
    return int(found[1]) << 10


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One with limits on bodies that are a quarter of the usual ones."""
    with running_server(tmp_path_factory.mktemp("narrow"), **NARROW) as made:
        yield made


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory a process ever had")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_costs_no_more_memory_than_bodies_may(narrow: Server, name: str) -> None:
    """Within the limits of size, made of millions of the smallest parts there are: it is taken or refused, and the
    server is not larger by more than the limits say."""
    path, headers, made = HOSTILE[name]
    body = made()
    before = peak_bytes(narrow, anew=True)
    answer = httpx2.post(narrow.url + path, content=body, headers={**HEADERS, **headers}, timeout=100)
    assert answer.status_code in (200, 202, 204, 400, 413), answer.text
    cost = peak_bytes(narrow) - before
    assert cost < BODY_MEMORY
    assert get(narrow, "/readyz").status_code == 200


def test_a_body_over_its_limit_is_counted(server: Server) -> None:
    """By its length, and by what came when none was said."""

    def endless() -> Iterator[bytes]:
        for _ in range(6):
            yield b'{"message":"x"}\n' * 65_536

    before = met(server, "server.body_bytes_max")
    assert post(server, bytes(5 << 20)).status_code == 413
    with contextlib.suppress(httpx2.WriteError):  # the answer may come while we still send
        assert post(server, endless()).status_code == 413  # type: ignore[arg-type]  # pieces, with no length
    assert met(server, "server.body_bytes_max") == before + 2


def test_who_reads_nothing_is_let_go(server: Server) -> None:
    """An export that nobody reads ends, and its place is free for others."""
    line = json.dumps({"message": "x" * 1_000}).encode() + b"\n"
    for _ in range(8):
        assert post(server, line * 2_000).status_code == 200
    before = met(server, "server.send_timeout_s")
    head = f"GET /api/v1/export HTTP/1.1\r\n{AUTHORIZED}\r\n".encode()
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            caller = socket.socket()
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            stack.enter_context(caller)
            parts = urlsplit(server.url)
            caller.connect((parts.hostname, parts.port))
            caller.sendall(head)
        assert wait_for(lambda: met(server, "server.send_timeout_s") >= before + 4, WAIT_S)
        assert len(get(server, "/api/v1/export").content) > 16_000_000


def test_every_answer_is_guarded(server: Server) -> None:
    """Pages, data, problems and refusals of the protocol alike say how browsers shall treat them."""
    for path, status in (("/healthz", 200), ("/", 200), ("/nothing", 404), ("/api/v1/search?limit=x", 400)):
        answer = get(server, path)
        assert answer.status_code == status
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    with raw(server) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 80_000)
        answer_bytes = caller.recv(65_536)
    assert b" 431 " in answer_bytes.split(b"\r\n")[0]
    assert met(server, "server.header_bytes_max") >= 1
    assert b"x-content-type-options: nosniff" in answer_bytes


def test_it_stops_with_streams_open(tmp_path: Path) -> None:
    """A reader that pauses, a body half sent and an idle connection: it ends within its grace, and nothing is lost."""
    server = start_server(tmp_path, TAMIS_SERVER_STOP_GRACE_S="2s")
    line = json.dumps({"message": "x" * 1_000}).encode() + b"\n"
    stored = sum(post(server, line * 2_000).json()["stored"] for _ in range(8))
    with contextlib.ExitStack() as stack:
        idle, export, body = (stack.enter_context(raw(server)) for _ in range(3))
        idle.sendall(f"GET /healthz HTTP/1.1\r\n{AUTHORIZED}\r\n".encode())
        assert b" 200 " in idle.recv(65_536)
        export.sendall(f"GET /api/v1/export HTTP/1.1\r\n{AUTHORIZED}\r\n".encode())
        assert b" 200 " in export.recv(1_000)
        body.sendall(f"POST /api/v1/ingest HTTP/1.1\r\n{AUTHORIZED}Content-Length: 1000\r\n\r\n".encode())
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(WAIT_S) == 0
    with running_server(tmp_path) as again:
        assert get(again, "/api/v1/count").json()["count"] == stored
