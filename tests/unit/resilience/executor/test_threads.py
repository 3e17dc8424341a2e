"""What people do with an executor."""

import asyncio
import contextvars
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tamis.errors import (
    BreakerOpenError,
    ConfigError,
    TamisError,
    TaskCancelledError,
    TaskCrashedError,
    TaskDeadlineError,
    TaskRejectedError,
)
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.executor.book import Rejection
from tamis.resilience.executor.limits import DropPolicy, ExecutorLimits, Priority
from tamis.resilience.executor.task import current_task
from tamis.resilience.executor.threads import TaskExecutor
from tests.support.hand_clock import HandClock

SOON_S = 60.0


class Gate:
    """Holds the only worker of an executor until it is opened."""

    def __init__(self, executor: TaskExecutor) -> None:
        self._open, entered = threading.Event(), threading.Event()

        def hold() -> None:
            entered.set()
            assert self._open.wait(SOON_S)

        self.handle = executor.enqueue_task(hold)
        assert entered.wait(SOON_S)

    def open(self) -> None:
        self._open.set()
        self.handle.result(SOON_S)


def alone(**limits: Any) -> TaskExecutor:
    return TaskExecutor("it", ExecutorLimits(workers_max=1, **limits))


@pytest.fixture
def one() -> Iterator[TaskExecutor]:
    """One worker, three places."""
    executor = alone(waiting_max=3)
    yield executor
    executor.drain(SOON_S)


def test_the_numbers_are_those_of_the_specification() -> None:
    """100 wait at most; the least important makes room."""
    assert ExecutorLimits().waiting_max == 100
    assert ExecutorLimits().drop is DropPolicy.LOW


@pytest.mark.parametrize(
    "limits",
    [
        {"waiting_max": 0},
        {"workers_max": True},
        {"ageing_s": 0},
        {"idle_s": float("inf")},
        {"drop": "none"},
    ],
)
def test_a_wrong_limit_is_refused_with_its_name(limits: Any) -> None:
    """Whoever sets a limit that cannot be hears which."""
    with pytest.raises(ConfigError) as caught:
        ExecutorLimits(**limits)
    assert caught.value.key in limits


def test_results_and_failures_reach_the_caller(one: TaskExecutor) -> None:
    """A handle returns what the function returned and raises what it raised."""
    assert one.enqueue_task(divmod, 7, 2).result(SOON_S) == (3, 1)
    assert one.enqueue_task(int, "ff", base=16).result(SOON_S) == 255
    with pytest.raises(ZeroDivisionError):
        one.enqueue_task(divmod, 7, 0).result(SOON_S)


def test_the_most_important_goes_first_then_the_oldest(one: TaskExecutor) -> None:
    """CRITICAL, HIGH, NORMAL, LOW; within each by age."""
    executor, done = alone(), list[int]()
    gate = Gate(executor)
    order = [
        Priority.LOW,
        Priority.NORMAL,
        Priority.CRITICAL,
        Priority.HIGH,
        Priority.NORMAL,
        Priority.CRITICAL,
    ]
    handles = [
        executor.enqueue_task(done.append, number, priority=priority) for number, priority in enumerate(order)
    ]
    gate.open()
    for handle in handles:
        handle.result(SOON_S)
    assert done == [2, 5, 3, 1, 4, 0]
    executor.close()


def low_runs_as_number(ageing_s: float | None) -> int:
    """How many of 30 HIGH, each of which brings the next and takes a second, run before the LOW before them."""
    clock, done, over = HandClock(), list[str](), threading.Event()
    executor = TaskExecutor("it", ExecutorLimits(workers_max=1, ageing_s=ageing_s), clock=clock)

    def high(left: int) -> None:
        done.append("high")
        clock.pass_s(1)
        if left:
            executor.enqueue_task(high, left - 1, priority=Priority.HIGH)
            executor.enqueue_task(high, 0, priority=Priority.HIGH)
        else:
            over.set()

    gate = Gate(executor)
    low = executor.enqueue_task(done.append, "low", priority=Priority.LOW)
    executor.enqueue_task(high, 30, priority=Priority.HIGH)
    gate.open()
    low.result(SOON_S)
    executor.drain(SOON_S)
    return done.index("low")


def test_low_comes_to_its_turn_under_a_stream_of_high() -> None:
    """LOW rises by one priority each `ageing_s` and then stands before younger HIGH; without ageing it waits."""
    assert low_runs_as_number(ageing_s=5.0) == 10
    assert low_runs_as_number(ageing_s=None) == 61


@pytest.mark.parametrize(
    ("drop", "newcomer", "dropped"),
    [
        (DropPolicy.LOW, Priority.HIGH, [2]),
        (DropPolicy.LOW, Priority.LOW, None),
        (DropPolicy.OLDEST, Priority.HIGH, [0]),
        (DropPolicy.OLDEST, Priority.LOW, [0]),
        (DropPolicy.ALL, Priority.HIGH, [0, 1, 2]),
        (DropPolicy.ALL, Priority.NORMAL, [0, 2]),
    ],
)
def test_who_makes_room(drop: DropPolicy, newcomer: Priority, dropped: list[int] | None) -> None:
    """The policy says who goes; nobody goes for a newcomer that is less important; both hear why."""
    told: list[Rejection] = []
    limits = ExecutorLimits(waiting_max=3, workers_max=1, drop=drop)
    executor = TaskExecutor("it", limits, on_rejection=told.append)
    gate, ran = Gate(executor), list[int]()
    order = (Priority.LOW, Priority.HIGH, Priority.LOW)
    handles = [executor.enqueue_task(ran.append, at, priority=how) for at, how in enumerate(order)]
    if dropped is None:
        with pytest.raises(TaskRejectedError, match=r"the task new of .* all 3 places were taken"):
            executor.enqueue_task(ran.append, 9, priority=newcomer, name="new")
    else:
        executor.enqueue_task(ran.append, 9, priority=newcomer, name="new")
    gate.open()
    executor.drain(SOON_S)
    for number in dropped or ():
        with pytest.raises(TaskRejectedError, match="make room for new"):
            handles[number].result(0)
    expected = {0, 1, 2, 9} - set([9] if dropped is None else dropped)
    assert set(ran) == expected
    assert len(told) == (1 if dropped is None else len(dropped))


def test_critical_is_never_dropped_for_less() -> None:
    """Under each policy a queue of CRITICAL refuses a NORMAL."""
    for drop in DropPolicy:
        executor = alone(waiting_max=2, drop=drop)
        gate = Gate(executor)
        handles = [executor.enqueue_task(int, priority=Priority.CRITICAL) for _ in range(2)]
        with pytest.raises(TaskRejectedError):
            executor.enqueue_task(int)
        gate.open()
        assert [handle.result(SOON_S) for handle in handles] == [0, 0]
        executor.close()


def test_rejections_count_toward_hard_open() -> None:
    """Five tasks that a full queue refused open the breaker hard; a closed executor's refusals do not count."""
    breaker = CircuitBreaker("engine")
    executor = TaskExecutor("it", ExecutorLimits(waiting_max=1, workers_max=1), breaker=breaker)
    gate = Gate(executor)
    executor.enqueue_task(int)
    for _ in range(5):
        with pytest.raises(TaskRejectedError):
            executor.enqueue_task(int)
    with pytest.raises(BreakerOpenError):
        breaker.call(int)
    gate.open()
    executor.drain(SOON_S)
    with pytest.raises(TaskRejectedError, match="closed"):
        executor.enqueue_task(int)
    assert breaker.metrics().counts.rejections == 5
    assert executor.metrics().counts.rejected == 6


def test_a_listener_that_raises_harms_nobody() -> None:
    """Who enqueues hears of the queue, not of the listener."""
    executor = TaskExecutor("it", ExecutorLimits(waiting_max=1, workers_max=1), on_rejection=lambda _: [][0])
    gate = Gate(executor)
    executor.enqueue_task(int)
    with pytest.raises(TaskRejectedError):
        executor.enqueue_task(int)
    assert executor.metrics().listener_errors == 1
    gate.open()
    executor.close()


def test_a_task_past_its_deadline_is_not_run(one: TaskExecutor) -> None:
    """Nobody looks, and still its caller hears in time; its function never starts."""
    gate, ran = Gate(one), list[int]()
    handle = one.enqueue_task(ran.append, 1, deadline_s=0.05)
    with pytest.raises(TaskDeadlineError, match=r"not done within 0\.05 s"):
        handle.result(SOON_S)
    gate.open()
    one.drain(SOON_S)
    assert ran == []


def test_a_running_task_past_its_deadline_is_told_and_not_waited_for() -> None:
    """The caller goes on at the deadline; the function sees it, and its late result is counted and dropped."""
    clock, entered, ended = HandClock(), threading.Event(), threading.Event()
    executor = TaskExecutor("it", ExecutorLimits(workers_max=1), clock=clock)

    def work() -> str:
        task = current_task()
        assert task is not None
        entered.set()
        while not task.stopping:
            time.sleep(0.001)
        with pytest.raises((TaskDeadlineError, TaskCancelledError)):
            task.check()
        ended.set()
        return "late"

    handle = executor.enqueue_task(work, deadline_s=5.0)
    assert entered.wait(SOON_S)
    clock.pass_s(5)
    assert executor.metrics().counts.expired == 1
    with pytest.raises(TimeoutError):
        handle.result(SOON_S)
    assert ended.wait(SOON_S)
    executor.drain(SOON_S)
    counts = executor.metrics().counts
    assert (counts.expired, counts.late, counts.succeeded) == (1, 1, 0)


def test_cancel(one: TaskExecutor) -> None:
    """A waiting task never runs; a running one is told, and may end as cancelled."""
    entered = threading.Event()

    def work() -> None:
        task = current_task()
        assert task is not None
        entered.set()
        while True:
            task.check()
            time.sleep(0.001)

    running = one.enqueue_task(work)
    assert entered.wait(SOON_S)
    waiting = one.enqueue_task(int)
    assert waiting.cancel()
    assert not waiting.cancel()
    assert waiting.cancelled()
    assert not running.cancel()
    with pytest.raises(TaskCancelledError):
        running.result(SOON_S)
    assert one.metrics().counts.cancelled == 2
    assert current_task() is None


def test_a_crash_takes_one_task_and_not_the_executor(one: TaskExecutor) -> None:
    """What ends a thread is told to its caller; the next task runs."""
    with pytest.raises(TaskCrashedError, match="SystemExit") as caught:
        one.enqueue_task(lambda: os.sys.exit(3)).result(SOON_S)  # type: ignore[attr-defined]  # os imports it
    assert isinstance(caught.value.__cause__, SystemExit)
    assert one.enqueue_task(int).result(SOON_S) == 0
    assert one.metrics().counts.crashed == 1


def test_a_worker_that_is_lost_is_replaced() -> None:
    """Each crash makes a new worker, closes the lost one; one that cannot be made fails its task only."""

    class Fragile:
        def __init__(self) -> None:
            self.is_lost, self.is_closed = False, False
            made.append(self)
            if len(made) == 2:
                raise OSError("no process to be had")

        def run(self, function: Any, args: Any, kwargs: Any) -> Any:
            if function is exit:
                self.is_lost = True
                raise RuntimeError("its process died")
            return function(*args, **kwargs)

        def close(self) -> None:
            self.is_closed = True

    made: list[Fragile] = []
    with TaskExecutor("it", ExecutorLimits(workers_max=1), worker=Fragile) as executor:
        with pytest.raises(TaskCrashedError):
            executor.enqueue_task(exit).result(SOON_S)
        with pytest.raises(TaskCrashedError, match="OSError"):
            executor.enqueue_task(int).result(SOON_S)
        assert executor.enqueue_task(int).result(SOON_S) == 0
    assert [worker.is_closed for worker in made[:2]] == [True, False]


def test_drain_finishes_what_is_there_or_says_what_is_left() -> None:
    """Within its limit all is done; past it the waiting hear why, the running are told, and it is over."""
    executor = alone()
    handles = [executor.enqueue_task(int) for _ in range(20)]
    drained = executor.drain(SOON_S)
    assert (drained.dropped, drained.still_running) == (0, 0)
    assert all(handle.result(0) == 0 for handle in handles)

    executor = alone()
    gate = Gate(executor)
    waiting = executor.enqueue_task(int)
    drained = executor.drain(0.02)
    assert (drained.dropped, drained.still_running) == (1, 1)
    with pytest.raises(TaskRejectedError, match="was closed"):
        waiting.result(0)
    gate.open()


def test_threads_end_when_there_is_no_work() -> None:
    """An executor at rest has none, and begins again."""
    executor = alone(idle_s=0.01)
    for _ in range(2):
        assert executor.enqueue_task(int).result(SOON_S) == 0
        end = time.monotonic() + SOON_S
        while executor.metrics().workers and time.monotonic() < end:
            time.sleep(0.005)
        assert executor.metrics().workers == 0


def test_a_task_runs_in_the_context_of_its_caller(one: TaskExecutor) -> None:
    """Correlation ids and the like go with the work."""
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(7)
    assert one.enqueue_task(variable.get).result(SOON_S) == 7


async def _awaited(executor: TaskExecutor) -> None:
    assert await executor.enqueue_task(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await executor.enqueue_task(divmod, 7, 0)
    gate = Gate(executor)
    handle = executor.enqueue_task(int)
    waiting = asyncio.ensure_future(_wait_for(handle))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert handle.cancelled()
    with pytest.raises(TaskCancelledError):
        await handle
    gate.open()


async def _wait_for(handle: Any) -> Any:
    return await handle


def test_a_handle_can_be_awaited(one: TaskExecutor) -> None:
    """With its result, its error, and its cancellation both ways."""
    asyncio.run(_awaited(one))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_an_empty_executor(one: TaskExecutor) -> None:
    """What the parent enqueued stays there; the child's own tasks run."""
    gate = Gate(one)
    handle = one.enqueue_task(int)
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(20)
            is_told = isinstance(handle.exception(5), TaskRejectedError)
            is_right = is_told and one.enqueue_task(int).result(5) == 0
            os._exit(0 if is_right else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    gate.open()
    assert handle.result(SOON_S) == 0


def test_errors_are_of_the_tree() -> None:
    """One `except` catches them all, and each says executor, task and reason."""
    for kind in (TaskRejectedError, TaskDeadlineError, TaskCancelledError, TaskCrashedError):
        assert issubclass(kind, TamisError)
    assert (
        str(TaskRejectedError("it", "count", "why")) == "the task count of the executor it was not run: why"
    )


def test_what_a_task_has_called_at_its_stop_may_fail() -> None:
    """Its handle is settled all the same, and deadlines are looked at further on."""
    executor, entered, go = alone(), threading.Event(), threading.Event()

    def careless() -> None:
        task = current_task()
        assert task is not None
        task.on_stop(fail_badly)
        entered.set()
        go.wait(SOON_S)

    def fail_badly() -> None:
        raise SystemExit(1)

    handle = executor.enqueue_task(careless, deadline_s=0.05)
    assert entered.wait(SOON_S)
    with pytest.raises(TaskDeadlineError):
        handle.result(SOON_S)
    with pytest.raises(TaskDeadlineError):
        executor.enqueue_task(int, deadline_s=0.01).result(SOON_S)
    go.set()
    assert executor.drain(SOON_S).still_running == 0
    assert executor.metrics().listener_errors >= 1


def test_a_callback_that_ends_its_thread_ends_no_worker() -> None:
    """It is logged as any other error of a callback; the callbacks after it are called, and the next task runs."""
    executor = alone()
    gate, called = Gate(executor), threading.Event()
    handle = executor.enqueue_task(int)

    def leave(_: object) -> None:
        raise SystemExit(3)

    handle.add_done_callback(leave)
    handle.add_done_callback(lambda _: called.set())
    gate.open()
    assert called.wait(SOON_S)
    assert executor.enqueue_task(int).result(SOON_S) == 0
    assert executor.metrics().workers == 1
    assert executor.drain(SOON_S).still_running == 0


def test_a_listener_that_ends_its_thread_ends_no_worker() -> None:
    """It is counted, and the next task runs."""
    told = threading.Event()

    def leave(_: Rejection) -> None:
        if threading.current_thread() is not threading.main_thread():
            told.set()
            raise SystemExit(3)

    executor = TaskExecutor("it", ExecutorLimits(workers_max=1, waiting_max=1), on_rejection=leave)
    gate = Gate(executor)
    handle = executor.enqueue_task(int)
    with executor._lock:  # so that the worker is the one who tells of it
        executor._book._rejections.append(Rejection("it", "x", Priority.LOW, "full"))
    gate.open()
    assert told.wait(SOON_S)
    assert handle.result(SOON_S) == 0
    assert executor.enqueue_task(int).result(SOON_S) == 0
    executor.drain(SOON_S)
    assert executor.metrics().listener_errors == 1


def test_a_handle_says_whether_its_task_runs() -> None:
    """From its turn until it is done; not while it waits."""
    executor = alone()
    gate = Gate(executor)
    waits = executor.enqueue_task(int)
    assert (gate.handle.running(), waits.running()) == (True, False)
    gate.open()
    waits.result(SOON_S)
    assert (gate.handle.running(), waits.running()) == (False, False)
    executor.drain(SOON_S)


@pytest.mark.parametrize("limit_s", [None, float("inf"), 1e300])
def test_drain_may_wait_without_a_limit(limit_s: float | None) -> None:
    """However that is said; what is no number is no limit."""
    executor = alone()
    handle = executor.enqueue_task(int)
    with pytest.raises(ValueError, match="limit_s"):
        executor.drain(float("nan"))
    assert (executor.drain(limit_s).dropped, handle.result(SOON_S)) == (0, 0)


def test_without_a_thread_for_deadlines_a_task_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who enqueued hears why; as soon as there is one again, deadlines hold."""
    executor, start = alone(waiting_max=5), threading.Thread.start
    gate = Gate(executor)

    def refuse(thread: threading.Thread) -> None:
        if "deadlines" in thread.name:
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            executor.enqueue_task(int, deadline_s=60.0)
    assert sum(executor.metrics().waiting.values()) == 0
    with pytest.raises(TaskDeadlineError):
        executor.enqueue_task(int, deadline_s=0.01).result(SOON_S)
    gate.open()
    executor.drain(SOON_S)
