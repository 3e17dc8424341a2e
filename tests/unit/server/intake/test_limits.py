"""Bytes of bodies and questions, each within its limit."""

import asyncio

import pytest

from tamis.errors import OverloadedError
from tamis.server.intake.limits import BodyBudget
from tamis.server.questions.lanes import Slots, Turns
from tamis.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio


def test_bodies_share_their_memory() -> None:
    """What one holds another cannot; what is given back can be taken again."""
    metrics = Metrics()
    budget = BodyBudget(100, 10, metrics=metrics)
    with budget.enter() as one, budget.enter() as two:
        one.grow(60)
        two.grow(40)
        with pytest.raises(OverloadedError):
            one.grow(1)
    assert metrics.value("tamis_limits_met_total", "ingest.open_bytes_max") == 1
    with budget.enter() as three:
        three.grow(100)


def test_one_body_alone_always_fits() -> None:
    """A body larger than the memory for all is taken when it is the only one."""
    with BodyBudget(10, 10, metrics=Metrics()).enter() as claim:
        claim.grow(1_000)
        claim.grow(1_000)


def test_bodies_have_a_number() -> None:
    """One more than may be is refused with the limit's name, and counted."""
    metrics = Metrics()
    budget = BodyBudget(10, 1, metrics=metrics)
    with budget.enter(), pytest.raises(OverloadedError, match="ingest_waiting_max"):
        budget.enter()
    budget.enter()
    assert metrics.value("tamis_limits_met_total", "server.ingest_waiting_max") == 1


def slots(
    *,
    running_max: int = 1,
    waiting_max: int = 1,
    waiting_timeout_s: float = 10,
    metrics: Metrics | None = None,
) -> Slots:
    turns = Turns("heavy", running_max, "query.heavy_max", waiting_max, waiting_timeout_s)
    return Slots(turns, metrics=metrics or Metrics())


async def test_questions_take_turns() -> None:
    """Never more than may run at a time, and all of them run."""
    taken = slots(running_max=2, waiting_max=10)
    running, most, done = 0, 0, 0

    async def ask() -> None:
        nonlocal running, most, done
        await taken.enter()
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        done += 1
        taken.leave()

    await asyncio.gather(*(ask() for _ in range(8)))
    assert (most, done) == (2, 8)


async def test_one_question_too_many_is_refused() -> None:
    """With all slots and all places in the queue taken; both are counted."""
    metrics = Metrics()
    taken = slots(metrics=metrics)
    await taken.enter()
    waiting = asyncio.create_task(taken.enter())
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match=r"query\.heavy_max.*query\.waiting_max"):
        await taken.enter()
    assert metrics.value("tamis_limits_met_total", "query.waiting_max") == 1
    assert metrics.value("tamis_queries_waiting", "heavy") == 1
    taken.leave()
    await waiting
    assert metrics.value("tamis_queries_waiting", "heavy") == 0
    assert metrics.value("tamis_queries_running", "heavy") == 1


async def test_waiting_ends_in_time() -> None:
    """A question that waited too long is refused, not late, and its place is free again."""
    metrics = Metrics()
    taken = slots(waiting_timeout_s=0.01, metrics=metrics)
    await taken.enter()
    for _ in range(3):
        with pytest.raises(OverloadedError, match=r"query\.waiting_timeout_s"):
            await taken.enter()
    assert metrics.value("tamis_limits_met_total", "query.waiting_timeout_s") == 3


async def test_who_goes_while_waiting_takes_no_slot() -> None:
    """The next in the queue gets it."""
    taken = slots(waiting_max=2)
    await taken.enter()
    gone, there = asyncio.create_task(taken.enter()), asyncio.create_task(taken.enter())
    await asyncio.sleep(0)
    gone.cancel()
    taken.leave()
    await asyncio.wait_for(there, 10)
