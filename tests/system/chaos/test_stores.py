"""Stores that fail in every way they can, while an application logs: nothing is lost, nothing arrives twice."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.elasticsearch_server import ElasticsearchServer
from tests.support.faulty_server import Fault, FaultyServer, cut, drop, garble, refuse_with, stall
from tests.support.tamis_server import TamisServer
from tests.system.chaos.applications import Application, application, keys_of, wait_for_all
from tests.system.chaos.arrivals import (
    Arrival,
    assert_all_once,
    assert_in_order,
    at_elasticsearch,
    at_small_tamis,
    in_file,
)

SUSTAINABLE = 2_000
"""Records a second that a slow store takes: a batch of a hundred in each `SLOW_S`."""
SLOW_S = 0.05
AWAY_S = 1.3

Found = Callable[[], list[Arrival]]


@pytest.fixture
def cluster() -> Iterator[ElasticsearchServer]:
    with ElasticsearchServer() as server:
        yield server


@pytest.fixture
def small() -> Iterator[TamisServer]:
    with TamisServer() as server:
        yield server


@pytest.fixture(params=["elasticsearch", "tamis"])
def store(
    request: pytest.FixtureRequest, cluster: ElasticsearchServer, small: TamisServer
) -> tuple[FaultyServer, str, Found]:
    """One kind of store, its URL as a sink, and what it has."""
    if request.param == "tamis":
        return small, small.url, lambda: at_small_tamis(small)
    return cluster, sink_of(cluster), lambda: at_elasticsearch(cluster)


def sink_of(cluster: ElasticsearchServer) -> str:
    return f"elasticsearch+{cluster.url}/chaos"


def back_after(server: FaultyServer, seconds: float, *, clear: bool = False) -> threading.Timer:
    timer = threading.Timer(seconds, server.clear if clear else server.listen)
    timer.start()
    return timer


def assert_arrived(app: Application, found: list[Arrival], last: dict[str, Any]) -> None:
    assert [sink["dropped"] for sink in last["sinks"].values() if sink["dropped"]] == [], app.said()
    assert_all_once(found, keys_of(app.name, last["logged"]))
    assert_in_order(found)


def test_baseline(tmp_path: Path, cluster: ElasticsearchServer, small: TamisServer) -> None:
    """Nothing is wrong: four threads' records of every level arrive at three sinks, each once and in order."""
    file = tmp_path / "log.jsonl"
    with application(tmp_path, "app", small.url, sink_of(cluster), f"file://{file}") as app:
        app.ask("burst", count=1_500, threads=4, level="any")
        assert app.ask("flush")["done"]
        last = app.end()
    for found in (at_small_tamis(small), at_elasticsearch(cluster), in_file(file)):
        assert_arrived(app, found, last)
    assert [sink["delivered"] for sink in last["sinks"].values()] == [6_000] * 3


def test_the_store_is_away_for_longer_than_the_queue_holds(
    tmp_path: Path, store: tuple[FaultyServer, str, Found]
) -> None:
    """The spool takes twenty times what the queue holds, the caller does not wait for it; all arrive."""
    server, url, found = store
    with application(tmp_path, "app", url, queue_records_max=1_000) as app:
        app.ask("burst", count=300)
        server.refuse()
        away = app.ask("burst", count=5_000, threads=4)
        assert away["slowest_s"] < AWAY_S * 4
        assert app.ask("sums")["sinks"].popitem()[1]["spooled"] > 10_000
        server.listen()
        app.ask("burst", count=300)
        wait_for_all(app)
        last = app.end()
    assert_arrived(app, found(), last)


def test_callers_wait_for_a_store_when_there_is_no_spool(
    tmp_path: Path, store: tuple[FaultyServer, str, Found]
) -> None:
    """Policy block: four times what the queue holds, and the store away in the middle; all arrive."""
    server, url, found = store
    how: dict[str, Any] = {
        "overflow": "block",
        "block_s": 60.0,
        "spool_enabled": False,
        "queue_records_max": 1_000,
    }
    with application(tmp_path, "app", url, **how) as app:
        server.refuse()
        timer = back_after(server, AWAY_S)
        took = app.ask("burst", count=1_000, threads=4)
        timer.join()
        assert took["slowest_s"] > AWAY_S / 4
        wait_for_all(app)
        last = app.end()
    assert_arrived(app, found(), last)


@pytest.mark.parametrize("overflow", ["spool", "block"])
def test_ten_times_the_sustainable_load(tmp_path: Path, cluster: ElasticsearchServer, overflow: str) -> None:
    """A store that takes 2,000 records a second is given 20,000: the spool takes the rest at once, or the caller is
    slowed down; all arrive.
    """
    cluster.always(stall(SLOW_S))
    is_spooled = overflow == "spool"
    how: dict[str, Any] = {
        "overflow": overflow,
        "block_s": 60.0,
        "spool_enabled": is_spooled,
        "queue_records_max": 1_000,
    }
    with application(tmp_path, "app", sink_of(cluster), **how) as app:
        took = app.ask("burst", count=1_250, threads=4, rate=SUSTAINABLE * 10 / 4)
        if is_spooled:
            assert app.ask("sums")["sinks"].popitem()[1]["spooled"] > 1_000
            cluster.clear()
        else:
            assert took["seconds"] > 5_000 / SUSTAINABLE / 2
        wait_for_all(app)
        last = app.end()
    assert_arrived(app, at_elasticsearch(cluster), last)


def test_sixty_four_threads_create_loggers(
    tmp_path: Path, cluster: ElasticsearchServer, small: TamisServer
) -> None:
    """There is one manager, and every record of every logger arrives."""
    with application(tmp_path, "app", small.url, sink_of(cluster)) as app:
        assert app.ask("many_loggers", threads=64, loggers=50)["managers"] == 1
        assert app.ask("flush")["done"]
        last = app.end()
    for found in (at_small_tamis(small), at_elasticsearch(cluster)):
        assert_arrived(app, found, last)


FAULTS = {
    "stall": stall(0.6),
    "done, then stalled": stall(0.6, done=True),
    "429": refuse_with(429, retry_after="1"),
    "500": refuse_with(500),
    "cut": cut(),
    "dropped": drop(),
    "garbled": garble(),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_recovery(tmp_path: Path, store: tuple[FaultyServer, str, Found], fault: Fault) -> None:
    """The store fails in the middle of the stream and is well again: delivery goes on by itself, what waited and what
    comes then arrive once and in order, and afterwards nothing waits.
    """
    server, url, found = store
    with application(tmp_path, "app", url) as app:
        app.ask("burst", count=300)
        server.script(fault, times=1)
        app.ask("burst", count=500, threads=2)
        wait_for_all(app)
        app.ask("burst", count=10, level="error")
        assert app.ask("flush")["done"]
        sums = app.ask("sums")["sinks"].popitem()[1]
        assert (sums["queued"], sums["spooled"], sums["delivered"]) == (0, 0, 1_310)
        last = app.end()
    assert_arrived(app, found(), last)


def test_a_store_that_takes_small_bodies_only(tmp_path: Path, store: tuple[FaultyServer, str, Found]) -> None:
    """413: batches are halved until they fit; all arrive, in order."""
    server, url, found = store
    server.body_bytes_max = 1_500
    with application(tmp_path, "app", url) as app:
        app.ask("burst", count=1_000)
        wait_for_all(app)
        last = app.end()
    assert_arrived(app, found(), last)


def test_half_a_bulk(tmp_path: Path, cluster: ElasticsearchServer) -> None:
    """Every second document of some bulks is refused for now: those are sent again, alone; all arrive once."""
    cluster.fail_items(lambda doc: doc["event.sequence"] % 2 == 0, status=429, times=60)
    with application(tmp_path, "app", sink_of(cluster)) as app:
        app.ask("burst", count=1_000)
        wait_for_all(app)
        last = app.end()
    assert_all_once(at_elasticsearch(cluster), keys_of("app", last["logged"]))
