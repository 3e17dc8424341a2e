"""The four measurements, one after the other, on one server with one corpus whose last record is of now."""

import http.client
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.generate import DAY_MS, DAY_START_MS, bodies
from benchmarks.measure import load, say
from benchmarks.process import HEADERS, Reader, ServerProcess
from benchmarks.questions.moved import instants, with_times
from benchmarks.questions.viewers import READY
from benchmarks.settle import settle

BODY_BYTES = 4_000_000
LEAD_MS = 2_400_000
"""The corpus goes on for so long after it was begun to be sent: while it is taken in and settles, and is asked."""
NOTHING_KEPT = {"TAMIS_QUERY_CACHE_BYTES": "off", "TAMIS_QUERY_KEPT_BYTES": "off"}

TEAM_RATE, DIFFERENT_RATE, SEARCH_RATE, INGEST_RATE = 1_000, 40, 20, 50_000
VIEWERS, LIVE_QUERIES, EVENTS_PER_S = 1_000, 20, 10_000
SHARE_WATCHED = 10
"""One record in so many is one that somebody watches."""

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Paces:
    """How long each measurement lasts."""

    asked_s: float = 20.0
    warm_s: float = 4.0
    yardstick_s: float = 6.0


def run(data: Path, paths: Sequence[Path], paces: Paces = Paces()) -> Figures:
    """Take the records in, let them settle, and measure."""
    say("questions: records")
    records = take_in(data, paths)
    settle(data)
    return measured(data, paths, records, paces=paces)


def measured(data: Path, paths: Sequence[Path], records: int, *, paces: Paces = Paces()) -> Figures:
    """The figures of a folder that is there, with records up to now and beyond."""
    figures: Figures = {"records": records, "load_before": load()}
    say("questions: with nothing kept, as a yardstick")
    with serving(data, NOTHING_KEPT) as server:
        asked(server, "different", DIFFERENT_RATE, paces.warm_s)
        figures["different_yardstick"] = asked(server, "different", DIFFERENT_RATE, paces.yardstick_s)
        figures["team_yardstick"] = asked(server, "team", TEAM_RATE / 10, paces.yardstick_s)
    with serving(data, {}) as server:
        figures["last_hour"] = last_hour(server)
        say("questions: different ones")
        asked(server, "different", DIFFERENT_RATE, paces.warm_s)
        figures["different"] = asked(server, "different", DIFFERENT_RATE, paces.asked_s)
        say("questions: a busy team's")
        asked(server, "team", TEAM_RATE, paces.warm_s)
        figures["team"] = asked(server, "team", TEAM_RATE, paces.asked_s)
        figures["kept_share"] = kept_share(server)
        say("questions: beside ingestion")
        figures["beside"] = beside(server, paths, paces.asked_s)
        say("questions: live")
        figures["live"] = live(server, paths, paces.asked_s)
    return figures


def last_hour(server: ServerProcess) -> int:
    """How many records there are that most questions are about."""
    reader = Reader(server.port)
    count: int = reader.get("/api/v1/count", q="", start="-1h", end="now")["count"]
    reader.close()
    return count


def take_in(data: Path, paths: Sequence[Path]) -> int:
    """All records into an empty server, moved so that the last ones are of now; how many."""
    shutil.rmtree(data, ignore_errors=True)
    delta = time.time_ns() // 1_000_000 + LEAD_MS - DAY_START_MS - DAY_MS
    with serving(data, {}) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        for body in bodies(paths, BODY_BYTES):
            send(connection, with_times(body, instants(body) + delta))
        reader = Reader(server.port)
        count: int = reader.get("/api/v1/count", q="")["count"]
        reader.close()
    return count


def send(connection: http.client.HTTPConnection, body: bytes) -> None:
    """Send a body, until it is taken."""
    while True:
        connection.request(
            "POST", "/api/v1/ingest", body=body, headers={**HEADERS, "Content-Type": "x/ndjson"}
        )
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            return
        time.sleep(0.2)


@contextmanager
def serving(data: Path, environment: dict[str, str]) -> Iterator[ServerProcess]:
    """A server on the folder."""
    server = ServerProcess(data, environment=environment)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def spent(server: ServerProcess, figures: Figures) -> Iterator[None]:
    """Add the server's share of one processor and its most memory, inside."""
    server.reset_peak()
    cpu, begin = server.cpu_s(), time.monotonic()
    yield
    figures["server_cores"] = (server.cpu_s() - cpu) / (time.monotonic() - begin)
    figures["peak_mib"] = server.peak_mib()


def asked(server: ServerProcess, source: str, rate: float, seconds: float) -> Figures:
    """Questions at a rate."""
    figures: Figures = {}
    with spent(server, figures):
        figures |= told(start("load", server.port, source, rate, seconds))
    return figures


def beside(server: ServerProcess, paths: Sequence[Path], seconds: float) -> Figures:
    """Searches of the last 15 minutes while records come."""
    figures: Figures = {}
    with spent(server, figures):
        pouring = start("pour", server.port, INGEST_RATE, seconds, 0, *paths[:1])
        figures |= told(start("load", server.port, "searches", SEARCH_RATE, seconds))
        figures["ingest"] = told(pouring)
    return figures


def live(server: ServerProcess, paths: Sequence[Path], seconds: float) -> Figures:
    """Viewers, and records that they watch."""
    figures: Figures = {}
    events = EVENTS_PER_S / (VIEWERS / LIVE_QUERIES)
    watching = start("viewers", server.port, VIEWERS, LIVE_QUERIES, seconds + 4)
    assert watching.stdout is not None
    if watching.stdout.readline() != READY:
        raise RuntimeError("the viewers did not start")
    with spent(server, figures):
        rate, marks = events * SHARE_WATCHED, LIVE_QUERIES * SHARE_WATCHED
        figures["ingest"] = told(start("pour", server.port, rate, seconds, marks, *paths[:1]))
    figures |= told(watching)
    stored = figures["ingest"]["stored"]
    figures["expected"] = (
        VIEWERS // LIVE_QUERIES * sum(len(range(at, stored, marks)) for at in range(LIVE_QUERIES))
    )
    figures["events_per_s"] = figures["events"] / seconds
    return figures


def kept_share(server: ServerProcess) -> float:
    """How many of all answers so far were given from memory."""
    reader = Reader(server.port)
    text = reader.raw("/metrics").decode()
    reader.close()
    values = {line.split(" ")[0]: float(line.split(" ")[1]) for line in text.splitlines() if line[:1] != "#"}
    kept, computed = (
        values.get(f'tamis_answers_total{{source="{name}"}}', 0) for name in ("kept", "computed")
    )
    return kept / max(kept + computed, 1)


def start(module: str, *arguments: object) -> "subprocess.Popen[str]":
    """A process of ours."""
    command = [sys.executable, "-m", f"benchmarks.questions.{module}", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def told(process: "subprocess.Popen[str]") -> Figures:
    """The JSON that it prints at its end."""
    stream: IO[str] | None = process.stdout
    assert stream is not None
    text = stream.read()
    if process.wait():
        raise RuntimeError(f"{process.args!r} failed")
    found: Figures = json.loads(text)
    return found
