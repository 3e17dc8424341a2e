"""Questions wait for their turn: the important first, none for ever, none for nobody."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from tamis.errors import OverloadedError, QueryCancelledError, QueryTimeoutError
from tamis.resilience.executor import Priority
from tamis.server.questions import lanes
from tamis.server.questions.lanes import Lane, Turns
from tamis.store.base import Budget
from tamis.telemetry.metrics import Metrics
from tests.support.hand_clock import HandClock

pytestmark = pytest.mark.anyio

WAIT_S = 60.0


class Bench:
    """A lane for one question at a time, and a question that holds it until `go`."""

    def __init__(self, *, waiting_max: int = 10, waiting_timeout_s: float = WAIT_S) -> None:
        self.metrics = Metrics()
        self.lane = Lane(
            Turns("heavy", 1, "query.heavy_max", waiting_max, waiting_timeout_s), metrics=self.metrics
        )
        self.go, self.began = threading.Event(), threading.Event()
        self.done: list[str] = []

    def hold(self) -> None:
        self.began.set()
        assert self.go.wait(WAIT_S)
        self.done.append("first")

    def ask(
        self, work: Callable[[], None], priority: Priority = Priority.NORMAL, budget: Budget | None = None
    ) -> "asyncio.Task[None]":
        return asyncio.create_task(self.lane.run(work, budget or Budget(WAIT_S), priority=priority))

    def named(self, name: str) -> Callable[[], None]:
        return lambda: self.done.append(name)

    async def begun(self) -> "asyncio.Task[None]":
        """The first question, which runs."""
        first = self.ask(self.hold)
        await asyncio.to_thread(self.began.wait, WAIT_S)
        return first

    async def waiting(self, count: int) -> None:
        while self.metrics.value("tamis_queries_waiting", "heavy") != count:
            await asyncio.sleep(0.001)


async def test_the_important_go_first() -> None:
    """Whoever looks at a screen before exports and what runs in the background; equals in their order."""
    bench = Bench()
    tasks = [await bench.begun()]
    for number, (name, priority) in enumerate(
        [("low", Priority.LOW), ("a", Priority.NORMAL), ("high", Priority.HIGH), ("b", Priority.NORMAL)], 1
    ):
        tasks.append(bench.ask(bench.named(name), priority))
        await bench.waiting(number)
    assert bench.metrics.value("tamis_queries_running", "heavy") == 1
    bench.go.set()
    await asyncio.gather(*tasks)
    assert bench.done == ["first", "high", "a", "b", "low"]
    assert bench.metrics.value("tamis_queries_waiting", "heavy") == 0


async def test_the_less_important_make_room() -> None:
    """In a full queue; who had to go is told to come again, as is one for whom nobody makes room."""
    bench = Bench(waiting_max=1)
    first = await bench.begun()
    low = bench.ask(bench.named("low"), Priority.LOW)
    await bench.waiting(1)
    normal = bench.ask(bench.named("normal"))
    with pytest.raises(OverloadedError, match=r"query\.waiting_max"):
        await low
    with pytest.raises(OverloadedError, match=r"query\.heavy_max.*query\.waiting_max"):
        await bench.ask(bench.named("one too many"))
    bench.go.set()
    await asyncio.gather(first, normal)
    assert bench.done == ["first", "normal"]
    assert bench.metrics.value("tamis_limits_met_total", "query.waiting_max") == 2
    assert bench.metrics.value("tamis_queries_waiting", "heavy") == 0


async def test_who_goes_while_waiting_is_not_answered() -> None:
    """Its place is free at once, and its question is never asked."""
    bench = Bench(waiting_max=1)
    first = await bench.begun()
    gone = bench.ask(bench.named("gone"))
    await bench.waiting(1)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await bench.waiting(0)
    there = bench.ask(bench.named("there"))
    await bench.waiting(1)
    bench.go.set()
    await asyncio.gather(first, there)
    assert bench.done == ["first", "there"]


async def test_who_goes_while_it_runs_calls_it_off() -> None:
    """The budget says so to the store."""
    bench, budget = Bench(), Budget(WAIT_S)
    running = bench.ask(bench.hold, budget=budget)
    await asyncio.to_thread(bench.began.wait, WAIT_S)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert budget.cancelled.is_set()
    bench.go.set()


async def test_waiting_ends_in_time() -> None:
    """Refused, not late; the one that runs is waited for."""
    bench = Bench(waiting_timeout_s=0.05)
    first = await bench.begun()
    with pytest.raises(OverloadedError, match=r"query\.waiting_timeout_s"):
        await bench.ask(bench.named("late"))
    bench.go.set()
    await first
    assert bench.done == ["first"]
    assert bench.metrics.value("tamis_limits_met_total", "query.waiting_timeout_s") == 1


async def test_a_store_that_does_not_hear_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the question's time and some more its caller is told; the thread comes back when it can."""
    monkeypatch.setattr(lanes, "OVERDUE_S", 0.02)
    bench = Bench()
    with pytest.raises(QueryTimeoutError, match=r"0\.02 s"):
        await bench.ask(bench.hold, budget=Budget(0.02))
    bench.go.set()


async def test_closing_drops_what_waits() -> None:
    """At the end nobody waits for an answer that will not come."""
    bench = Bench()
    first = await bench.begun()
    waiting = bench.ask(bench.named("waiting"))
    await bench.waiting(1)
    bench.lane.close()
    with pytest.raises((OverloadedError, QueryCancelledError)):
        await waiting
    bench.go.set()
    await first


async def test_retry_after_is_by_how_long_questions_take() -> None:
    """As long as those who wait now need, a second at least, half a minute at most."""
    bench = Bench()
    turns = Turns("heavy", 2, "query.heavy_max", 10, 5.0)
    seen = bench.lane.metrics()
    assert lanes.retry_after_s(seen, turns) == lanes.RETRY_AFTER_MIN_S
    seen.counts.started, seen.counts.ran_s = 4, 40.0
    seen.waiting[Priority.NORMAL] = 1
    assert lanes.retry_after_s(seen, turns) == 5.0
    seen.waiting[Priority.NORMAL] = 50
    assert lanes.retry_after_s(seen, turns) == lanes.RETRY_AFTER_MAX_S


async def test_retry_after_tells_of_the_slow_question_that_runs_now() -> None:
    """Though none has ended yet, and though thousands of quick ones went before."""
    clock = HandClock()
    bench = Bench()
    bench.lane = Lane(Turns("heavy", 1, "query.heavy_max", 1, WAIT_S), metrics=bench.metrics, clock=clock)
    for _ in range(100):
        await bench.ask(bench.named("quick"))
    first = await bench.begun()
    clock.pass_s(WAIT_S / 2)
    second = bench.ask(bench.named("second"))
    await bench.waiting(1)
    with pytest.raises(OverloadedError) as caught:
        await bench.ask(bench.named("third"))
    assert (caught.value.retry_after_s or 0) > 3.0
    bench.go.set()
    await asyncio.gather(first, second)
