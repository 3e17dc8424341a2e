"""`log_performance`: how long something took, as a context manager and a decorator."""

import functools
import inspect
import logging
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any, TypeVar, cast, overload

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.embed.install import get_logger
from tamis.embed.logger import Logger

F = TypeVar("F", bound=Callable[..., Any])
_STEPS = 3
"""`stacklevel` of whoever leaves the block: `__exit__` and `_write` stand between."""


class Performance:
    """Times a block, or every call of a function: plain, coroutine, generator or asynchronous generator.

    One record each: `<name> took … ms` with `operation`, `duration_ms` (float), `status` (ok, error) and the
    exception's type in `error`. Without a threshold it is INFO; with one, WARNING with `slow` from
    the threshold on and DEBUG below. What the block raises passes through. A generator's time runs from its
    first item to its end, what its user does in between included.
    """

    def __init__(
        self,
        name: str = "",
        *,
        threshold_ms: float | None = None,
        logger: Logger | None = None,
        clock: Clock = SYSTEM_CLOCK,
        **fields: Any,
    ) -> None:
        if threshold_ms is not None and not isinstance(threshold_ms, int | float):
            raise TypeError(f"threshold_ms must be a number of milliseconds, not {threshold_ms!r}")
        if not isinstance(name, str):
            raise TypeError(f"the operation's name must be a text, not {name!r}; a limit is threshold_ms=…")
        self.name, self.threshold_ms = name, threshold_ms
        self._logger = logger or get_logger("tamis.performance")
        self._clock, self._fields = clock, fields
        self._begun: list[float] = []
        self._steps = _STEPS

    def __enter__(self) -> "Performance":
        self._begun.append(self._clock.monotonic_s())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        duration_ms = (self._clock.monotonic_s() - self._begun.pop()) * 1_000
        self._write(duration_ms, kind, stacklevel=self._steps)

    def __call__(self, function: F) -> F:
        """The function, timed; its calls may overlap. Without a name the operation is called as the function is."""
        self.name = self.name or getattr(function, "__qualname__", "")
        wrapped: Callable[..., Any]
        if inspect.isasyncgenfunction(function):
            wrapped = self._around_async_generator(function)
        elif inspect.iscoroutinefunction(function):
            wrapped = self._around_coroutine(function)
        elif inspect.isgeneratorfunction(function):
            wrapped = self._around_generator(function)
        else:
            wrapped = self._around_call(function)
        return cast(F, functools.wraps(function)(wrapped))

    def _again(self) -> "Performance":
        """One of its own for each call, so that calls may overlap."""
        fresh = Performance(
            self.name,
            threshold_ms=self.threshold_ms,
            logger=self._logger,
            clock=self._clock,
            **self._fields,
        )
        fresh._steps = _STEPS + 1  # the wrapper stands between too
        return fresh

    def _around_call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return timed

    def _around_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def timed(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return await function(*args, **kwargs)

        return timed

    def _around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with self._again():
                return (yield from function(*args, **kwargs))

        return timed

    def _around_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def timed(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            with self._again():
                inner = function(*args, **kwargs)
                try:
                    following = inner.__anext__()
                    while True:
                        try:
                            item = await following
                        except StopAsyncIteration:
                            return
                        try:
                            sent = yield item
                        except GeneratorExit:
                            raise
                        except BaseException as error:
                            # Thrown in by whoever uses the generator: it is the function's to catch.
                            following = inner.athrow(error)
                        else:
                            following = inner.asend(sent)
                finally:
                    await inner.aclose()

        return timed

    def _write(self, duration_ms: float, kind: type[BaseException] | None, *, stacklevel: int) -> None:
        name = self.name or "block"
        fields = {**self._fields, "operation": name, "duration_ms": round(duration_ms, 3)}
        fields["status"] = "error" if _is_failure(kind) else "ok"
        if _is_failure(kind):
            fields["error"] = kind.__qualname__ if kind is not None else ""
        level = logging.INFO
        if self.threshold_ms is not None:
            slow = duration_ms >= self.threshold_ms
            fields |= {"threshold_ms": self.threshold_ms, "slow": slow}
            level = logging.WARNING if slow else logging.DEBUG
        self._logger.log(level, "%s took %.1f ms", name, duration_ms, stacklevel=stacklevel, **fields)


def _is_failure(kind: type[BaseException] | None) -> bool:
    """Closing a generator early is no failure."""
    return kind is not None and not issubclass(kind, GeneratorExit)


@overload
def log_performance(name: F, /) -> F: ...


@overload
def log_performance(
    name: str = "",
    *,
    threshold_ms: float | None = None,
    logger: Logger | None = None,
    clock: Clock = SYSTEM_CLOCK,
    **fields: Any,
) -> Performance: ...


def log_performance(
    name: str | Callable[..., Any] = "",
    *,
    threshold_ms: float | None = None,
    logger: Logger | None = None,
    clock: Clock = SYSTEM_CLOCK,
    **fields: Any,
) -> Performance | Callable[..., Any]:
    """Time a block (`with`) or each call of a function (`@`, also without parentheses); see `Performance`. `fields`
    go into each record.

    The record is logged by `logger`, else by the one named for the module that calls this.
    """
    if logger is None:
        logger = get_logger(sys._getframe(1).f_globals.get("__name__") or "tamis.performance")
    if callable(name):
        return Performance(logger=logger, clock=clock)(name)
    return Performance(name, threshold_ms=threshold_ms, logger=logger, clock=clock, **fields)
