"""What people do with an executor of coroutines."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tamis.errors import TaskCancelledError, TaskCrashedError, TaskDeadlineError, TaskRejectedError
from tamis.resilience.executor.coroutines import AsyncTaskExecutor
from tamis.resilience.executor.limits import ExecutorLimits, Priority
from tamis.resilience.executor.task import current_task

SOON_S = 60.0


def on_loop(test: Callable[[], Awaitable[None]]) -> None:
    """Run it on a loop of its own; it has a minute."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(bounded())


async def twice(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def fail() -> None:
    raise OSError("nobody there")


def alone(**limits: Any) -> AsyncTaskExecutor:
    return AsyncTaskExecutor("it", ExecutorLimits(workers_max=1, **limits))


def test_results_failures_and_order() -> None:
    """The most important first; results and errors reach who awaits."""

    async def check() -> None:
        executor, done = alone(), list[int]()

        async def note(number: int) -> None:
            done.append(number)

        first = executor.enqueue_task(twice, 2)
        order = [Priority.LOW, Priority.NORMAL, Priority.CRITICAL, Priority.NORMAL]
        handles = [executor.enqueue_task(note, at, priority=how) for at, how in enumerate(order)]
        assert await first == 4
        for handle in handles:
            await handle
        assert done == [2, 1, 3, 0]
        with pytest.raises(OSError, match="nobody there"):
            await executor.enqueue_task(fail)
        assert executor.metrics().counts.succeeded == 5

    on_loop(check)


def test_a_full_queue_says_no_and_why() -> None:
    """As with threads: the newcomer is refused, or another makes room for it."""

    async def check() -> None:
        executor = alone(waiting_max=1)
        running = executor.enqueue_task(twice, 1)
        low = executor.enqueue_task(twice, 2, priority=Priority.LOW)
        with pytest.raises(TaskRejectedError):
            executor.enqueue_task(twice, 3, priority=Priority.LOW)
        high = executor.enqueue_task(twice, 4, priority=Priority.HIGH)
        with pytest.raises(TaskRejectedError, match="make room"):
            await low
        assert (await running, await high) == (2, 8)

    on_loop(check)


def test_deadline_and_cancel_end_the_coroutine() -> None:
    """Waiting or running, begun or not: the coroutine sees a cancellation, the caller its error."""

    async def check() -> None:
        executor, seen = alone(), list[str]()

        async def hang() -> None:
            task = current_task()
            assert task is not None
            seen.append("entered")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                assert task.stopping
                raise

        handle, behind = executor.enqueue_task(hang, deadline_s=0.02), executor.enqueue_task(hang)
        with pytest.raises(TaskDeadlineError):
            await handle
        while seen.count("entered") < 2:
            await asyncio.sleep(0.001)
        assert not behind.cancel()
        with pytest.raises(TaskCancelledError):
            await behind
        unborn = executor.enqueue_task(hang)
        assert not unborn.cancel()
        with pytest.raises(TaskCancelledError):
            await unborn
        assert seen == ["entered", "cancelled", "entered", "cancelled"]
        assert await executor.enqueue_task(twice, 1) == 2
        counts = executor.metrics().counts
        assert (counts.expired, counts.late, counts.cancelled, counts.succeeded) == (1, 1, 2, 1)

    on_loop(check)


def test_drain_waits_and_then_ends() -> None:
    """What is there is done within the limit; past it the waiting hear why and the running are cancelled."""

    async def check() -> None:
        async with alone() as executor:
            handles = [executor.enqueue_task(twice, number) for number in range(10)]
        assert [await handle for handle in handles] == [2 * number for number in range(10)]
        with pytest.raises(TaskRejectedError, match="closed"):
            executor.enqueue_task(twice, 1)
        executor = alone()
        running, waiting = executor.enqueue_task(asyncio.sleep, SOON_S), executor.enqueue_task(twice, 1)
        drained = await executor.drain(0.01)
        assert (drained.dropped, drained.still_running) == (1, 1)
        with pytest.raises(TaskRejectedError):
            await waiting
        with pytest.raises(TaskCancelledError):
            await running

    on_loop(check)


def test_what_cannot_even_begin_is_told() -> None:
    """A function that raises before it gives a coroutine fails its task alone."""

    async def check() -> None:
        executor = alone()
        with pytest.raises(TypeError):
            await executor.enqueue_task(twice)
        assert await executor.enqueue_task(twice, 1) == 2

    on_loop(check)


class Odd(BaseException):
    """What no `except Exception` catches, and no event loop knows."""


@pytest.mark.parametrize("kind", [Odd, GeneratorExit, SystemExit])
def test_whatever_a_coroutine_raises_its_place_is_free_again(kind: type[BaseException]) -> None:
    """An error that is no `Exception` is a crash of its task, as with threads, and the next one runs."""

    async def leave() -> None:
        raise kind("out")

    async def check() -> None:
        executor = alone()
        with pytest.raises(TaskCrashedError, match="out"):
            await executor.enqueue_task(leave)
        assert await executor.enqueue_task(twice, 2) == 4
        assert executor.metrics().counts.crashed == 1
        assert (await executor.drain(SOON_S)).still_running == 0

    on_loop(check)


def test_without_a_loop_nothing_is_enqueued() -> None:
    """Who enqueues where no event loop runs hears so, and no place is taken by it."""
    executor = alone()
    with pytest.raises(RuntimeError, match="no running event loop"):
        executor.enqueue_task(twice, 1)

    async def check() -> None:
        assert await executor.enqueue_task(twice, 2) == 4
        assert (executor.metrics().counts.accepted, executor.metrics().running) == (1, 0)

    on_loop(check)


@pytest.mark.parametrize("limit_s", [None, float("inf"), 1e300])
def test_drain_may_wait_without_a_limit(limit_s: float | None) -> None:
    """However that is said; what is no number is no limit."""

    async def check() -> None:
        executor = alone()
        handle = executor.enqueue_task(twice, 2)
        with pytest.raises(ValueError, match="limit_s"):
            await executor.drain(float("nan"))
        assert ((await executor.drain(limit_s)).dropped, await handle) == (0, 4)

    on_loop(check)
