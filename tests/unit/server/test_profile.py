"""Flame graphs of the server, and what it watches of the system."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from tamis.cli.app import build_app
from tamis.server.profiling import LOOK_EVERY, SystemWatch
from tamis.server.service import Service
from tamis.store.memory import MemoryStore
from tamis.telemetry.metrics import Metrics
from tamis.telemetry.profiler import SystemSample
from tamis.telemetry.status import StatusBoard
from tests.support.hand_clock import HandClock
from tests.unit.server.conftest import TOKEN, listening

PATH = "/api/v1/profile"


@pytest.mark.anyio
async def test_a_profile_is_for_callers_with_credentials(stranger: httpx2.AsyncClient) -> None:
    """Nobody else learns what the server's code does."""
    assert (await stranger.get(PATH)).status_code == 401


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "parameter"),
    [("seconds=0", "seconds"), ("seconds=31", "seconds"), ("seconds=1.5", "seconds"), ("format=pdf", "format"),
     ("idle=perhaps", "idle")],
)  # fmt: skip
async def test_what_a_profile_cannot_be(caller: httpx2.AsyncClient, query: str, parameter: str) -> None:
    """Too long, too short and unknown forms are refused at once, by name."""
    answer = await caller.get(f"{PATH}?{query}")
    assert answer.status_code == 400
    assert answer.json()["parameter"] == parameter


@pytest.mark.anyio
async def test_one_profile_at_a_time(caller: httpx2.AsyncClient, app: FastAPI) -> None:
    """The second is told when to come again, the first has its file, and then there is room again; HEAD takes no
    look; the status board says what goes on."""
    service: Service = app.state.service
    first = asyncio.ensure_future(caller.get(f"{PATH}?seconds=1&format=speedscope&idle=true"))
    while not service.profiling.is_busy:
        await asyncio.sleep(0)
    refused = await caller.get(f"{PATH}?seconds=1")
    (work,) = [
        one for one in service.status.board.look().works if one.name == "profile" and one.state == "running"
    ]
    head = await caller.head(PATH)
    made = await first
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert "one at a time" in refused.json()["detail"]
    assert work.total == 1
    assert (head.status_code, head.content) == (200, b"")
    assert made.status_code == 200
    assert made.headers["content-disposition"].endswith('.speedscope.json"')
    found = json.loads(made.content)
    assert any("MainThread" in one["name"] for one in found["profiles"])
    assert not service.profiling.is_busy


@pytest.mark.anyio
async def test_a_stopping_server_gives_what_it_has(caller: httpx2.AsyncClient, app: FastAPI) -> None:
    """A profile does not hold up the stop: it ends early, as a page."""
    service: Service = app.state.service
    running = asyncio.ensure_future(caller.get(f"{PATH}?seconds=30&format=html"))
    while not service.profiling.is_busy:
        await asyncio.sleep(0)
    service.stopping.set()
    made = await running
    assert made.status_code == 200
    assert made.headers["content-type"] == "text/html; charset=utf-8"
    assert "sessionData" in made.text


def test_the_command_prints_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tamis profile` prints text, and writes a file where it is told."""
    with listening(MemoryStore()) as port:
        monkeypatch.setenv("TAMIS_URL", f"http://{TOKEN}@127.0.0.1:{port}")
        command = build_app("profile")
        command(["profile", "--seconds", "1"], result_action="return_value")
        assert "all threads" in capsys.readouterr().out
        target = tmp_path / "page.html"
        command(
            ["profile", "--seconds", "1", "--format", "html", "--output", str(target)],
            result_action="return_value",
        )
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def sample(at_s: float, cpu: float, threads: int = 9) -> SystemSample:
    return SystemSample(
        at_ns=0,
        monotonic_s=at_s,
        cpu_percent=cpu,
        process_cpu_percent=None,
        memory_percent=50.0,
        rss_bytes=1,
        disk_read_bytes_s=None,
        disk_write_bytes_s=None,
        net_sent_bytes_s=None,
        net_received_bytes_s=None,
        threads=threads,
        open_files=3,
    )


def test_what_stands_out_is_told_once_and_when_it_ends() -> None:
    """A busy machine is an event when it begins and when it is over, not every minute; the gauges hold the last."""
    clock, metrics, board = HandClock(), Metrics(), StatusBoard()
    watch = SystemWatch(metrics=metrics, clock=clock, board=board)

    def minutes(number: int, cpu: float) -> None:
        for _ in range(number * LOOK_EVERY):
            clock.pass_s(5.0)
            made = sample(clock.monotonic_s(), cpu)
            watch.profiler._samples.append(made)
            watch.take(made)

    minutes(2, 20.0)
    assert board.look().events == []
    minutes(12, 95.0)
    (told,) = board.look().events
    assert told.severity == "warning"
    assert "The processors were" in told.text
    assert told.facts["about"] == "cpu"
    minutes(8, 10.0)
    assert [one.text for one in board.look().events][1:] == ["cpu: within its limit again"]
    assert metrics.value("tamis_system_cpu_percent") == 10.0
    assert metrics.value("tamis_process_threads") == 9.0
