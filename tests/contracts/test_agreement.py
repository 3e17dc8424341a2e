"""Every store gives the answers of the reference: random records, random queries of the whole language."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.query import ast
from tamis.query.resolve import resolve
from tamis.store.base import Budget, Question
from tamis.store.memory import MemoryStore
from tests.contracts.agreement import Ask, Pair, assert_agreement
from tests.contracts.members import OTHERS, Member, StillClock
from tests.support.strategies import BASE_NS, FIELDS, batches, filters, sorts, stats

NOW_NS = StillClock().wall_ns
INTERVALS_NS = (10**9, 60 * 10**9, 3_600 * 10**9, 7)


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    """Questions, some within a range of time or as of an earlier moment."""
    near = st.one_of(
        st.none(), st.none(), st.sampled_from((BASE_NS, BASE_NS + 1, BASE_NS - 3_600 * 10**9, 0))
    )
    query = resolve(ast.Query(draw(filters())), NOW_NS)
    as_of = draw(st.one_of(st.none(), st.none(), st.integers(0, 3)))
    after_seq = draw(st.one_of(st.none(), st.none(), st.integers(0, 3)))
    return Ask(
        question=Question(query.filter, draw(near), draw(near), as_of, after_seq),
        stats=draw(stats()),
        sort=draw(sorts()),
        field=draw(st.sampled_from((*FIELDS, "timestamp"))),
        interval_ns=draw(st.sampled_from(INTERVALS_NS)),
        page=draw(st.integers(1, 5)),
    )


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[str, object]]:
    """What happens to a store: batches come, are settled, some records are deleted, questions are asked."""
    steps: list[tuple[str, object]] = []
    for batch in draw(batches()):
        steps.append(("append", batch))
        if draw(st.booleans()):
            steps.append(("settle", None))
        if draw(st.integers(0, 5)) == 0:
            steps.append(("delete", draw(asks())))
        steps.extend(("ask", ask) for ask in draw(st.lists(asks(), max_size=1)))
    steps.extend(("ask", ask) for ask in draw(st.lists(asks(), min_size=1, max_size=3)))
    return steps


def live(member: Member, steps: list[tuple[str, object]], folder: Path) -> None:
    """Let a member and the reference live through the same, and compare what they say."""
    clock = StillClock()
    store = member.create(folder / "store", clock)
    pair = Pair(store, MemoryStore(clock))
    try:
        for step, given_step in steps:
            if step == "append":
                pair.append(given_step)  # type: ignore[arg-type]  # a batch
            elif step == "settle":
                member.settle(store)
            elif step == "delete":
                question = replace(given_step.question, after_seq=None)  # type: ignore[attr-defined]  # an Ask
                ours, theirs = pair.both(lambda s, q=question: s.delete(q, Budget()).hidden)  # type: ignore[misc]
                assert ours == theirs
            else:
                assert_agreement(pair, given_step)  # type: ignore[arg-type]  # an Ask
    finally:
        store.close()


SHORT, LONG = 25, 500
QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("member", OTHERS, ids=lambda member: member.name)
@settings(deadline=None, max_examples=SHORT, suppress_health_check=QUIET)
@given(steps=lives())
def test_every_answer_is_that_of_the_reference(member: Member, steps: list[tuple[str, object]]) -> None:
    """Search, count, histogram, facets, fields, stats, patterns, sorted, export, context and delete agree."""
    with tempfile.TemporaryDirectory() as folder:
        live(member, steps, Path(folder))


@pytest.mark.full
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("member", OTHERS, ids=lambda member: member.name)
@settings(deadline=None, max_examples=LONG, suppress_health_check=QUIET)
@given(steps=lives())
def test_many_lives_agree_with_the_reference(member: Member, steps: list[tuple[str, object]]) -> None:
    """The same, for many more lives."""
    with tempfile.TemporaryDirectory() as folder:
        live(member, steps, Path(folder))
