"""Alert rules over every store: what was counted piece by piece is what counting everything anew gives."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.query.ast import All
from tamis.query.match import compile_match
from tamis.record.model import Columns, Record
from tamis.server.alerts.counted import CountWatch
from tamis.server.alerts.rule import compile_rule, parse_rule
from tamis.server.alerts.watch import Look
from tamis.server.alerts.windows import STEPS
from tamis.store.base import Budget, Question, Store
from tests.contracts.members import MEMBERS, Member
from tests.support.alert_bench import AlertBench
from tests.support.hand_clock import HandClock

S = 1_000_000_000
WINDOW_S, LATE_S = 64, 120
"""A step is a second."""
QUERIES = ("", "pay", "level>=error", "NOT pay", "status>=500", "service:a OR service:b")


@dataclass(frozen=True)
class Arriving:
    """Records that come together, `wait_s` after those before, some of them late."""

    wait_s: int
    records: list[tuple[int, str, str, str | None, int]] = field(default_factory=list)
    settled: bool = False
    restarts: bool = False


ROWS = st.tuples(
    st.sampled_from((0, 0, 0, 1, 5, 30, 63, 64, 65, 110)),
    st.sampled_from(("pay 1 failed", "pay 2", "order 3 placed")),
    st.sampled_from(("ERROR", "INFO")),
    st.sampled_from(("a", "b", None)),
    st.sampled_from((200, 500)),
)
LIVES = st.lists(
    st.builds(
        Arriving,
        wait_s=st.sampled_from((1, 1, 2, 10, 30, 63, 64, 100, 400)),
        records=st.lists(ROWS, max_size=5),
        settled=st.booleans(),
        restarts=st.booleans(),
    ),
    min_size=1,
    max_size=10,
)


def records_of(arriving: Arriving, now_ns: int) -> list[Record]:
    return [
        Record(
            timestamp=now_ns - late_s * S,
            message=message,
            level=level,
            service=service,
            attributes={"status": status},
        )
        for late_s, message, level, service, status in arriving.records
    ]


def rule_of(query: str, **given: Any) -> dict[str, Any]:
    return {"query": query, "window_s": WINDOW_S, "late_s": LATE_S, "cooldown_s": 30, **given}


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
@given(
    lives=LIVES, query=st.sampled_from(QUERIES), by=st.sampled_from(((), ("service",), ("service", "status")))
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_counting_piece_by_piece_is_counting_anew(
    member: Member, lives: list[Arriving], query: str, by: tuple[str, ...]
) -> None:
    """After each arrival the windows hold what a watch that reads the whole store holds, however it lies there."""
    clock = HandClock()
    compiled = compile_rule(parse_rule({"name": "r", **rule_of(query, by=by)}, "test"))
    with tempfile.TemporaryDirectory() as folder:
        store = member.create(Path(folder) / "store", clock)
        try:
            watch = CountWatch(compiled, 100)
            watch.open(look(store, clock, 0))
            seen = 0
            for arriving in lives:
                clock.pass_s(arriving.wait_s)
                store.append(Columns.of(records_of(arriving, clock.now_ns())))
                if arriving.settled:
                    member.settle(store)
                as_of = store.moment()[-1]
                watch.take(look(store, clock, as_of, seen))
                watch.settle(clock.now_ns())
                seen = as_of
                anew = CountWatch(compiled, 100)
                anew.open(look(store, clock, as_of))
                anew.settle(clock.now_ns())
                assert watch.windows.counts() == anew.windows.counts()
                assert watch.seen.labels == anew.seen.labels
        finally:
            store.close()


def look(store: Store, clock: HandClock, as_of: int, after_seq: int | None = None) -> Look:
    return Look(store, Budget(), clock.now_ns(), as_of, after_seq)


@given(lives=LIVES, query=st.sampled_from(QUERIES), threshold=st.integers(1, 6))
@settings(max_examples=150)
def test_a_rule_first_fires_when_a_window_holds_enough(
    lives: list[Arriving], query: str, threshold: int
) -> None:
    """By the meaning of the language and plain counting: some 64 steps in a row, one of them with a record that came
    just now, hold so many.
    """
    bench = AlertBench()
    try:
        bench.rule(**rule_of(query, threshold=threshold))
        compiled = compile_rule(parse_rule({"name": "r", **rule_of(query, threshold=threshold)}, "test"))
        matches = compile_match(compiled.filter)
        steps: list[int] = []
        for arriving in lives:
            bench.clock.pass_s(arriving.wait_s)
            bench.store.append(Columns.of(records_of(arriving, bench.clock.now_ns())))
            page = bench.store.search(Question(All()), Budget(), limit=1_000)
            now = [one.record.timestamp // S for one in page.records if matches(one)]
            new = list(now)
            for step in steps:
                new.remove(step)
            steps = now
            last = bench.clock.now_ns() // S
            ends = {end for step in new for end in range(step, min(step + STEPS, last + 1))}
            is_due = any(sum(end - STEPS < step <= end for step in steps) >= threshold for end in ends)
            told = bench.tick()
            assert (told[:1] == ["firing"]) == is_due
            if is_due:
                return
    finally:
        bench.close()


@given(
    lives=LIVES,
    query=st.sampled_from(QUERIES),
    threshold=st.integers(1, 4),
    kind=st.sampled_from(("threshold", "rate")),
)
@settings(max_examples=40)
def test_restarts_change_nothing_of_what_is_told(
    lives: list[Arriving], query: str, threshold: int, kind: str
) -> None:
    """A life with a kill after any arrival tells what the same life without tells, at the same instants."""
    lived = []
    for with_restarts in (False, True):
        bench = AlertBench()
        given_rule = rule_of(query, by=("service",), kind=kind)
        given_rule["threshold"] = threshold if kind == "threshold" else threshold / WINDOW_S
        bench.rule(**given_rule)
        for arriving in lives:
            for _ in range(min(arriving.wait_s, 100)):
                bench.tick(1)
            bench.store.append(Columns.of(records_of(arriving, bench.clock.now_ns())))
            if with_restarts and arriving.restarts:
                bench.restart()
        bench.run(120)
        lived.append(
            [
                (one.at_ns, one.what, one.detail["labels"], one.detail["value"])
                for one in reversed(bench.book.history("r", limit=10_000))
                if "labels" in one.detail
            ]
        )
        bench.close()
    assert lived[0] == lived[1]


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_after_seq_sees_only_what_came_since(member: Member, tmp_path: Path) -> None:
    """With an after_seq, every read sees only the records beyond it, sealed or not; pages go on with it."""
    clock = HandClock()
    store = member.create(tmp_path / "store", clock)

    def put(count: int, service: str) -> None:
        records = [
            Record(timestamp=clock.now_ns() + n, message=f"a {n}", service=service) for n in range(count)
        ]
        store.append(Columns.of(records))

    def ask(after_seq: int, as_of: int | None = None) -> Question:
        return Question(All(), after_seq=after_seq, as_of=as_of)

    try:
        put(3, "s")
        member.settle(store)
        put(4, "t")
        for after_seq, found in ((0, 7), (2, 5), (3, 4), (6, 1), (7, 0)):
            counted = store.count(ask(after_seq), Budget())
            assert (counted.count, counted.as_of) == (found, 7)
            page = store.search(ask(after_seq), Budget(), limit=3)
            assert len(page.records) == min(found, 3)
            if page.next_cursor:
                rest = store.search(ask(after_seq), Budget(), limit=9, cursor=page.next_cursor)
                assert len(rest.records) == found - 3
            assert sum(facts.count for facts in store.patterns(ask(after_seq), Budget()).patterns) == found
        assert store.count(ask(2, as_of=4), Budget()).count == 2
        assert store.facets(ask(2), Budget(), field="service").values == (("t", 4), ("s", 1))
        with pytest.raises(ValueError, match="no after_seq"):
            store.delete(ask(2), Budget())
    finally:
        store.close()
