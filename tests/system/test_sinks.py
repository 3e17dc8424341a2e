"""Sinks and applications against a real Tamis server that is killed and comes back."""

import json
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tamis.errors import ConfigError, SinkUnavailableError
from tamis.pipeline.base import DELIVERED, Batch
from tamis.pipeline.sinks.otlp import OtlpSink
from tamis.pipeline.sinks.tamis_server import TamisSink
from tamis.record.model import Record
from tests.support.commands import TOKEN, Server, environment, start_server, wait_for

T0 = 1_763_719_200_000_000_000
TIMEOUT_S = 5.0
WAIT_S = 60.0
NO_PATIENCE = {"TAMIS_INGEST_GAP_SETTLE_S": "0"}
"""A gap counts as lost at once."""


def batch(first: int, count: int) -> Batch:
    records = tuple(
        Record(
            timestamp=T0 + number,
            message=f"record {number}",
            level="INFO",
            service="shop",
            attributes={"process": "0a1b2c3d", "process_id": 7, "sequence": number},
        )
        for number in range(first, first + count)
    )
    return Batch(f"0a1b2c3d-test-{first}-{count}", records)


def ask(server: Server, path: str, **parameters: Any) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=server.url, headers=headers, timeout=30) as caller:
        answer = caller.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


def exported(server: Server) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=server.url, headers=headers, timeout=30) as caller:
        answer = caller.get("/api/v1/export", params={"format": "ndjson"})
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


def sent_until_acknowledged(sink: TamisSink, given: Batch) -> int:
    """Send a batch as the pipeline does, under its id, until it is acknowledged; how many tries it took."""
    ends_s = time.monotonic() + WAIT_S
    tries = 0
    while time.monotonic() < ends_s:
        tries += 1
        try:
            assert sink.send(given, timeout_s=TIMEOUT_S) == DELIVERED
            return tries
        except SinkUnavailableError:
            time.sleep(0.05)  # the server starts again meanwhile
    raise AssertionError("never acknowledged")


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_otlp_sent_twice_is_stored_once(tmp_path: Path, encoding: str) -> None:
    """OpenTelemetry's protocol knows no batch ids, but this server and our sink do: what comes again is known."""
    server = start_server(tmp_path)
    address = urlsplit(server.url).netloc
    sinks = [OtlpSink(f"otlp+http://{TOKEN}@{address}?encoding={encoding}") for _ in range(2)]
    for sink in sinks:
        for first in (1, 4):
            assert sink.send(batch(first, 3), timeout_s=TIMEOUT_S) == DELIVERED
        sink.close()
    assert Counter(row["message"] for row in exported(server)) == {f"record {n}": 1 for n in range(1, 7)}
    assert server.stop() == 0


def test_what_is_acknowledged_is_stored_once_though_the_server_is_killed(tmp_path: Path) -> None:
    """`kill -9` three times in the middle of the stream: every record is there exactly once, and none is missing."""
    server = start_server(tmp_path)
    port = str(urlsplit(server.url).port)
    sink = TamisSink(f"http://{TOKEN}@127.0.0.1:{port}")
    acknowledged, tries, ends = [0], [0], threading.Event()

    def stream() -> None:
        while not ends.is_set():
            tries[0] += sent_until_acknowledged(sink, batch(acknowledged[0] + 1, 50))
            acknowledged[0] += 50

    streaming = threading.Thread(target=stream)
    streaming.start()
    try:
        for _ in range(3):
            before = acknowledged[0]
            assert wait_for(lambda before=before: acknowledged[0] >= before + 500, WAIT_S)  # type: ignore[misc]  # mypy: lambda
            server.kill()
            server = start_server(tmp_path, port=port, **NO_PATIENCE)
    finally:
        ends.set()
        streaming.join(WAIT_S)
    assert tries[0] > acknowledged[0] // 50
    found = Counter(row["message"] for row in exported(server))
    assert found == {f"record {number}": 1 for number in range(1, acknowledged[0] + 1)}
    assert ask(server, "/api/v1/losses")["losses"] == []
    sink.close()
    assert server.stop() == 0


APPLICATION = """
    import sys, tamis
    url, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tamis.configure(service="shop", sinks=[url], spool_folder=folder, code_level="CRITICAL")
    log = tamis.get_logger("shop.orders")
    for number in range(count):
        log.info("order %d", number, password="hunter2")
        if number % 1_000 == 0:
            print(number, flush=True)
            tamis.flush(0.2)
    print("end", flush=True)
    sys.stdin.readline()
"""


def started(command: list[str], told: dict[str, str], folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command, env=told, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_an_applications_records_are_all_there_after_the_server_came_back(tmp_path: Path) -> None:
    """The application logs on and ends while the server is dead; the next one delivers what it left, each record
    once, redacted.
    """
    server = start_server(tmp_path)
    port = str(urlsplit(server.url).port)
    script = tmp_path / "application.py"
    script.write_text(textwrap.dedent(APPLICATION), "utf-8")
    command = [sys.executable, str(script), f"http://127.0.0.1:{port}", str(tmp_path / "state")]
    told = environment(tmp_path, TAMIS_TOKEN=TOKEN, TAMIS_LOG_EXIT_S="1")
    first = started([*command, "5000"], told, tmp_path)
    assert first.stdout is not None
    assert first.stdout.readline() == "0\n"
    assert first.stdout.readline() == "1000\n"
    server.kill()
    assert first.communicate("\n", timeout=60)[0].endswith("end\n")
    assert first.returncode == 0
    server = start_server(tmp_path, port=port, **NO_PATIENCE)
    second = started([*command, "1"], told | {"TAMIS_SPOOL_ADOPT_INTERVAL_S": "0.1"}, tmp_path)
    assert wait_for(lambda: ask(server, "/api/v1/count")["count"] >= 5_001, WAIT_S)
    second.communicate("\n", timeout=60)
    assert second.returncode == 0
    rows = exported(server)
    counts = Counter(row["message"] for row in rows)
    assert counts == {f"order {number}": 1 for number in range(1, 5_000)} | {"order 0": 2}
    assert {row["attributes"]["password"] for row in rows} == {"***REDACTED***"}
    followed = ask(server, "/api/v1/losses")
    assert (followed["losses"], followed["processes"]) == ([], 2)
    assert server.stop() == 0


def test_certificates_are_looked_at(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is refused with what to do; `ca_file` and `verify=off` are ways on."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command, *names], check=True, capture_output=True, timeout=WAIT_S)
    server = start_server(tmp_path, TAMIS_SERVER_TLS_CERT=str(cert), TAMIS_SERVER_TLS_KEY=str(key))
    port = urlsplit(server.url).port
    stranger = TamisSink(f"https://{TOKEN}@127.0.0.1:{port}")
    with pytest.raises(SinkUnavailableError, match="ca_file") as caught:
        stranger.send(batch(1, 10), timeout_s=WAIT_S)
    assert TOKEN not in str(caught.value)
    for number, option in enumerate((f"ca_file={cert}", "verify=off")):
        sink = TamisSink(f"https://{TOKEN}@127.0.0.1:{port}?{option}")
        assert sink.send(batch(1 + 10 * number, 10), timeout_s=WAIT_S) == DELIVERED
        sink.close()
    with pytest.raises(ConfigError, match="no such file"):
        TamisSink(f"https://127.0.0.1:{port}?ca_file={tmp_path}/none.pem")
    assert server.stop() == 0
