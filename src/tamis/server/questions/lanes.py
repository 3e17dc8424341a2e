"""Where questions wait for their turn: an executor for each kind, within the places and times of the settings."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import (
    OverloadedError,
    QueryCancelledError,
    QueryTimeoutError,
    TaskCancelledError,
    TaskDeadlineError,
    TaskRejectedError,
)
from tamis.resilience.executor import ExecutorLimits, ExecutorMetrics, Priority, TaskExecutor, TaskHandle
from tamis.resilience.executor.coroutines import AsyncTaskExecutor
from tamis.store.base import Budget
from tamis.telemetry.metrics import Metrics

T = TypeVar("T")

RETRY_AFTER_MIN_S, RETRY_AFTER_MAX_S = 1.0, 30.0
RECENT = 16
OVERDUE_S = 5.0
"""A store that does not notice the end of its time is not waited for longer than this."""


@dataclass(frozen=True, slots=True)
class Turns:
    """How many questions of a kind may run at a time, by which setting; how many more may wait, and how long."""

    kind: str
    running_max: int
    setting: str
    waiting_max: int
    waiting_timeout_s: float

    def limits(self) -> ExecutorLimits:
        """The same for an executor."""
        return ExecutorLimits(waiting_max=self.waiting_max, workers_max=self.running_max)

    def refusal(self, limit: str, reason: str, retry_after_s: float) -> OverloadedError:
        """What is said to who has to come again later."""
        running = f"{self.running_max} {self.kind} queries run ({self.setting})"
        return OverloadedError(f"{running}, and {reason} ({limit})", retry_after_s)


class Lane:
    """Questions of one kind, on threads of their own, the most important first (`TaskExecutor`).

    Who finds the queue full, or waits too long in it, is refused (OverloadedError) instead of being late; a more
    important question takes the place of a less important one that waits. For one event loop.
    """

    def __init__(self, turns: Turns, *, metrics: Metrics, clock: Clock = SYSTEM_CLOCK) -> None:
        self._turns, self._metrics = turns, metrics
        self._executor = TaskExecutor(turns.kind, turns.limits(), clock=clock)
        self._times = _Times(clock)

    async def run(
        self,
        work: Callable[[], T],
        budget: Budget,
        *,
        priority: Priority = Priority.NORMAL,
        name: str = "query",
    ) -> T:
        """What `work` returns, done on a thread when its turn comes; called off when nobody waits any more."""
        turns = self._turns
        job = _Job(self._times.timed(work), self._metrics, turns.kind)
        try:
            handle = self._executor.enqueue_task(
                job.run, priority=priority, deadline_s=budget.timeout_s + OVERDUE_S, name=name
            )
        except TaskRejectedError:
            job.left()
            raise self._refused("query.waiting_max", f"{turns.waiting_max} wait already") from None
        handle.add_done_callback(job.left)
        patience = asyncio.get_running_loop().call_later(turns.waiting_timeout_s, job.give_up, handle)
        try:
            result: T = await handle
            return result
        except TaskRejectedError:
            raise self._refused("query.waiting_max", "others go first") from None
        except TaskDeadlineError:
            raise QueryTimeoutError(f"the query ran longer than {budget.timeout_s:g} s") from None
        except TaskCancelledError:
            if not job.gave_up:
                raise QueryCancelledError("the query was called off") from None
            waited = f"none ended within {turns.waiting_timeout_s:g} s"
            raise self._refused("query.waiting_timeout_s", waited) from None
        finally:
            patience.cancel()
            if not handle.done() or handle.exception() is not None:
                budget.cancel()

    def metrics(self) -> ExecutorMetrics:
        """What the executor counts."""
        return self._executor.metrics()

    def close(self) -> None:
        """Take nothing new; what waits is dropped, what runs is told."""
        self._executor.close()

    def _refused(self, limit: str, reason: str) -> OverloadedError:
        self._metrics.add("tamis_limits_met_total", 1, limit)
        seen = self._executor.metrics()
        return self._turns.refusal(limit, reason, retry_after_s(seen, self._turns, self._times.each_s()))


def retry_after_s(seen: ExecutorMetrics, turns: Turns, recent_s: float = 0.0) -> float:
    """When those who wait now have had their turn, by how long questions took so far, or take lately."""
    counts = seen.counts
    done = counts.started - seen.running
    each_s = counts.ran_s / done if done > 0 else RETRY_AFTER_MIN_S
    each_s = max(each_s, recent_s)
    ahead = sum(seen.waiting.values()) + seen.running
    return min(max(each_s * ahead / turns.running_max, RETRY_AFTER_MIN_S), RETRY_AFTER_MAX_S)


class _Times:
    """How long questions take lately: many quick ones before do not hide that slow ones run now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._took: deque[float] = deque(maxlen=RECENT)
        self._begun: dict[object, float] = {}

    def timed(self, work: Callable[[], T]) -> Callable[[], T]:
        """The work, measured."""

        def run() -> T:
            mark, begun_s = object(), self._clock.monotonic_s()
            self._begun[mark] = begun_s
            try:
                return work()
            finally:
                del self._begun[mark]
                self._took.append(self._clock.monotonic_s() - begun_s)

        return run

    def each_s(self) -> float:
        """The mean of the last, those that run now among them."""
        now_s = self._clock.monotonic_s()
        took = [*(now_s - begun_s for begun_s in self._begun.copy().values()), *self._took.copy()][:RECENT]
        return sum(took) / len(took) if took else 0.0


class _Job:
    """One question's work, counted while it waits and while it runs."""

    def __init__(self, work: Callable[[], Any], metrics: Metrics, kind: str) -> None:
        self._work, self._metrics, self._kind = work, metrics, kind
        self._waits = True
        self.gave_up = False
        metrics.add("tamis_queries_waiting", 1, kind)

    def run(self) -> Any:
        """The work."""
        self.left()
        self._metrics.add("tamis_queries_running", 1, self._kind)
        try:
            return self._work()
        finally:
            self._metrics.add("tamis_queries_running", -1, self._kind)

    def left(self, _: object = None) -> None:
        """It does not wait (any more)."""
        if self._waits:
            self._waits = False
            self._metrics.add("tamis_queries_waiting", -1, self._kind)

    def give_up(self, handle: TaskHandle[Any]) -> None:
        """It waited long enough."""
        if self._waits:
            self.gave_up = True
            self.gave_up = handle.cancel()


class Slots:
    """Places for what lasts (exports, streams), taken in order of importance and arrival (`AsyncTaskExecutor`).
    Those that find the queue full, or wait too long in it, are refused (OverloadedError). For one event loop."""

    def __init__(self, turns: Turns, *, metrics: Metrics) -> None:
        self._turns, self._metrics = turns, metrics
        self._executor: AsyncTaskExecutor | None = None
        self._held: list[asyncio.Event] = []

    async def enter(self, *, priority: Priority = Priority.LOW) -> None:
        """Take a place. `leave` gives it back."""
        turns, metrics = self._turns, self._metrics
        executor = self._executor = self._executor or AsyncTaskExecutor(turns.kind, turns.limits())
        entered, left = asyncio.Event(), asyncio.Event()
        try:
            handle = executor.enqueue_task(_hold, entered, left, priority=priority, name=turns.kind)
        except TaskRejectedError:
            raise self._refused("query.waiting_max", f"{turns.waiting_max} wait already") from None
        metrics.add("tamis_queries_waiting", 1, turns.kind)
        try:
            async with asyncio.timeout(turns.waiting_timeout_s):
                await entered.wait()
        except TimeoutError:
            handle.cancel()
            waited = f"none ended within {turns.waiting_timeout_s:g} s"
            raise self._refused("query.waiting_timeout_s", waited) from None
        except BaseException:
            handle.cancel()
            raise
        finally:
            metrics.add("tamis_queries_waiting", -1, turns.kind)
        self._held.append(left)
        metrics.add("tamis_queries_running", 1, turns.kind)

    def leave(self) -> None:
        """Give the place back."""
        self._metrics.add("tamis_queries_running", -1, self._turns.kind)
        self._held.pop().set()

    def _refused(self, limit: str, reason: str) -> OverloadedError:
        self._metrics.add("tamis_limits_met_total", 1, limit)
        executor = self._executor
        after_s = RETRY_AFTER_MIN_S if executor is None else retry_after_s(executor.metrics(), self._turns)
        return self._turns.refusal(limit, reason, after_s)


async def _hold(entered: asyncio.Event, left: asyncio.Event) -> None:
    entered.set()
    await left.wait()
