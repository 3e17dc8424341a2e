"""Clients that send records: processes of their own, one connection each, as cheap as they can be."""

import http.client
import json
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.generate import bodies
from benchmarks.process import HEADERS

INGEST = "/api/v1/ingest"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the clients saw: records acknowledged and refused, seconds from the first byte to the last answer."""

    stored: int
    rejected: int
    seconds: float
    pushed_back: int
    answer_s_max: float


def send_all(paths: Sequence[Path], port: int, *, body_bytes: int, clients: int = 2) -> Sent:
    """Send the files' lines in bodies of at most `body_bytes`, every client its share; return when all are answered."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(clients + 1)
    results: Any = context.Queue()
    workers = [
        context.Process(
            target=_client, args=(list(paths), port, body_bytes, (number, clients), ready, results)
        )
        for number in range(clients)
    ]
    for worker in workers:
        worker.start()
    ready.wait(60)
    begin = time.perf_counter()
    told = [results.get(timeout=600) for _ in workers]
    seconds = time.perf_counter() - begin
    for worker in workers:
        worker.join()
    failures = [one for one in told if isinstance(one, str)]
    if failures:
        raise RuntimeError(failures[0])
    stored, rejected, pushed_back, answer_s_max = zip(*told, strict=True)
    return Sent(sum(stored), sum(rejected), seconds, sum(pushed_back), max(answer_s_max))


def _client(
    paths: list[Path], port: int, body_bytes: int, share: tuple[int, int], ready: Any, results: Any
) -> None:
    number, clients = share
    views = [view for at, view in enumerate(bodies(paths, body_bytes)) if at % clients == number]
    for view in views:
        sum(view[::4096])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    ready.wait(60)
    stored = rejected = pushed_back = 0
    slowest = 0.0
    try:
        for view in views:
            begin = time.perf_counter()
            answer, waits = _send(connection, view)
            slowest = max(slowest, time.perf_counter() - begin)
            stored += answer["stored"]
            rejected += answer["rejected_count"]
            pushed_back += waits
        results.put((stored, rejected, pushed_back, slowest))
    except Exception as error:  # told to the parent, which raises it
        results.put(f"a client failed: {error!r}")


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
