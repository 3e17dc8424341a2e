"""Every kind of executor that the contract holds for, in one table."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.executor import Drained, ExecutorLimits, ExecutorMetrics, TaskExecutor, TaskHandle
from tamis.resilience.executor.coroutines import AsyncTaskExecutor
from tamis.resilience.executor.workers.process import ProcessWorker
from tamis.resilience.executor.workers.thread import ThreadWorker
from tests.support import executor_work as work

SOON_S = 60.0
Work = Callable[..., Coroutine[Any, Any, Any]]


class Member(Protocol):
    """An executor of some kind, as a thread uses it. Functions are coroutine functions of `executor_work`."""

    def enqueue(self, function: Work, *args: Any, **options: Any) -> TaskHandle[Any]: ...

    def cancel(self, handle: TaskHandle[Any]) -> bool: ...

    def drain(self, limit_s: float) -> Drained: ...

    def metrics(self) -> ExecutorMetrics: ...

    def end(self) -> None: ...


class Plain:
    """Threads, or processes: coroutine functions are run there to their end."""

    def __init__(
        self, worker: Any, limits: ExecutorLimits, breaker: CircuitBreaker | None, clock: Clock
    ) -> None:
        self._executor = TaskExecutor("it", limits, breaker=breaker, worker=worker, clock=clock)

    def enqueue(self, function: Work, *args: Any, **options: Any) -> TaskHandle[Any]:
        options.setdefault("name", function.__name__)
        return self._executor.enqueue_task(work.run, function, *args, **options)

    def cancel(self, handle: TaskHandle[Any]) -> bool:
        return handle.cancel()

    def drain(self, limit_s: float) -> Drained:
        return self._executor.drain(limit_s)

    def metrics(self) -> ExecutorMetrics:
        return self._executor.metrics()

    def end(self) -> None:
        self._executor.drain(SOON_S)


class OnLoop:
    """Coroutines: the executor lives on a loop, whose thread does what the test's thread asks."""

    def __init__(self, limits: ExecutorLimits, breaker: CircuitBreaker | None, clock: Clock) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._executor = AsyncTaskExecutor("it", limits, breaker=breaker, clock=clock)

    def _there(self, call: Callable[[], Any]) -> Any:
        async def do() -> Any:
            return call()

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(SOON_S)

    def enqueue(self, function: Work, *args: Any, **options: Any) -> TaskHandle[Any]:
        handle: TaskHandle[Any] = self._there(
            partial(self._executor.enqueue_task, function, *args, **options)
        )
        return handle

    def cancel(self, handle: TaskHandle[Any]) -> bool:
        return bool(self._there(handle.cancel))

    def drain(self, limit_s: float) -> Drained:
        return asyncio.run_coroutine_threadsafe(self._executor.drain(limit_s), self._loop).result(SOON_S)

    def metrics(self) -> ExecutorMetrics:
        found: ExecutorMetrics = self._there(self._executor.metrics)
        return found

    def end(self) -> None:
        self.drain(SOON_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


KINDS = ("threads", "processes", "coroutines")


def make(
    kind: str, *, breaker: CircuitBreaker | None = None, clock: Clock = SYSTEM_CLOCK, **limits: Any
) -> Member:
    """An executor of a kind with one worker."""
    one = ExecutorLimits(workers_max=1, **limits)
    if kind == "coroutines":
        return OnLoop(one, breaker, clock)
    return Plain(ThreadWorker if kind == "threads" else ProcessWorker, one, breaker, clock)


class Gate:
    """Holds the only worker until it is opened."""

    def __init__(self, member: Member, folder: Path) -> None:
        self._path = folder / f"gate-{id(self)}"
        self.handle = member.enqueue(work.hold, self._path)
        wait_for(self._path.with_suffix(".entered"))

    def open(self) -> None:
        """Let it go on."""
        self._path.touch()


def wait_for(path: Path) -> None:
    """Until a file is there."""
    ticks = threading.Event()
    for _ in range(int(SOON_S / 0.005)):
        if path.exists():
            return
        ticks.wait(0.005)
    raise AssertionError(f"{path.name} did not come")
