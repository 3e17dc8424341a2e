"""Records into a real server over HTTP: how fast, in how much memory, onto how many bytes, how soon up again."""

import json
import shutil
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.asked import answer_over_http
from benchmarks.clients import send_all
from benchmarks.measure import folder_bytes, load
from benchmarks.process import MIB, Reader, ServerProcess
from benchmarks.queries import Question

BODY_BYTES = 4_000_000
CLIENTS = 2
REST_S, SHORT_REST_S = 3.0, 0.5
"""Memory at rest is looked at after the first; a corpus that is taken in again need not wait so long again."""


def ingested(data: Path, paths: list[Path], *, rest_s: float = REST_S) -> dict[str, Any]:
    """The figures of taking in a corpus into an empty server that has rested so long; its data stay."""
    shutil.rmtree(data, ignore_errors=True)
    server = ServerProcess(data)
    server.start()
    try:
        time.sleep(rest_s)
        rest_mib = server.memory_mib()
        server.reset_peak()
        cpu = server.cpu_s()
        sent = send_all(paths, server.port, body_bytes=BODY_BYTES, clients=CLIENTS)
        cpu = server.cpu_s() - cpu
        peak_mib = server.peak_mib()
        reader = Reader(server.port)
        found = reader.get("/api/v1/count", q="")["count"]
        reader.close()
    finally:
        server.stop()
    if found != sent.stored:
        raise RuntimeError(f"{sent.stored:,} records were acknowledged, {found:,} are there")
    return {
        "records_per_s": (sent.stored + sent.rejected) / sent.seconds,
        "mib_per_s": sum(path.stat().st_size for path in paths) / MIB / sent.seconds,
        "server_cpu_s": cpu,
        **asdict(sent),
        "rest_mib": rest_mib,
        "peak_mib": peak_mib,
        "bytes": folder_bytes(data),
        "load": load(),
    }


def read(data: Path, questions: tuple[Question, ...], *, start_runs: int) -> dict[str, Any]:
    """The figures of reading a folder that is there: start-up, the questions over HTTP, memory at the heaviest."""
    starts = []
    for _ in range(start_runs - 1):
        server = ServerProcess(data)
        starts.append(server.start())
        server.stop()
    server = ServerProcess(data)
    starts.append(server.start())
    try:
        rest_mib = server.memory_mib()
        asked = [answer_over_http(server, question) for question in questions]
    finally:
        server.stop()
    return {
        "start_s": statistics.median(starts),
        "starts_s": starts,
        "rest_mib": rest_mib,
        "questions": asked,
        "peak_mib": max(one["peak_mib"] for one in asked),
    }


def good_lines(paths: list[Path]) -> int:
    """How many lines of a corpus are JSON objects: what a server has to store of it."""
    good = 0
    for path in paths:
        with path.open("rb") as lines:
            good += sum(_is_object(line) for line in lines)
    return good


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
