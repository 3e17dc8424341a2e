"""Whose time it is: recursion by way of another, and children that overlap."""

import asyncio
import json
import threading
from collections.abc import Generator

import pytest

from tamis.telemetry.profiler import PerformanceProfiler
from tests.support.hand_clock import HandClock
from tests.unit.telemetry.profiler.test_timed import figures


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def profiler(clock: HandClock) -> PerformanceProfiler:
    return PerformanceProfiler(clock=clock)


def test_own_time_is_told_of_who_spent_it(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """Recursion by way of another: the time is that of the function which stood still, also below a nested call."""

    @profiler.profile_function("a")
    def a(left: int) -> None:
        if left:
            b(left - 1)
        else:
            clock.pass_s(2.0)
            c()

    @profiler.profile_function("b")
    def b(left: int) -> None:
        a(left)

    @profiler.profile_function("c")
    def c() -> None:
        clock.pass_s(4.0)

    a(1)
    found = {name: figures(profiler, name) for name in "abc"}
    assert {name: one.total_s for name, one in found.items()} == {"a": 6.0, "b": 6.0, "c": 4.0}
    assert {name: one.own_s for name, one in found.items()} == {"a": 2.0, "b": 0.0, "c": 4.0}
    (shown,) = json.loads(profiler.export_metrics("speedscope"))["profiles"]
    assert sum(shown["weights"]) == 6.0


def test_children_that_overlap_are_taken_off_once(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """Tasks that run at once take off their caller's time what passed while any of them ran, no more; one that
    outlives its caller takes off what passed until the caller's end."""

    async def run() -> None:
        gates = [asyncio.Event() for _ in range(4)]

        @profiler.profile_function("child")
        async def child(gate: asyncio.Event) -> None:
            await gate.wait()

        @profiler.profile_function("parent")
        async def parent() -> asyncio.Task[None]:
            clock.pass_s(1.0)
            tasks = [asyncio.ensure_future(child(gate)) for gate in gates[:3]]
            await asyncio.sleep(0)
            for gate, task in zip(gates, tasks, strict=False):
                clock.pass_s(2.0)
                gate.set()
                await task
            clock.pass_s(4.0)
            last = asyncio.ensure_future(child(gates[3]))
            await asyncio.sleep(0)
            clock.pass_s(8.0)
            return last

        last = await parent()
        clock.pass_s(16.0)
        gates[3].set()
        await last

    asyncio.run(run())
    parent, child = figures(profiler, "parent"), figures(profiler, "child")
    assert (parent.total_s, parent.own_s) == (19.0, 5.0)
    assert (child.calls, child.total_s, child.own_s) == (4, 36.0, 36.0)


def test_generators_take_off_their_turns(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """Of whoever takes the next item, its time is taken off; what a generator calls is taken off the generator's."""

    @profiler.profile_function("child")
    def child() -> None:
        clock.pass_s(4.0)

    @profiler.profile_function("items")
    def items() -> Generator[None, None, None]:
        while True:
            clock.pass_s(2.0)
            child()
            yield

    made = items()
    for name in ("first", "second"):
        with profiler.profile_block(name):
            clock.pass_s(1.0)
            next(made)
    made.close()
    found = {name: figures(profiler, name).own_s for name in ("first", "second", "items", "child")}
    assert found == {"first": 1.0, "second": 1.0, "items": 4.0, "child": 8.0}


def test_threads_that_a_call_waits_for_are_inside_it(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """`asyncio.to_thread` carries the call along: what runs there at once is taken off once."""
    both = threading.Barrier(2)
    passed = threading.Barrier(2, action=lambda: clock.pass_s(2.0))

    @profiler.profile_function("child")
    def child() -> None:
        both.wait(60)
        passed.wait(60)

    @profiler.profile_function("parent")
    async def parent() -> None:
        clock.pass_s(1.0)
        await asyncio.gather(*(asyncio.to_thread(child) for _ in range(2)))

    asyncio.run(parent())
    parent_s, child_s = figures(profiler, "parent"), figures(profiler, "child")
    assert (parent_s.total_s, parent_s.own_s) == (3.0, 1.0)
    assert child_s.total_s == 4.0
