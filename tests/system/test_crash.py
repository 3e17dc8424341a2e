"""A real process that appends is killed at random moments, again and again: none lost, none twice."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.store.embedded.recovery.verify import verify
from tamis.store.embedded.store import open_store
from tests.support import crash_child
from tests.support.embedded import doubled, messages

ROOT = Path(__file__).parents[2]


def start(folder: Path, following: dict[str, int]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.crash_child", str(folder)]
    return subprocess.Popen(
        [*command, *(str(following[name]) for name in "ab")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src"},
    )


def whole_lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """What the process said; a line that the kill cut short was not said."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):
            yield line.rstrip("\n")


def run_and_kill(folder: Path, following: dict[str, int], lines: int) -> None:
    """Let the process run until it has said so many lines, kill it, and count what it acknowledged."""
    process = start(folder, following)
    try:
        for place, line in enumerate(whole_lines(process)):
            if line != "open":
                name, number = line.split()
                following[name] = int(number) + 1
            if place == lines:
                process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait(timeout=30)
        process.stdout.close()  # type: ignore[union-attr]  # it was asked for
    assert process.returncode == -signal.SIGKILL


def check(folder: Path, following: dict[str, int]) -> None:
    """Everything acknowledged is there, once; at most one batch of each thread beyond it, whole."""
    store = open_store(folder, crash_child.OPTIONS)
    found = messages(store)
    assert store.health().state == "ready"
    assert not doubled(found)
    for name, number in following.items():
        wanted = {text for n in range(number) for text in crash_child.texts(name, n)}
        there = {text for text in found if text.startswith(name)}
        assert wanted <= there
        assert there - wanted in (set(), set(crash_child.texts(name, number)))
        for n in range(number):
            known = store.find_batch(f"{name}-{n}")
            assert known is not None
            assert known.receipt == b"%d" % n
    store.close()
    assert verify(folder).is_whole


def kill_often(folder: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    following = {"a": 0, "b": 0}
    for _ in range(kills):
        run_and_kill(folder, following, rng.choice((0, 1, 5, 20, 60, 120)) + rng.randrange(5))
    check(folder, following)
    assert sum(following.values()) > 0


def test_a_store_survives_kill_9(tmp_path):
    """Five kills while two threads append and send again: stored = acknowledged, exactly."""
    kill_often(tmp_path / "data", 5, seed=1)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_store_survives_fifty_kills(tmp_path):
    """Fifty kills, with seals and merges going on."""
    kill_often(tmp_path / "data", 50, seed=2)
