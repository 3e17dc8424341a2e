"""A task from both sides: `TaskHandle` for who asked, `current_task` for the function that does it."""

import math
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from tamis.errors import TaskCancelledError, TaskDeadlineError
from tamis.resilience.executor.limits import Priority

T = TypeVar("T")


class TaskHandle(Future[T], Generic[T]):
    """What comes of a task. A `concurrent.futures.Future`, and awaitable.

    `result()` returns what the function returned and raises what it raised; TaskRejectedError, TaskDeadlineError,
    TaskCancelledError or TaskCrashedError say why there is no result. Thread-safe. Whoever awaits it and is
    cancelled cancels the task. What a callback raises is logged (`concurrent.futures`), SystemExit as any other error.
    """

    def __init__(self, name: str, priority: Priority, cancel: "Callable[[TaskHandle[Any]], bool]") -> None:
        super().__init__()
        self.name, self.priority = name, priority
        self._ask = cancel
        self.has_begun = False
        """Said by its executor when the task's turn has come."""

    def cancel(self) -> bool:
        """True when it waited: it will not run. A task that runs is told (`current_task().stopping`), and may go
        on; False then, and when it is done.
        """
        return not self.done() and self._ask(self)

    def cancelled(self) -> bool:
        """Whether it was cancelled before it was done."""
        return self.done() and isinstance(self.exception(), TaskCancelledError)

    def running(self) -> bool:
        """Whether it runs, and somebody waits for it still."""
        return self.has_begun and not self.done()

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Have `fn(handle)` called when it is done, at once where it is so already."""
        super().add_done_callback(partial(_called, fn))

    def after_fork(self) -> None:
        """In the child: a lock that another thread of the parent held would never be free."""
        self._condition = threading.Condition()

    def __await__(self) -> Generator[Any, None, T]:
        import asyncio

        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def call(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(wake)

        self.add_done_callback(call)
        try:
            yield from waiter.__await__()
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self.result()


class TaskControl:
    """What a running function may know of itself as a task; a long one looks at it now and then."""

    def __init__(
        self,
        executor: str,
        name: str,
        *,
        deadline_s: float = math.inf,
        limit_s: float = math.inf,
        now_s: Callable[[], float],
    ) -> None:
        self.executor, self.name = executor, name
        self._deadline_s, self._limit_s, self._now_s = deadline_s, limit_s, now_s
        self._is_stopped = False
        self._on_stop: Callable[[], None] | None = None

    @property
    def stopping(self) -> bool:
        """Whether nobody waits for it any more: cancelled, past its deadline, or the executor is at its end."""
        return self._is_stopped or self.remaining_s() <= 0

    def remaining_s(self) -> float:
        """Seconds until its deadline; infinite without one."""
        return self._deadline_s - self._now_s() if self._deadline_s < math.inf else math.inf

    def check(self) -> None:
        """Raise TaskCancelledError or TaskDeadlineError when nobody waits for it any more."""
        if self._is_stopped:
            raise TaskCancelledError(self.executor, self.name)
        if self.remaining_s() <= 0:
            raise TaskDeadlineError(self.executor, self.name, self._limit_s)

    def stop(self) -> None:
        """Tell it that nobody waits for it any more."""
        self._is_stopped = True
        if self._on_stop is not None:
            self._on_stop()

    def on_stop(self, call: Callable[[], None]) -> None:
        """Have `call` called when nobody waits for it any more: on another thread, at once where it is so already,
        perhaps twice. It must be quick, and may not call the executor. One `call` at a time: the last.
        """
        self._on_stop = call
        if self._is_stopped:
            call()


_CURRENT: ContextVar[TaskControl | None] = ContextVar("tamis_task", default=None)


def current_task() -> TaskControl | None:
    """The task that this code runs in; None outside of any."""
    return _CURRENT.get()


@dataclass(slots=True, eq=False)
class Task:
    """A task as its executor holds it. It runs in the context (contextvars) of who enqueued it."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    handle: TaskHandle[Any]
    control: TaskControl
    number: int = 0
    limit_s: float = math.inf
    context: Context = field(default_factory=copy_context)

    def __post_init__(self) -> None:
        self.context.run(_CURRENT.set, self.control)


def run_as(control: TaskControl, call: Callable[[], T]) -> T:
    """What `call` returns or raises, with `current_task()` being that task: where one is done in another process."""
    context = copy_context()
    context.run(_CURRENT.set, control)
    return context.run(call)


def is_interrupt(error: BaseException) -> bool:
    """Whether it is a Ctrl-C, which nobody's code has raised."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def _called(call: Callable[[Future[T]], object], handle: Future[T]) -> None:
    try:
        call(handle)
    except Exception:
        raise
    except BaseException as error:  # raised on, it would end the thread before the next callback
        if is_interrupt(error):
            raise
        raise RuntimeError(f"a callback of a task raised {error!r}, which ends nothing here") from error


def name_of(function: Callable[..., Any]) -> str:
    """What to call a task that was given no name."""
    return getattr(function, "__qualname__", None) or type(function).__qualname__
