"""Everything at once: several applications, every kind of sink, faults by a seed."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import wait_for
from tests.system.chaos.applications import application, keys_of, wait_for_all
from tests.system.chaos.arrivals import (
    Arrival,
    assert_all_once,
    assert_in_order,
    at_elasticsearch,
    at_small_tamis,
    at_tamis,
    in_file,
    losses_at,
)
from tests.system.chaos.storm import Storm

SHORT_S, LONG_S, LONG_TEST_S = 4.0, 60.0, 400
WAIT_S = 150.0
BLOCKING: dict[str, Any] = {
    "overflow": "block",
    "block_s": 300.0,
    "spool_enabled": False,
    "queue_records_max": 2_000,
}


def weather(folder: Path, seed: int, seconds: float, *, patient: bool = False) -> None:
    """Two applications that live, one of them with a spool, and others that are killed; what arrived in the end."""
    how: dict[str, Any] = {"patient": patient}
    with (
        Storm(folder, seed, patient, frozenset(("spooling",))) as storm,
        application(folder, "spooling", *storm.sinks("spooling"), **how) as spooling,
        application(folder, "blocking", *storm.sinks("blocking"), **how, **BLOCKING) as blocking,
    ):
        storm.blow(seconds, spooling, blocking)
        steady = {}
        for app in (blocking, spooling):
            wait_for_all(app, WAIT_S)
        spools = folder / "state" / "spool"
        assert wait_for(lambda: sum(is_left(path) for path in spools.glob("*/*")) <= 5, WAIT_S), [
            *spools.rglob("*")
        ]
        for app in (blocking, spooling):
            wait_for_all(app, WAIT_S)
            steady[app.name] = app.ask("shutdown")
            app.check()
            assert steady[app.name]["broken_sums"] == []
            gone = [
                sink
                for sink in steady[app.name]["sinks"].values()
                if sink["dropped"] or sink["dead_lettered"]
            ]
            assert gone == [], (seed, app.said(), storm.events)
        keys = [key for name, last in steady.items() for key in keys_of(name, last["logged"])]
        assert keys
        for found in (at_tamis(storm.server), at_small_tamis(storm.small), at_elasticsearch(storm.cluster)):
            check(found, keys, storm, seed)
        taken = Counter(str(record.attributes["key"]) for record in storm.collector.records)
        assert set(keys) <= set(taken), (seed, storm.events)
        for name in steady:
            own = [key for key in keys if key.startswith(name)]
            assert_all_once(in_file(folder / f"{name}.jsonl"), own)
        assert losses_at(storm.server) == {}, (seed, storm.events)


def is_left(folder: Path) -> bool:
    """Whether a process's spool stands there."""
    return folder.is_dir() and any(folder.glob("*.journal"))


def check(found: list[Arrival], keys: Iterable[str], storm: Storm, seed: int) -> None:
    """All of the applications that live, once; of the killed all that a call had returned for, once; in order."""
    by_name: dict[str, list[Arrival]] = {}
    for arrival in found:
        by_name.setdefault(arrival.key.partition("/")[0], []).append(arrival)
    for name, told in storm.told.items():
        numbers = [int(arrival.key.split("/")[2]) for arrival in by_name.pop(name, [])]
        assert sorted(numbers) == list(range(len(numbers))), (seed, name, storm.events)
        assert len(numbers) >= told, (seed, name, storm.events)
    assert_all_once([arrival for own in by_name.values() for arrival in own], keys)
    assert_in_order(found)


def test_a_short_storm(tmp_path: Path) -> None:
    """Seconds of everything at once: nothing is lost, doubled or out of order, no sum is broken."""
    weather(tmp_path, 1, SHORT_S)


@pytest.mark.full
@pytest.mark.timeout(LONG_TEST_S)
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_long_storm(tmp_path: Path, seed: int) -> None:
    """A minute of it, with the waits that applications have."""
    weather(tmp_path, seed, LONG_S, patient=True)
