"""Applications at the limits of what they may have: memory, disk, processes, signals, threads that are none."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.elasticsearch_server import ElasticsearchServer
from tests.support.tamis_server import TamisServer
from tests.system.chaos.applications import Application, application, keys_of, wait_for_all
from tests.system.chaos.arrivals import (
    Arrival,
    assert_all_once,
    assert_in_order,
    at_elasticsearch,
    at_small_tamis,
)

MIB = 1 << 20
DISK_BYTES = 1 << 20
ROUNDS, STARVED = 5, 200
ONE_ARENA = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 17),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 17),
}
"""Else each thread sets 64 MiB of addresses aside, which count, and what is freed is kept."""


@pytest.fixture
def cluster() -> Iterator[ElasticsearchServer]:
    with ElasticsearchServer() as server:
        yield server


@pytest.fixture
def small() -> Iterator[TamisServer]:
    with TamisServer() as server:
        yield server


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of a mebibyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False, timeout=30).returncode:
        pytest.skip(
            "a small disk takes the right to mount one; the limit on file sizes is tested beside this"
        )
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=30)


def sink_of(cluster: ElasticsearchServer) -> str:
    return f"elasticsearch+{cluster.url}/chaos"


def assert_arrived(app: Application, found: list[Arrival], last: dict[str, Any]) -> None:
    assert [sink["dropped"] for sink in last["sinks"].values() if sink["dropped"]] == [], app.said()
    assert_all_once(found, keys_of(app.name, last["logged"]))
    assert_in_order(found)


@pytest.mark.parametrize("overflow", ["spool", "block"])
def test_memory_is_limited(tmp_path: Path, small: TamisServer, overflow: str) -> None:
    """The process may have 100 MiB more than it has, and logs 112 MB while the store is away: what waits stays in its
    bounds, callers wait where nothing else has room, and all arrives.
    """
    how: dict[str, Any] = {"overflow": overflow, "queue_bytes_max": 4 * MIB, "queue_records_max": 2_000}
    is_spooled = overflow == "spool"
    with application(
        tmp_path, "app", small.url, **how, spool_enabled=is_spooled, block_s=60.0, env=ONE_ARENA
    ) as app:
        app.ask("burst", count=100)
        app.ask("limit_memory", more=100 * MIB)
        small.refuse()
        app.tell("burst", count=1_400, threads=4, size=20_000)
        if is_spooled:
            app.answer()
        small.listen()
        if not is_spooled:
            app.answer()
        wait_for_all(app)
        last = app.end()
    assert_arrived(app, at_small_tamis(small), last)


def test_memory_is_used_up(tmp_path: Path, small: TamisServer) -> None:
    """The application itself has taken all memory there is: logging raises nothing into it, and when it gives the
    memory back everything that was taken arrives; what could not be kept is counted.
    """
    with application(tmp_path, "app", small.url, env=ONE_ARENA) as app:
        app.trouble_allowed = ("goes on:",)
        app.ask("burst", count=200)
        wait_for_all(app)
        app.ask("limit_memory", more=64 * MIB)
        for _ in range(ROUNDS):
            assert app.ask("starve", count=STARVED)["raised_by_tamis"] == 0
            app.ask("burst", count=100)
        wait_for_all(app)
        last = app.end()
    (sink,) = last["sinks"].values()
    found = at_small_tamis(small)
    assert len(found) == len({arrival.key for arrival in found}) == sink["delivered"]
    assert last["logged"] == {"t0": 200 + ROUNDS * 100, "starved": ROUNDS * STARVED}
    assert_in_order(found, whole=False)


def test_the_disk_is_full(tmp_path: Path, small: TamisServer, small_disk: Path) -> None:
    """The spool's disk has a mebibyte, the store is away, five are logged: memory takes what it may, then callers
    wait; all arrives, in order, and stderr says what happened.
    """
    how: dict[str, Any] = {"spool_folder": str(small_disk), "queue_records_max": 2_000, "block_s": 60.0}
    with application(tmp_path, "app", small.url, **how) as app:
        small.refuse()
        app.tell("burst", count=5_000, threads=4, size=300)
        app.wait_for_words("records wait in memory")
        small.listen()
        app.answer()
        wait_for_all(app)
        last = app.end()
    assert_arrived(app, at_small_tamis(small), last)


def test_files_may_not_grow(tmp_path: Path, small: TamisServer) -> None:
    """A limit on the size of files (RLIMIT_FSIZE) ends parts of the spool in the middle of a frame: nothing is lost."""
    how: dict[str, Any] = {"queue_records_max": 2_000, "block_s": 60.0}
    with application(tmp_path, "app", small.url, **how) as app:
        app.ask("limit_files", most=200_000)
        small.refuse()
        app.tell("burst", count=5_000, threads=4, size=300)
        app.wait_for_words("away")
        small.listen()
        app.answer()
        wait_for_all(app)
        last = app.end()
    assert_arrived(app, at_small_tamis(small), last)


def test_forks_in_the_middle_of_a_burst(
    tmp_path: Path, cluster: ElasticsearchServer, small: TamisServer
) -> None:
    """Children begin while four threads log to three sinks: theirs and the parent's records arrive, each once, each
    process numbered from 1 and in order.
    """
    with application(tmp_path, "app", small.url, sink_of(cluster), f"file://{tmp_path}/log.jsonl") as app:
        assert app.ask("fork", children=4, count=1_000, threads=4)["codes"] == [0] * 4
        wait_for_all(app)
        last = app.ask("shutdown")
        app.check()
    assert last["broken_sums"] == []
    for found in (at_small_tamis(small), at_elasticsearch(cluster)):
        assert_all_once(found, keys_of("app", last["logged"]))
        assert_in_order(found)
        assert len({arrival.process for arrival in found}) == 5


def test_two_thousand_signals_a_second(
    tmp_path: Path, cluster: ElasticsearchServer, small: TamisServer
) -> None:
    """A handler logs at each, in the middle of whatever the main thread does; all arrive."""
    with application(tmp_path, "app", small.url, sink_of(cluster)) as app:
        small.refuse()
        app.ask("signals", seconds=1.5, hertz=2_000.0)
        small.listen()
        wait_for_all(app)
        last = app.end()
    assert last["logged"]["handler"] > 300
    for found in (at_small_tamis(small), at_elasticsearch(cluster)):
        assert_arrived(app, found, last)


def test_greenlets(tmp_path: Path, small: TamisServer) -> None:
    """An application patched by gevent: its greenlets log while the store is away, nothing is stuck, all arrive."""
    with application(tmp_path, "app", small.url, patched=True) as app:
        app.ask("burst", count=200, threads=4)
        small.refuse()
        app.ask("burst", count=500, threads=20)
        small.listen()
        wait_for_all(app)
        last = app.end()
    assert_arrived(app, at_small_tamis(small), last)
