"""`TaskExecutor`: work that waits its turn, by priority and age, in a queue that never grows without bound."""

import math
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.executor.alive import executors, remember
from tamis.resilience.executor.book import (
    DRAIN_S,
    Drained,
    ExecutorMetrics,
    Rejection,
    TaskBook,
    ending_of,
    seconds_of,
)
from tamis.resilience.executor.deadlines import DeadlineWatch
from tamis.resilience.executor.limits import ExecutorLimits, Priority
from tamis.resilience.executor.schedule import Ending
from tamis.resilience.executor.task import Task, TaskControl, TaskHandle, name_of
from tamis.resilience.executor.workers.base import Worker
from tamis.resilience.executor.workers.thread import ThreadWorker
from tamis.telemetry.status import BOARD, StatusBoard

T = TypeVar("T")

_FORKED = "its process was forked, and the executor's threads stayed with the parent"


class TaskExecutor:
    """Runs functions on a few threads, the most important first, and says no when too many wait.

    `enqueue_task` returns a TaskHandle, or raises TaskRejectedError: the queue is full and nobody makes room
    (`limits.drop`), or the executor is closed. A task dropped for another has that error in its handle. What a full
    queue rejects or drops is told to `breaker` (register_rejection), to `on_rejection` and, as lost workers are, to
    the status board. `worker` does the tasks of one thread (`workers`). Thread-safe. Functions run in the contextvars
    of who enqueued them. Threads start when there is work and end when there is none for `limits.idle_s`. `drain`,
    `close` and `with` end it. After a fork the child has it empty, ready for its own tasks.
    """

    def __init__(
        self,
        name: str = "tasks",
        limits: ExecutorLimits | None = None,
        *,
        breaker: CircuitBreaker | None = None,
        on_rejection: Callable[[Rejection], None] | None = None,
        worker: Callable[[], Worker] = ThreadWorker,
        board: StatusBoard = BOARD,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name, self.limits = name, limits or ExecutorLimits()
        self._breaker, self._on_rejection, self._make_worker = breaker, on_rejection, worker
        self._board, self._now_s = board, clock.monotonic_s
        self._begin()
        remember(self)

    def enqueue_task(
        self,
        function: Callable[..., T],
        /,
        *args: Any,
        priority: Priority = Priority.NORMAL,
        deadline_s: float | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> TaskHandle[T]:
        """Have `function(*args, **kwargs)` run when its turn comes.

        Once `deadline_s` (seconds from now) are over it is not started any more, and not waited for when it runs:
        its handle has TaskDeadlineError.
        """
        limit_s, called = seconds_of(deadline_s), name or name_of(function)
        handle = TaskHandle[T](called, Priority(priority), self._cancel)
        with self._lock:
            now_s = self._now_s()
            control = TaskControl(
                self.name, called, deadline_s=now_s + limit_s, limit_s=limit_s, now_s=self._now_s
            )
            refused = self._book.enqueue(
                Task(function, args, kwargs, handle, control, limit_s=limit_s), now_s
            )
            if refused is None:
                try:
                    self._call_worker()
                    if limit_s < math.inf:
                        self._deadlines.call()
                except RuntimeError:
                    self._book.cancel(handle, now_s)
                    raise
        self._book.tell()
        if refused is not None:
            raise refused
        return handle

    def drain(self, limit_s: float | None) -> Drained:
        """Take nothing new, finish what is there; at the limit drop what waits and tell what runs to stop.

        None: no limit. Not from within a task: it would wait for itself.
        """
        limit_s = seconds_of(limit_s, "limit_s")
        with self._lock:
            self._book.is_closed = True
            self._has_work.notify_all()
            self._is_idle.wait_for(lambda: self._book.is_empty, min(limit_s, threading.TIMEOUT_MAX))
            self._book.expire(self._now_s())
            found = self._book.drop_all(
                f"it still waited when the executor was closed, {limit_s:g} s after the call"
            )
            self._is_idle.notify_all()
            self._deadlines.wake()
        self._book.tell()
        return found

    def close(self) -> Drained:
        """Take nothing new, drop what waits, tell what runs to stop; at once."""
        return self.drain(0.0)

    def metrics(self) -> ExecutorMetrics:
        """All counts and times, as they are now."""
        with self._lock:
            self._book.expire(self._now_s())
            found = self.peek()
        self._book.tell()
        return found

    def peek(self) -> ExecutorMetrics:
        """The same, as far as it looked."""
        with self._lock:
            return self._book.metrics(self._now_s(), workers=self._workers)

    def __enter__(self) -> "TaskExecutor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drain(DRAIN_S if error is None else 0.0)

    def _begin(self) -> None:
        # Re-entrant, so that a signal's handler that enqueues does not wait for itself.
        self._lock = threading.RLock()
        self._has_work, self._is_idle = threading.Condition(self._lock), threading.Condition(self._lock)
        self._book = TaskBook(
            self.name,
            self.limits,
            breaker=self._breaker,
            on_rejection=self._on_rejection,
            board=self._board,
        )
        self._workers = self._free = 0
        self._deadlines = DeadlineWatch(
            self.name, self._lock, look=self._look, tell=self._book.tell_on_own_thread
        )

    def _cancel(self, handle: TaskHandle[Any]) -> bool:
        with self._lock:
            running = self._book.cancel(handle, self._now_s())
            self._is_idle.notify_all()
        self._book.tell()
        return running is None and handle.cancelled()

    def _call_worker(self) -> None:
        if self._free >= len(self._book.schedule.waiting) or self._workers >= self.limits.workers_max:
            if self._free:
                self._has_work.notify()
            return
        self._workers += 1
        try:
            threading.Thread(target=self._work, name=f"tamis-{self.name}", daemon=True).start()
        except RuntimeError:  # no thread is to be had: one that works already will come to it
            self._workers -= 1
            if not self._workers:
                raise

    def _work(self) -> None:
        worker: Worker | None = None
        while (task := self._next()) is not None:
            worker, task = self._run(worker, task), None  # what a task holds must not wait for the next
        if worker is not None:
            worker.close()

    def _next(self) -> Task | None:
        """The next task; None when there was none for a while, or will be none: this thread is counted out then."""
        with self._lock:
            task = self._book.take(self._now_s())
            while task is None and not (self._book.is_closed and not self._book.schedule.waiting):
                self._free += 1
                is_called = self._has_work.wait(self.limits.idle_s)
                self._free -= 1
                task = self._book.take(self._now_s())
                if not is_called:
                    break
            if task is None:
                self._workers -= 1
            if self._book.is_empty:
                self._is_idle.notify_all()
        self._book.tell_on_own_thread()
        return task

    def _run(self, worker: Worker | None, task: Task) -> Worker | None:
        """Do the task, with a new worker if there is none; the worker that is left, if it is not lost."""
        ending, value = Ending.SUCCESS, None
        try:
            worker = worker or self._make_worker()
            value = task.context.run(worker.run, task.function, task.args, task.kwargs)
        except BaseException as error:  # the edge: it goes to who asked, and the thread lives on
            value = error
            ending = ending_of(task.control, error, is_crash=worker is None or worker.is_lost)
        with self._lock:
            self._book.finish(task, ending, self._now_s(), value=value)
            if self._book.is_empty:
                self._is_idle.notify_all()
        self._book.tell_on_own_thread()
        if worker is not None and worker.is_lost:
            with suppress(Exception):  # it is lost: what its end has to say helps nobody
                worker.close()
            return None
        return worker

    def _look(self) -> float:
        """Seconds until the next deadline, once what is past its own is ended."""
        now_s = self._now_s()
        self._book.expire(now_s)
        if self._book.is_empty:
            self._is_idle.notify_all()
        return self._book.schedule.next_deadline_s() - now_s


def _empty_children() -> None:
    for executor in executors():
        if not isinstance(executor, TaskExecutor):
            continue
        book = executor._book
        book.forget(_FORKED)
        executor._begin()
        book.tell()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_empty_children)
