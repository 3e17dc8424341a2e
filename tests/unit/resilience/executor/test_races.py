"""Many threads at one executor."""

import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tamis.errors import TaskError, TaskRejectedError
from tamis.resilience.executor.limits import DropPolicy, ExecutorLimits, Priority
from tamis.resilience.executor.task import TaskHandle
from tamis.resilience.executor.threads import TaskExecutor

THREADS, TASKS, SOON_S = 6, 150, 60.0


@pytest.fixture(autouse=True)
def _switching_all_the_time() -> Iterator[None]:
    """Threads change places as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Callers:
    """Threads that enqueue, cancel, wait for and let expire; what they saw."""

    def __init__(self, drop: DropPolicy) -> None:
        limits = ExecutorLimits(waiting_max=8, workers_max=3, drop=drop, ageing_s=0.01, idle_s=0.001)
        self.executor = TaskExecutor("it", limits, on_rejection=lambda _: self.note(self.seen, "told"))
        self.ran, self.settled, self.seen = Counter[int](), Counter[int](), Counter[str]()
        self.handles: list[tuple[int, TaskHandle[int]]] = []
        self.lock = threading.Lock()

    def note(self, counter: Counter[Any], what: object) -> None:
        with self.lock:
            counter[what] += 1

    def work(self, number: int) -> int:
        self.note(self.ran, number)
        if number % 13 == 0:
            raise SystemExit(number)
        return number

    def enqueue(self, thread: int) -> None:
        choice = random.Random(thread)
        for number in range(thread * TASKS, (thread + 1) * TASKS):
            deadline_s = choice.choice([None, None, 0.0, 0.0005, 5.0])
            priority = choice.choice(list(Priority))
            try:
                handle = self.executor.enqueue_task(
                    self.work, number, priority=priority, deadline_s=deadline_s
                )
            except TaskRejectedError:
                self.note(self.seen, "raised")
                continue
            handle.add_done_callback(lambda _, number=number: self.note(self.settled, number))  # type: ignore[misc]  # bound at once
            with self.lock:
                self.handles.append((number, handle))
            if choice.random() < 0.2:
                handle.cancel()
            if choice.random() < 0.2:
                handle.exception(SOON_S)

    def outcomes(self) -> Counter[str]:
        found = Counter[str]()
        for number, handle in self.handles:
            error = handle.exception(0)
            found["succeeded" if error is None else type(error).__name__] += 1
            assert isinstance(error, TaskError) or handle.result(0) == number
            assert not (isinstance(error, TaskRejectedError) and self.ran[number])
        return found


@pytest.mark.parametrize("drop", DropPolicy)
def test_every_task_ends_once_and_is_counted(drop: DropPolicy) -> None:
    """Whatever threads do at once: each handle ends, no function runs twice, and the counts are what they saw."""
    callers = Callers(drop)
    threads = [threading.Thread(target=callers.enqueue, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    drained = callers.executor.drain(SOON_S)
    assert (drained.dropped, drained.still_running) == (0, 0)
    outcomes, seen, counts = callers.outcomes(), callers.seen, callers.executor.metrics().counts
    assert max(callers.ran.values()) == 1
    assert all(callers.settled[number] == 1 for number, _ in callers.handles)
    assert counts.accepted == len(callers.handles)
    assert counts.rejected == seen["raised"]
    assert counts.dropped == outcomes["TaskRejectedError"] == seen["told"] - seen["raised"]
    assert counts.succeeded == outcomes["succeeded"]
    assert counts.crashed == outcomes["TaskCrashedError"]
    assert counts.expired == outcomes["TaskDeadlineError"]
    assert counts.cancelled == outcomes["TaskCancelledError"]
    assert counts.started == callers.ran.total()
