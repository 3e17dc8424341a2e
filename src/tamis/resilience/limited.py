"""A call that may take so long and no longer, for coroutines and for threads."""

import contextvars
import threading
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from tamis.errors import CallTimeoutError

T = TypeVar("T")


async def awaited_within(limit_s: float, name: str, work: Awaitable[T]) -> T:
    """What it returns or raises; cancelled at the limit, and CallTimeoutError."""
    import asyncio

    try:
        async with asyncio.timeout(limit_s) as scope:
            return await work
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise CallTimeoutError(name, limit_s) from error


def called_within(limit_s: float, name: str, function: Callable[[], T], on_end: Callable[[], None]) -> T:
    """What it returns or raises, on a thread of its own with the caller's context variables; CallTimeoutError at the
    limit. The thread cannot be stopped: it ends when the function does, and what that says nobody hears. `on_end` is
    called when it has ended, on that thread; on this one, where none is to be had (RuntimeError).
    """
    call = _Call(function, on_end)
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(call.run,), name=f"tamis-try {name}", daemon=True)
    try:
        thread.start()
    except BaseException:  # no thread is to be had
        on_end()
        raise
    if not call.ended.wait(limit_s):
        raise CallTimeoutError(name, limit_s)
    return call.result()


class _Call(Generic[T]):
    def __init__(self, function: Callable[[], T], on_end: Callable[[], None]) -> None:
        self._function, self._on_end = function, on_end
        self._results: list[T] = []
        self._error: BaseException | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as error:  # raised again on the thread of who asked
            self._error = error
        finally:
            self._on_end()
            self.ended.set()

    def result(self) -> T:
        """What the function returned or raised."""
        error, self._error = (
            self._error,
            None,
        )  # an error that holds its own frames would be kept alive by them
        if error is not None:
            raise error
        return self._results[0]
