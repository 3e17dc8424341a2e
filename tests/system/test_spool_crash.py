"""A process that logs and is killed: what is on disk then, and who sends it."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tamis.pipeline.delivery.replay import replay
from tamis.pipeline.spool.store import SpoolStore
from tests.support.calls import loss_of
from tests.support.commands import wait_for
from tests.support.sinks import QUICK, SPOOLED, Gathering
from tests.system.chaos.applications import let_run

CHILD = Path(__file__).resolve().parents[1] / "support" / "logging_child.py"
ROOT = CHILD.parents[2]
PROMISE_S = 0.05
THREADS, WAIT_S = 4, 60.0


def child(folder: Path, *how: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(folder), *how], stdout=subprocess.PIPE, env=environment
    )


def killed_after(folder: Path, seconds: float, durable: str) -> list[tuple[int, float]]:
    """What the process said before it was killed: record numbers, and when `put` had returned."""
    with child(folder, durable) as logging:
        assert logging.stdout is not None
        said = [logging.stdout.readline()]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            said.append(logging.stdout.readline())
        logging.send_signal(signal.SIGKILL)
        said += logging.stdout.readlines()
    whole = [line.split() for line in said if line.endswith(b"\n")]
    return [(int(number), float(instant)) for number, instant in whole]


def left_in(folder: Path) -> list[int]:
    """What the next process delivers."""
    sink = Gathering("far", SPOOLED, spooled=True)
    counts = replay(sink, SpoolStore(folder, "far"), limits=QUICK)
    assert counts.dropped == {}
    found: list[Any] = [record.attributes["n"] for record in sink.records]
    assert found == sorted(set(found))
    return found


def test_a_killed_process_loses_the_last_moments_at_most(tmp_path: Path) -> None:
    """kill -9 costs at most what was logged in the last 50 ms (on a machine as busy as this: in most of some
    attempts), and nothing before; what is left arrives once and in order.
    """
    losses = []
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        said = killed_after(folder, random.Random(attempt).uniform(0.3, 0.7), "off")
        found = left_in(folder)
        assert found == list(range(len(found)))
        end_s = said[-1][1]
        losses.append(max((end_s - instant for number, instant in said if number >= len(found)), default=0.0))
    assert sorted(losses)[2] <= PROMISE_S
    assert max(losses) < 1.0


def test_a_process_that_is_killed_while_it_logs_in_a_loop(tmp_path: Path) -> None:
    """Four threads log as fast as they can, faster than anybody could write it: they are made to wait, so that what the
    kill costs is as young as ever. By the processor's time, in most of some attempts: on the clock a machine as busy
    as this may let the process stand still in the middle of it.
    """
    losses = []
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        with child(folder, "off", str(THREADS)) as logging:
            assert logging.stdout is not None
            assert logging.stdout.readline() == b"begun\n"
            assert wait_for(lambda: any(folder.glob("spool/*/*/*.journal")), WAIT_S)  # noqa: B023  # called here
            let_run(random.Random(attempt).uniform(0.2, 0.4))
            logging.send_signal(signal.SIGKILL)
        sink = Gathering("far", SPOOLED, spooled=True)
        assert replay(sink, SpoolStore(folder, "far"), limits=QUICK).dropped == {}
        arrived: dict[Any, list[Any]] = {thread: [] for thread in range(THREADS)}
        for record in sink.records:
            arrived[record.attributes["by"]].append(record.attributes["n"])
        assert all(numbers == list(range(len(numbers))) for numbers in arrived.values())
        losses.append(loss_of(folder / "calls", {thread: len(own) for thread, own in arrived.items()}))
    assert sorted(loss.processor_s for loss in losses)[1] <= PROMISE_S, losses
    assert max(loss.clock_s for loss in losses) < 5.0, losses


@pytest.mark.parametrize("durable", ["process", "disk"])
def test_a_durable_record_survives_the_kill(tmp_path: Path, durable: str) -> None:
    """Whatever `put` returned for is delivered by the next process."""
    said = killed_after(tmp_path, 0.5, durable)
    found = left_in(tmp_path)
    assert said
    assert found[: len(said)] == [number for number, _ in said]
    assert len(found) <= len(said) + 20 + 1
