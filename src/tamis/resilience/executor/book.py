"""The tasks of an executor, and what is to be told of them: what the faces for threads and asyncio share."""

import math
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import InvalidStateError
from dataclasses import dataclass
from typing import Any

from tamis.errors import TaskCancelledError, TaskCrashedError, TaskDeadlineError, TaskRejectedError
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.executor.limits import ExecutorLimits, Priority
from tamis.resilience.executor.reports import Reports
from tamis.resilience.executor.schedule import Ending, ExecutorCounts, TaskSchedule
from tamis.resilience.executor.task import Task, TaskControl, TaskHandle, is_interrupt
from tamis.telemetry.status import BOARD, StatusBoard

DRAIN_S = 30.0
"""How long a `with` block waits at its end for what was enqueued in it."""

CLOSED = "the executor is closed and takes nothing any more"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A task that an executor did not take, or dropped, because its queue was full."""

    executor: str
    task: str
    priority: Priority
    reason: str


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain left: tasks dropped at its limit, and tasks that run on although nobody waits for them."""

    dropped: int
    still_running: int


@dataclass(frozen=True, slots=True)
class ExecutorMetrics:
    """An executor at one instant. `counts` sums up as ExecutorCounts says; times are seconds."""

    name: str
    waiting: dict[Priority, int]
    oldest_waiting_s: float
    running: int
    workers: int
    counts: ExecutorCounts
    listener_errors: int


class TaskBook:
    """Tasks by number, over a TaskSchedule. Not thread-safe, but for `tell`: its face calls that after each other
    method, where it holds no lock, because handles and listeners run other people's code then.
    """

    def __init__(
        self,
        name: str,
        limits: ExecutorLimits,
        *,
        breaker: CircuitBreaker | None = None,
        on_rejection: Callable[[Rejection], None] | None = None,
        board: StatusBoard = BOARD,
    ) -> None:
        self.name, self.limits, self.schedule = name, limits, TaskSchedule(limits)
        self.is_closed = False
        self.listener_errors = 0
        self._breaker, self._on_rejection = breaker, on_rejection
        self._board, self._reports = board, Reports(name, board)
        self._tasks: dict[int, Task] = {}
        self._settled: deque[tuple[TaskHandle[Any], Any, BaseException | None]] = deque()
        self._rejections: deque[Rejection] = deque()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self.schedule.waiting and not self.schedule.running

    def enqueue(self, task: Task, now_s: float) -> TaskRejectedError | None:
        """Take a task, or say why not."""
        self.expire(now_s)
        if self.is_closed:
            self.schedule.refuse()
            return TaskRejectedError(self.name, task.handle.name, CLOSED)
        deadline_s = now_s + task.limit_s
        admission = self.schedule.enqueue(task.handle.priority, now_s, deadline_s=deadline_s)
        full = f"all {self.limits.waiting_max} places were taken"
        for number in admission.dropped:
            dropped = self._tasks.pop(number)
            reason = f"{full}, and it had to make room for {task.handle.name}; enqueue it again later"
            self._settled.append((dropped.handle, None, self._reject(dropped, reason)))
        if admission.number is None:
            return self._reject(task, f"{full}, none by a task that makes room for it; try again later")
        task.number = admission.number
        self._tasks[task.number] = task
        return None

    def take(self, now_s: float) -> Task | None:
        """The task whose turn it is, if a worker is free: it runs from now on."""
        self.expire(now_s)
        number = self.schedule.take(now_s)
        if number is None:
            return None
        task = self._tasks[number]
        task.handle.has_begun = True
        return task

    def finish(self, task: Task, ending: Ending, now_s: float, *, value: Any) -> None:
        """A task that ran came back, with a result or an error."""
        self.expire(now_s)
        if not self.schedule.finish(task.number, ending, now_s):
            return
        del self._tasks[task.number]
        error = value if ending is not Ending.SUCCESS else None
        if ending is Ending.CRASH:
            error = TaskCrashedError(self.name, task.handle.name, _told(value))
            self._reports.crashed(task.handle.name, error.reason)
            error.__cause__ = value
        elif ending is Ending.CANCELLED:
            error = TaskCancelledError(self.name, task.handle.name)
        self._settled.append((task.handle, value if error is None else None, error))

    def cancel(self, handle: TaskHandle[Any], now_s: float) -> Task | None:
        """Take it out if it waits; else tell it to stop, and return it, if it runs."""
        self.expire(now_s)
        task = next((task for task in self._tasks.values() if task.handle is handle), None)
        if task is None:
            return None
        if self.schedule.cancel(task.number):
            del self._tasks[task.number]
            self._settled.append((handle, None, TaskCancelledError(self.name, handle.name)))
            return None
        self._stop(task)
        return task

    def expire(self, now_s: float) -> list[Task]:
        """End the wait for tasks whose deadline is past; those among them that run are told, and returned."""
        gone = [self._tasks.pop(number) for number in self.schedule.expire(now_s)]
        for task in gone:
            error = TaskDeadlineError(self.name, task.handle.name, task.limit_s)
            self._settled.append((task.handle, None, error))
        for task in gone:
            self._stop(task)
        return gone

    def drop_all(self, reason: str) -> Drained:
        """The end: nothing that waits will run, and what runs is told to stop."""
        self.is_closed = True
        left = list(self.schedule.waiting)
        for number in left:
            self.schedule.drop(number)
            handle = self._tasks.pop(number).handle
            self._settled.append((handle, None, TaskRejectedError(self.name, handle.name, reason)))
        for task in self._tasks.values():
            self._stop(task)
        return Drained(len(left), self.schedule.running)

    def forget(self, reason: str) -> None:
        """After a fork, in the child: the tasks that are here never come back, as their handles say."""
        self._rejections.clear()
        self._reports = Reports(self.name, self._board)
        for handle, _, _ in self._settled:
            handle.after_fork()
        for task in self._tasks.values():
            task.handle.after_fork()
            error = TaskRejectedError(self.name, task.handle.name, reason)
            self._settled.append((task.handle, None, error))
        self._tasks.clear()

    def metrics(self, now_s: float, *, workers: int) -> ExecutorMetrics:
        """All counts and times, as they are now; `expire` first, where that is to be so."""
        schedule = self.schedule
        return ExecutorMetrics(
            name=self.name,
            waiting=schedule.waiting_by_priority(),
            oldest_waiting_s=schedule.oldest_waiting_s(now_s),
            running=schedule.running,
            workers=workers,
            counts=schedule.counts.copy(),
            listener_errors=self.listener_errors,
        )

    def tell(self) -> None:
        """Settle the handles and tell the rejections that have come together. Thread-safe."""
        if not self._settled and not self._rejections:
            self._reports.tell()
            return
        for handle, value, error in _drained(self._settled):
            try:
                handle.set_exception(error) if error is not None else handle.set_result(value)
            except InvalidStateError:  # whoever asked settled it themselves: they do not wait
                continue
        for rejection in _drained(self._rejections):
            self._reports.refused(rejection.task, rejection.reason)
            if self._breaker is not None:
                self._breaker.register_rejection()
            if self._on_rejection is None:
                continue
            try:
                self._on_rejection(rejection)
            except Exception:  # a listener's fault is never the fault of who enqueued
                self.listener_errors += 1
        self._reports.tell()

    def tell_on_own_thread(self) -> None:
        """The same on a thread of the executor's own, which goes on whatever other people's code raises."""
        while self._settled or self._rejections or self._reports.is_news:
            try:
                self.tell()
                return
            except BaseException:  # the edge: a listener that ends a thread ends its own only
                self.listener_errors += 1

    def _stop(self, task: Task) -> None:
        try:
            task.control.stop()
        except BaseException as error:  # what a task has called at its stop is not the fault of who asks
            self.listener_errors += 1
            if is_interrupt(error):
                raise

    def _reject(self, task: Task, reason: str) -> TaskRejectedError:
        handle = task.handle
        self._rejections.append(Rejection(self.name, handle.name, handle.priority, reason))
        return TaskRejectedError(self.name, handle.name, reason)


def ending_of(control: TaskControl, error: BaseException, *, is_crash: bool) -> Ending:
    """How a task ended that raised; `is_crash`: its worker is lost."""
    if isinstance(error, TaskCancelledError) and control.stopping:
        return Ending.CANCELLED
    return Ending.CRASH if is_crash else Ending.FAILURE


def seconds_of(limit_s: float | None, name: str = "deadline_s") -> float:
    """A limit in seconds from now; infinite for None."""
    if limit_s is None:
        return math.inf
    if math.isnan(limit_s):
        raise ValueError(f"{name} is not a number; give seconds from now, or None for no limit")
    return limit_s


def _told(error: BaseException) -> str:
    name, text = type(error).__name__, str(error)
    if isinstance(error, ChildProcessError):
        return text
    return f"{name}: {text}" if text else name


def _drained(queue: "deque[Any]") -> Iterable[Any]:
    while True:
        try:
            yield queue.popleft()
        except IndexError:
            return
