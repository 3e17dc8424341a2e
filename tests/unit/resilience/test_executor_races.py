"""Many threads at one executor."""

import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from tamis.errors import TaskCancelledError, TaskDeadlineError, TaskError, TaskRejectedError
from tamis.resilience.executor import TaskExecutor
from tamis.resilience.executor_limits import DropPolicy, ExecutorLimits, Priority
from tamis.resilience.executor_task import TaskHandle

THREADS, TASKS, SOON_S = 6, 150, 60.0


@pytest.fixture(autouse=True)
def _switching_all_the_time() -> Iterator[None]:
    """Threads change places as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("drop", DropPolicy)
def test_every_task_ends_once_and_is_counted(drop: DropPolicy) -> None:
    """Whatever threads enqueue, cancel, wait for and let expire: each handle ends, and the counts are theirs."""
    limits = ExecutorLimits(waiting_max=8, workers_max=3, drop=drop, ageing_s=0.01, idle_s=0.001)
    ran, rejected, settled = Counter[int](), Counter[str](), Counter[int]()
    executor = TaskExecutor("it", limits, on_rejection=lambda told: rejected.update(["told"]))
    handles: list[tuple[int, TaskHandle[int]]] = []
    lock = threading.Lock()

    def work(number: int) -> int:
        with lock:
            ran[number] += 1
        if number % 13 == 0:
            raise SystemExit(number)
        return number

    def on_done(number: int) -> None:
        with lock:
            settled[number] += 1

    def enqueue(thread: int) -> None:
        choice = random.Random(thread)
        for at in range(TASKS):
            number = thread * TASKS + at
            deadline_s = choice.choice([None, None, 0.0, 0.0005, 5.0])
            try:
                handle = executor.enqueue_task(
                    work, number, priority=choice.choice(list(Priority)), deadline_s=deadline_s
                )
            except TaskRejectedError:
                with lock:
                    rejected["raised"] += 1
                continue
            handle.add_done_callback(lambda _, number=number: on_done(number))  # type: ignore[misc]
            with lock:
                handles.append((number, handle))
            if choice.random() < 0.2:
                handle.cancel()
            if choice.random() < 0.2:
                handle.exception(SOON_S)

    threads = [threading.Thread(target=enqueue, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    drained = executor.drain(SOON_S)
    assert (drained.dropped, drained.still_running) == (0, 0)

    outcomes = Counter[str]()
    for number, handle in handles:
        error = handle.exception(0)
        outcomes["succeeded" if error is None else type(error).__name__] += 1
        if error is None:
            assert handle.result(0) == number
        assert error is None or isinstance(error, TaskError)
        if isinstance(error, TaskRejectedError):
            assert ran[number] == 0
    counts = executor.metrics().counts
    assert max(ran.values()) == 1
    assert all(settled[number] == 1 for number, _ in handles)
    assert counts.accepted == len(handles)
    assert counts.rejected == rejected["raised"]
    assert counts.dropped == outcomes["TaskRejectedError"] == rejected["told"] - rejected["raised"]
    assert counts.succeeded == outcomes["succeeded"]
    assert counts.crashed == outcomes["TaskCrashedError"]
    assert counts.expired == outcomes[TaskDeadlineError.__name__]
    assert counts.cancelled == outcomes[TaskCancelledError.__name__]
    assert counts.started == ran.total()
