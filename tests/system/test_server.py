"""The server as a process of its own: starts, serves, stops, and what it does with callers that misbehave."""

import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from tests.support.commands import TOKEN, Server, running_server, start, start_server, tamis, wait_for

WAIT_S = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as made:
        yield made


def client(server: Server, **options: Any) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx2.Client(base_url=server.url, headers=headers, timeout=WAIT_S, **options)


def raw(server: Server) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=WAIT_S)


def lines(count: int, size: int = 200) -> bytes:
    row = {"message": "x" * size, "level": "info", "service": "load"}
    return b"".join(json.dumps({**row, "n": n}).encode() + b"\n" for n in range(count))


def test_the_first_start_shows_a_token_and_every_start_a_link(tmp_path: Path) -> None:
    """The token works and is not shown again; the link signs in once; the folder is for its owner."""
    for begin in (1, 2):
        output = tmp_path / f"out{begin}"
        process = start(
            "serve", "--data", str(tmp_path / "data"), "--port", "0", home=tmp_path, output=output
        )
        assert wait_for(lambda output=output: "?token=" in output.read_text())  # type: ignore[misc]  # mypy: lambda
        text = output.read_text()
        link = re.findall(r"http://\S+\?token=\S+", text)
        assert len(link) == 1
        assert len(next(line for line in text.splitlines() if "?token=" in line).split(link[0])) == 2
        shown = re.findall(r"tamis_\S{43}", text)
        assert len(shown) == (1 if begin == 1 else 0)
        with httpx2.Client() as browser:
            assert browser.get(link[0]).status_code == 303
            base = link[0].partition("/?")[0]
            assert browser.get(f"{base}/api/v1/count").json()["count"] == 0
        assert httpx2.get(link[0]).status_code == 401
        if begin == 1:
            headers = {"Authorization": f"Bearer {shown[0]}"}
            assert httpx2.get(f"{base}/api/v1/count", headers=headers).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, how: signal.Signals) -> None:
    """With a connection open and an export half read: exit 0, everything sealed, nothing left behind."""
    server = start_server(tmp_path)
    with client(server) as caller:
        assert caller.post("/api/v1/ingest", content=lines(20_000, 1_000)).json()["stored"] == 20_000
        with raw(server) as idle, raw(server) as reader:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(100)
            request = (
                f"GET /api/v1/export HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
            )
            reader.sendall(request.encode())
            assert reader.recv(10)
            server.process.send_signal(how)
            assert server.process.wait(WAIT_S) == 0
    assert "Traceback" not in server.output.read_text()
    assert not (server.data / "local.json").exists()
    assert list(server.data.glob("segments/*/*.parquet"))
    assert list(server.data.glob("journal/*")) == []
    again = start_server(tmp_path)
    with client(again) as caller:
        assert caller.get("/api/v1/count").json()["count"] == 20_000
    assert again.stop() == 0


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """Every batch that was answered 200 is there after `kill -9`, and its key is still known."""
    server = start_server(tmp_path)
    with client(server) as caller:
        first = caller.post("/api/v1/ingest", content=lines(500), headers={"Idempotency-Key": "a"}).json()
    server.kill()
    again = start_server(tmp_path)
    with client(again) as caller:
        assert caller.get("/api/v1/count").json()["count"] == 500
        repeat = caller.post("/api/v1/ingest", content=lines(500), headers={"Idempotency-Key": "a"}).json()
        assert repeat == {**first, "duplicate": True}
    assert again.stop() == 0


def test_a_token_that_came_too_late_is_told(tmp_path: Path) -> None:
    """The token of the environment counts at the first start; at a later one a sentence says so."""
    first = start_server(tmp_path)
    assert first.stop() == 0
    assert "counts at the first start" not in first.output.read_text()
    output = tmp_path / "out"
    arguments = ("serve", "--data", str(tmp_path / "data"), "--port", "0")
    process = start(*arguments, home=tmp_path, output=output, TAMIS_ADMIN_TOKEN="another-token")
    assert wait_for(lambda: "?token=" in output.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0
    assert "counts at the first start" in output.read_text()
    assert "another-token" not in output.read_text()


def test_it_refuses_to_listen_in_clear_beyond_this_machine(tmp_path: Path) -> None:
    """A sentence with both ways out, and no folder is left locked."""
    done = tamis("serve", "--data", str(tmp_path / "data"), "--host", "0.0.0.0", "--port", "0", home=tmp_path)
    assert done.code in (2, 3)
    assert "allow_insecure" in done.err
    assert "Traceback" not in done.err


def test_a_taken_port_and_a_taken_folder_are_told(server: Server, tmp_path: Path) -> None:
    """One sentence each, without a trace."""
    port = str(urlsplit(server.url).port)
    by_port = tamis("serve", "--data", str(tmp_path / "data"), "--port", port, home=tmp_path)
    by_folder = tamis("serve", "--data", str(server.data), "--port", "0", home=tmp_path)
    for done, said in ((by_port, "server.port"), (by_folder, "in use by")):
        assert done.code in (2, 3)
        assert said in done.err
        assert "Traceback" not in done.err
    with client(server) as caller:
        assert caller.get("/api/v1/count").status_code == 200


def test_only_tls_1_3_is_spoken(tmp_path: Path) -> None:
    """With a certificate: 1.3 works, 1.2 is refused, and HTTPS is remembered by browsers."""
    cert, key, output = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "out"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command, *names], check=True, capture_output=True, timeout=WAIT_S)
    extra = {"TAMIS_SERVER_TLS_CERT": str(cert), "TAMIS_SERVER_TLS_KEY": str(key), "TAMIS_ADMIN_TOKEN": TOKEN}
    arguments = ("serve", "--data", str(tmp_path / "data"), "--port", "0")
    process = start(*arguments, home=tmp_path, output=output, **extra)
    assert wait_for(lambda: "?token=" in output.read_text())
    url = urlsplit(re.findall(r"https://\S+", output.read_text())[0])
    try:
        context = ssl.create_default_context(cafile=str(cert))
        connection = http.client.HTTPSConnection("127.0.0.1", url.port, context=context, timeout=WAIT_S)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert (answer.status, connection.sock.version()) == (200, "TLSv1.3")
        assert answer.headers["strict-transport-security"]
        connection.close()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        old = http.client.HTTPSConnection("127.0.0.1", url.port, context=context, timeout=WAIT_S)
        with pytest.raises(ssl.SSLError):
            old.request("GET", "/healthz")
        old.close()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0


def test_a_head_over_its_limit_is_refused(server: Server) -> None:
    """431, however slowly or quickly it comes, and the server goes on."""
    with raw(server) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: " + b"x" * 200_000)
        assert b" 431 " in caller.recv(1_000)
    with client(server) as good:
        assert good.get("/healthz").status_code == 200


def test_slow_heads_and_bodies_are_given_up(tmp_path: Path) -> None:
    """A head that does not end is closed; a body that stands still is 408."""
    output = tmp_path / "out"
    extra = {
        "TAMIS_SERVER_HEADER_TIMEOUT_S": "0.3",
        "TAMIS_SERVER_BODY_TIMEOUT_S": "0.3",
        "TAMIS_ADMIN_TOKEN": TOKEN,
    }
    arguments = ("serve", "--data", str(tmp_path / "data"), "--port", "0")
    process = start(*arguments, home=tmp_path, output=output, **extra)
    assert wait_for(lambda: "?token=" in output.read_text())
    slow = Server(process, re.findall(r"http://[\w.:]+", output.read_text())[0], tmp_path / "data", output)
    try:
        with raw(slow) as caller:
            caller.sendall(b"GET / HTTP/1.1\r\nHost: local")
            assert caller.recv(100) == b""
        with raw(slow) as caller:
            head = f"POST /api/v1/ingest HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
            caller.sendall(head.encode() + b"Content-Length: 100\r\n\r\n{")
            assert b" 408 " in caller.recv(1_000)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /%ff%00/../.. HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET //[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /?q=%zz&a=%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_broken_requests_break_nothing(server: Server, request_bytes: bytes) -> None:
    """Each is refused or closed, and the next caller is served."""
    with raw(server) as caller:
        caller.sendall(request_bytes)
        caller.shutdown(socket.SHUT_WR)
        answer = caller.recv(1_000)
    assert answer == b"" or answer.split()[1][:1] == b"4"
    with client(server) as good:
        assert good.get("/api/v1/count").status_code == 200


def test_a_body_cut_short_stores_nothing(server: Server) -> None:
    """A connection that ends before its body did leaves no record."""
    with client(server) as good:
        before = good.get("/api/v1/count").json()["count"]
        with raw(server) as caller:
            head = f"POST /api/v1/ingest HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
            caller.sendall(head.encode() + b'Content-Length: 1000\r\n\r\n{"message":"half"}\n')
        assert good.get("/api/v1/count", params={"q": "half"}).json()["count"] == 0
        assert good.get("/api/v1/count").json()["count"] == before


def test_a_large_export_takes_little_memory(tmp_path: Path) -> None:
    """Two hundred megabytes go out; held as records and as a file, they would be more than twice that."""
    server = start_server(tmp_path, TAMIS_STORE_MERGE_COUNT="1000")
    with client(server) as caller:
        for _ in range(8):
            assert caller.post("/api/v1/ingest", content=lines(25_000, 1_000)).status_code == 200
    assert (
        server.stop() == 0
    )  # everything is in segments now, and stays in them: nothing but the export takes memory
    again = start_server(tmp_path, TAMIS_STORE_MERGE_COUNT="1000")
    process = psutil.Process(again.process.pid)
    with client(again) as caller:
        assert caller.get("/api/v1/search", params={"q": "n:7"}).status_code == 200
        before = most = process.memory_info().rss
        count = size = 0
        with caller.stream("GET", "/api/v1/export") as answer:
            for piece in answer.iter_bytes(1 << 20):
                size += len(piece)
                count += piece.count(b"\n")
                most = max(most, process.memory_info().rss)
    assert again.stop() == 0
    assert (count, size > 200_000_000) == (200_000, True)
    assert most - before < size, f"{(most - before) >> 20} MiB more for {size >> 20} MiB"


def test_exports_that_nobody_reads_on_hold_no_record_back(tmp_path: Path) -> None:
    """Every place for exports is taken by a reader who stopped reading: records are taken, stored and found."""
    server = start_server(tmp_path, TAMIS_QUERY_EXPORTS_MAX="2", TAMIS_STORE_SEGMENT_RECORDS="5000")
    request = f"GET /api/v1/export HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    with client(server) as caller:
        assert caller.post("/api/v1/ingest", content=lines(20_000, 1_000)).json()["stored"] == 20_000
        with raw(server) as one, raw(server) as other, raw(server) as waiting:
            for reader in (one, other):
                reader.sendall(request.encode())
                assert reader.recv(10)
            waiting.sendall(request.encode())
            for count in range(1, 11):
                assert caller.post("/api/v1/ingest", content=lines(3_000)).json()["stored"] == 3_000
                found = caller.get("/api/v1/count").json()
                assert found.get("count") == 20_000 + count * 3_000, found
            running = 'tamis_tasks_running{executor="export"} 2.0'
            assert running in caller.get("/metrics").text
    assert server.stop() == 0


def test_a_server_at_rest_is_small(tmp_path: Path) -> None:
    """Under 220 MB before anyone asked for anything."""
    server = start_server(tmp_path)
    rss = psutil.Process(server.process.pid).memory_info().rss
    assert server.stop() == 0
    assert rss < 220_000_000, f"{rss:,} bytes"


def test_a_stranger_with_a_slow_body_is_let_go(server: Server) -> None:
    """The refusal of a request whose body is not there yet ends the connection: strangers hold none."""
    with raw(server) as connection:
        connection.sendall(
            b"POST /api/v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"
        )
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer.lower()


def test_an_origin_that_is_none_is_another_site(server: Server) -> None:
    """A header that no browser sends is refused, with a problem and not with an error of the server."""
    with raw(server) as connection:
        head = b"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[::bad\r\nConnection: close\r\n"
        connection.sendall(head + b"Content-Length: 0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 403 "))
