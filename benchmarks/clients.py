"""Clients that send records: processes of their own, one connection each, as cheap as they can be."""

import http.client
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.generate import bodies
from benchmarks.process import HEADERS

INGEST = "/api/v1/ingest"
READY = "ready\n"
PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Sent:
    """What the clients saw: records acknowledged and refused, seconds from the first byte to the last answer."""

    stored: int
    rejected: int
    seconds: float
    pushed_back: int
    answer_s_max: float


def send_all(paths: Sequence[Path], port: int, *, body_bytes: int, clients: int = 2) -> Sent:
    """Send the files' lines in bodies of at most `body_bytes`, each client its share; return when all are answered."""
    workers = [_start(number, clients, port, body_bytes, paths) for number in range(clients)]
    for worker in workers:
        if _pipe(worker.stdout).readline() != READY:
            raise RuntimeError("a client did not start")
    begin = time.perf_counter()
    for worker in workers:
        _pipe(worker.stdin).close()
    told = [_pipe(worker.stdout).read() for worker in workers]
    seconds = time.perf_counter() - begin
    if any(worker.wait() for worker in workers):
        raise RuntimeError("a client failed")
    stored, rejected, pushed_back, answer_s_max = zip(*map(json.loads, told), strict=True)
    return Sent(sum(stored), sum(rejected), seconds, sum(pushed_back), max(answer_s_max))


def _start(
    number: int, clients: int, port: int, body_bytes: int, paths: Sequence[Path]
) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "benchmarks.clients",
        *map(str, (number, clients, port, body_bytes, *paths)),
    ]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def main() -> None:
    """One client: get ready, say so, wait for the end of the input, send, tell what was answered."""
    number, clients, port, body_bytes = map(int, sys.argv[1:5])
    paths = [Path(text) for text in sys.argv[5:]]
    views = list(itertools.islice(bodies(paths, body_bytes), number, None, clients))
    for view in views:
        sum(view[::PAGE_BYTES])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    print(READY, end="", flush=True)
    sys.stdin.read()
    stored = rejected = pushed_back = 0
    slowest = 0.0
    for view in views:
        begin = time.perf_counter()
        answer, waits = _send(connection, view)
        slowest = max(slowest, time.perf_counter() - begin)
        stored += answer["stored"]
        rejected += answer["rejected_count"]
        pushed_back += waits
    print(json.dumps([stored, rejected, pushed_back, slowest]))


def _send(connection: http.client.HTTPConnection, body: memoryview) -> tuple[dict[str, Any], int]:
    """The answer to a body, sent again while the server pushes back; and how often it did."""
    waits = 0
    while True:
        connection.request(
            "POST", INGEST, body=body, headers={**HEADERS, "Content-Type": "application/x-ndjson"}
        )
        answer = connection.getresponse()
        data = answer.read()
        if answer.status == 200:
            return json.loads(data), waits
        if answer.status not in (429, 503):
            raise RuntimeError(f"{answer.status} {data[:500].decode(errors='replace')}")
        waits += 1
        time.sleep(min(float(answer.headers.get("Retry-After", "0.1")), 1.0))


if __name__ == "__main__":
    main()
