"""`AsyncTaskExecutor`: the executor's rules for coroutines on one event loop."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.executor.alive import remember
from tamis.resilience.executor.book import (
    DRAIN_S,
    Drained,
    ExecutorMetrics,
    Rejection,
    TaskBook,
    ending_of,
    seconds_of,
)
from tamis.resilience.executor.limits import ExecutorLimits, Priority
from tamis.resilience.executor.schedule import Ending
from tamis.resilience.executor.task import Task, TaskControl, TaskHandle, name_of
from tamis.telemetry.status import BOARD, StatusBoard

T = TypeVar("T")


class AsyncTaskExecutor:
    """TaskExecutor for coroutine functions: the same queue, errors and metrics, `workers_max` coroutines at once.

    Belongs to the event loop it is first used on, and is used on its thread alone. A running coroutine whose task is
    cancelled or past its deadline is cancelled; one that goes on all the same keeps its place until it ends.
    """

    def __init__(
        self,
        name: str = "tasks",
        limits: ExecutorLimits | None = None,
        *,
        breaker: CircuitBreaker | None = None,
        on_rejection: Callable[[Rejection], None] | None = None,
        board: StatusBoard = BOARD,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name, self.limits = name, limits or ExecutorLimits()
        self._book = TaskBook(name, self.limits, breaker=breaker, on_rejection=on_rejection, board=board)
        self._now_s = clock.monotonic_s
        self._running: dict[Task, asyncio.Task[Any]] = {}
        self._idle = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        remember(self)

    def enqueue_task(
        self,
        function: Callable[..., Awaitable[T]],
        /,
        *args: Any,
        priority: Priority = Priority.NORMAL,
        deadline_s: float | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> TaskHandle[T]:
        """Have `await function(*args, **kwargs)` run when its turn comes; `await` the handle for its result.

        Past `deadline_s` (seconds from now) it is not started any more, and cancelled if it runs: TaskDeadlineError.
        """
        asyncio.get_running_loop()  # where none runs this raises, before there is anything that would be kept
        limit_s, called, now_s = seconds_of(deadline_s), name or name_of(function), self._now_s()
        handle = TaskHandle[T](called, Priority(priority), self._cancel)
        control = TaskControl(
            self.name, called, deadline_s=now_s + limit_s, limit_s=limit_s, now_s=self._now_s
        )
        refused = self._book.enqueue(Task(function, args, kwargs, handle, control, limit_s=limit_s), now_s)
        self._look()
        if refused is not None:
            raise refused
        return handle

    async def drain(self, limit_s: float | None) -> Drained:
        """Take nothing new, finish what is there; at the limit drop what waits and cancel what runs. None: no limit."""
        limit_s = seconds_of(limit_s, "limit_s")
        self._book.is_closed = True
        self._look()
        try:
            async with asyncio.timeout(limit_s if limit_s < math.inf else None):
                while not self._book.is_empty:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            pass
        found = self._book.drop_all(
            f"it still waited when the executor was closed, {limit_s:g} s after the call"
        )
        for running in self._running.values():
            running.cancel()
        self._look()
        return found

    def metrics(self) -> ExecutorMetrics:
        """All counts and times, as they are now."""
        self._look()
        return self.peek()

    def peek(self) -> ExecutorMetrics:
        """The same, as far as it looked; from any thread."""
        return self._book.metrics(self._now_s(), workers=len(self._running))

    async def __aenter__(self) -> "AsyncTaskExecutor":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain(DRAIN_S if error is None else 0.0)

    def _look(self) -> None:
        """Do what is due now: end what is past its deadline, start what can run, tell what is settled."""
        for task in self._book.expire(self._now_s()):
            if task in self._running:
                self._running[task].cancel()
        while (found := self._book.take(self._now_s())) is not None:
            running = asyncio.get_running_loop().create_task(self._run(found), context=found.context)
            running.add_done_callback(partial(self._come_back, found))
            self._running[found] = running
        self._set_alarm()
        if self._book.is_empty:
            self._idle.set()
        self._book.tell()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        left_s = self._book.schedule.next_deadline_s() - self._now_s()
        if left_s < math.inf:
            self._alarm = asyncio.get_running_loop().call_later(max(left_s, 0.0), self._look)

    async def _run(self, task: Task) -> tuple[Ending, Any]:
        try:
            return Ending.SUCCESS, await task.function(*task.args, **task.kwargs)
        except Exception as error:  # the edge: it goes to who asked
            return ending_of(task.control, error, is_crash=False), error
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # raised on, it would end the loop, or be heard by nobody
            return Ending.CRASH, error

    def _come_back(self, task: Task, done: "asyncio.Task[tuple[Ending, Any]]") -> None:
        # A callback, because a coroutine that is cancelled before its first step runs none of its own code.
        del self._running[task]
        ending, value = (Ending.CANCELLED, None) if done.cancelled() else done.result()
        self._book.finish(task, ending, self._now_s(), value=value)
        self._look()

    def _cancel(self, handle: TaskHandle[Any]) -> bool:
        running = self._book.cancel(handle, self._now_s())
        if running in self._running:
            self._running[running].cancel()
        self._look()
        return running is None and handle.cancelled()
