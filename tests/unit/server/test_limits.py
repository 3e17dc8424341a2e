"""Bytes of bodies and heavy questions, each within its limit."""

import asyncio

import pytest

from tamis.errors import OverloadedError, QueryTimeoutError
from tamis.server.limits import BodyBudget, HeavySlots
from tamis.store.base import Budget
from tamis.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio


def test_bodies_share_their_memory() -> None:
    """What one holds another cannot; what is given back can be taken again."""
    budget = BodyBudget(100, 10, metrics=Metrics())
    with budget.enter() as one, budget.enter() as two:
        one.grow(60)
        two.grow(40)
        with pytest.raises(OverloadedError):
            one.grow(1)
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


async def test_heavy_questions_take_turns() -> None:
    """Never more than may run at a time, and all of them run."""
    slots = HeavySlots(2, 10, metrics=Metrics())
    running, most, done = 0, 0, 0

    async def ask() -> None:
        nonlocal running, most, done
        async with slots.slot(Budget(10)):
            running += 1
            most = max(most, running)
            for _ in range(5):
                await asyncio.sleep(0)
            running -= 1
            done += 1

    await asyncio.gather(*(ask() for _ in range(8)))
    assert (most, done) == (2, 8)


async def test_one_question_too_many_is_refused() -> None:
    """With all slots and all places in the queue taken."""
    slots = HeavySlots(1, 1, metrics=Metrics())
    async with slots.slot(Budget(10)):
        waiting = asyncio.create_task(slots.enter(Budget(10)))
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError, match="waiting_max"):
            await slots.enter(Budget(10))
    await waiting


async def test_waiting_ends_with_the_question_s_time() -> None:
    """A question that waited too long says so, and its place is free again."""
    slots = HeavySlots(1, 1, metrics=Metrics())
    async with slots.slot(Budget(10)):
        for _ in range(3):
            with pytest.raises(QueryTimeoutError):
                await slots.enter(Budget(0.01))
