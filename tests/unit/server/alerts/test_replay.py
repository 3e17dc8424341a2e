"""Dry runs: each kind of rule over a past that is written down."""

from collections.abc import Iterator
from typing import Any

import pytest

from tamis.clock import NS_PER_S
from tamis.errors import ConfigError, QueryTimeoutError
from tamis.server.alerts.replay import Told, dry_run
from tamis.server.alerts.rule import compile_rule, parse_rule
from tamis.store.base import Budget
from tests.support.alert_bench import AlertBench

S = 1_000_000_000


@pytest.fixture
def bench() -> Iterator[AlertBench]:
    made = AlertBench()
    yield made
    made.close()


def told(bench: AlertBench, *, begin_s: float = 0.0, **given: Any) -> list[tuple[int, str]]:
    """What would have been told from `begin_s` after the bench began until now, in seconds since its beginning."""
    rule = compile_rule(parse_rule({"name": "r", "cooldown": "10s", **given}, "test"))
    start_ns = BEGAN_NS + round(begin_s * S)
    end_ns = bench.clock.now_ns()
    run = dry_run(rule, bench.store, start_ns=start_ns, end_ns=end_ns, budget=Budget(), groups_max=10)
    return [((one.at_ns - BEGAN_NS) // S, one.state) for one in run.told]


BEGAN_NS = 1_795_262_400 * S


def test_counts_and_rates(bench: AlertBench) -> None:
    """Fires with the record that makes it full, is over when the window is empty of it."""
    for _ in range(4):
        bench.clock.pass_s(100)
        bench.put("pay", "pay")
    bench.clock.pass_s(300)
    fired = [(100, "firing"), (164, "over"), (200, "firing"), (264, "over")]
    assert told(bench, query="pay", threshold=2, window="64s")[:4] == fired
    assert told(bench, query="pay", kind="rate", threshold=2 / 64, window="64s")[:4] == fired
    assert told(bench, query="pay", threshold=3, window="64s") == []
    assert told(bench, query="pay", threshold=2, window="64s", begin_s=350) == [
        (400, "firing"),
        (464, "over"),
    ]


def test_shares(bench: AlertBench) -> None:
    """Of the records of the same group."""
    bench.clock.pass_s(100)
    bench.put(*["ok"] * 19, level="INFO")
    bench.put("pay")
    bench.clock.pass_s(100)
    bench.put("pay", *["ok"] * 3)
    bench.clock.pass_s(100)
    rule: dict[str, Any] = {"query": "pay", "kind": "rate", "of": "*", "threshold": 0.05, "window": "64s"}
    assert told(bench, **rule) == [(100, "firing"), (164, "over")]
    assert told(bench, **{**rule, "of_min": 4})[2:] == [(200, "firing"), (264, "over")]


def test_absence(bench: AlertBench) -> None:
    """A window after the last one; over when the next comes."""
    for pause_s in (10, 200, 10):
        bench.clock.pass_s(pause_s)
        bench.put("alive")
    bench.clock.pass_s(30)
    assert told(bench, kind="absence", query="alive", window="64s") == [(75, "firing"), (211, "over")]


def test_new_patterns(bench: AlertBench) -> None:
    """What was there before the run is not new; each pattern once."""
    bench.put("old 1")
    bench.clock.pass_s(100)
    bench.put("old 2", "new 1")
    bench.clock.pass_s(100)
    bench.put("new 2")
    bench.clock.pass_s(100)
    assert told(bench, begin_s=50, kind="new_pattern", window="64s") == [(100, "firing"), (164, "over")]


def test_columns_of_tables(bench: AlertBench) -> None:
    """Asked at each instant of the schedule."""
    bench.clock.pass_s(90)
    bench.put("pay", ms=500)
    bench.clock.pass_s(200)
    rule: dict[str, Any] = {"query": "pay | stats max(ms) as slow", "threshold": 400, "window": "60s"}
    assert told(bench, **rule, every="60s") == [(120, "firing"), (180, "over")]


def test_a_dry_run_does_not_ask_too_often(bench: AlertBench) -> None:
    """The refusal says how many times it would, and which days and which schedule fit."""
    given = {"name": "r", "query": "pay | stats max(ms) as slow", "threshold": 400, "window": "10m"}
    often = compile_rule(parse_rule({**given, "every": "1m"}, "test"))
    week_ns = 7 * 86_400 * NS_PER_S
    said = r"10,080 times, over 5,000; take 3\.4 days at most, or an every of 121 s or more"
    with pytest.raises(ConfigError, match=said):
        dry_run(
            often, bench.store, start_ns=BEGAN_NS - week_ns, end_ns=BEGAN_NS, budget=Budget(), groups_max=10
        )
    rarely = compile_rule(parse_rule({**given, "every": "121s"}, "test"))
    run = dry_run(
        rarely, bench.store, start_ns=BEGAN_NS - week_ns, end_ns=BEGAN_NS, budget=Budget(), groups_max=10
    )
    assert run.told == []


def test_a_run_that_takes_too_long_ends(bench: AlertBench) -> None:
    """With the error that every question has."""
    bench.put("pay")
    bench.clock.pass_s(1_000)
    rule = compile_rule(parse_rule({"name": "r", "query": "pay", "kind": "absence", "window": "1s"}, "test"))
    budget = Budget(60.0, bench.clock)
    bench.clock.pass_s(61)
    with pytest.raises(QueryTimeoutError):
        dry_run(
            rule, bench.store, start_ns=BEGAN_NS, end_ns=bench.clock.now_ns(), budget=budget, groups_max=10
        )


def test_what_is_told_says_of_which_group(bench: AlertBench) -> None:
    """Labels and value."""
    bench.clock.pass_s(10)
    bench.put("pay", "pay", service="a")
    bench.clock.pass_s(10)
    rule = compile_rule(parse_rule({"name": "r", "query": "pay", "by": ["service"]}, "test"))
    run = dry_run(
        rule, bench.store, start_ns=BEGAN_NS, end_ns=bench.clock.now_ns(), budget=Budget(), groups_max=10
    )
    assert [Told(0, one.state, one.labels, one.value) for one in run.told] == [
        Told(0, "firing", {"service": "a"}, 2.0)
    ]
