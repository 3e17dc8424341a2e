"""Functions that time themselves: plain ones, coroutines, generators, asynchronous generators."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, ParamSpec, TypeVar, cast

from tamis.telemetry.profiler.ledger import CANCELLED, FAILED, OK, PENDING_MAX
from tamis.telemetry.profiler.watch import Measure, Opened, Watch

P = ParamSpec("P")
R = TypeVar("R")


def timed(watch: Watch, function: Callable[P, R]) -> Callable[P, R]:
    """The function, each of its calls timed; its name, signature and kind stay."""
    wrapped: Callable[..., Any]
    kind = _kind(function)
    if inspect.isasyncgenfunction(kind):
        wrapped = _async_generator(watch, function)
    elif inspect.iscoroutinefunction(kind):
        wrapped = _coroutine(watch, cast("Callable[..., Coroutine[Any, Any, Any]]", function))
    elif inspect.isgeneratorfunction(kind):
        wrapped = _generator(watch, function)
    elif watch.with_memory:
        wrapped = _call_with_memory(watch, function)
    else:
        wrapped = _call(watch, function)
    return cast("Callable[P, R]", functools.wraps(function)(wrapped))


def name_of(function: Callable[..., Any]) -> str:
    """What it is called in reports: the module and the name in it."""
    inner = inspect.unwrap(function)
    while isinstance(inner, functools.partial):
        inner = inner.func
    kind = inner if hasattr(inner, "__qualname__") else type(inner)
    return f"{kind.__module__}.{kind.__qualname__}"


def _kind(function: Callable[..., Any]) -> Callable[..., Any]:
    """What says of which kind it is: an object's `__call__`, else itself."""
    if inspect.isroutine(function) or isinstance(function, functools.partial):
        return function
    return type(function).__call__


def _call(watch: Watch, function: Callable[..., Any]) -> Callable[..., Any]:
    # Written out for speed: this is all that a call pays (benchmarks/keeping/profiler.py). 0 to 3 are PLACE, RUNNING,
    # SINCE_S and WITHIN_S: a name costs more. `Measure` says the same in words.
    book, ledger, start = watch.book, watch.ledger, watch.ledger.tree.start
    first = ledger.tree.step(start, book)
    get, set_, reset = watch.current.get, watch.current.set, watch.current.reset
    now_s, pending, note, step = ledger.now_s, ledger.pending, ledger.pending.append, ledger.tree.step

    def timed(*args: Any, **kwargs: Any) -> Any:
        outer = get()
        if outer is None:
            place = first
        else:
            place = outer[0] or start
            place = place.after.get(book) or step(place, book)
        opened: Opened = [place, 0, 0.0, 0.0]
        token = set_(opened)
        outcome = CANCELLED
        begun_s = now_s()
        if outer is not None:
            if outer[1]:
                outer[1] += 1
            else:
                outer[1], outer[2] = 1, begun_s
        try:
            result = function(*args, **kwargs)
            outcome = OK
            return result
        except Exception:
            outcome = FAILED
            raise
        finally:
            ended_s = now_s()
            _, running, since_s, within_s = opened
            if running:
                within_s += ended_s - since_s
            note((place, ended_s, ended_s - begun_s, within_s, outcome))
            opened[0] = None
            if outer is not None:
                if outer[1] == 1:
                    outer[1] = 0
                    outer[3] += ended_s - outer[2]
                else:
                    outer[1] -= 1
            reset(token)
            if len(pending) >= PENDING_MAX:
                ledger.relieve()

    return timed


def _call_with_memory(watch: Watch, function: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        with Measure(watch):
            return function(*args, **kwargs)

    return timed


def _coroutine(watch: Watch, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    async def timed(*args: Any, **kwargs: Any) -> Any:
        with Measure(watch):
            return await function(*args, **kwargs)

    return timed


def _generator(watch: Watch, function: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner: Generator[Any, Any, Any] = function(*args, **kwargs)
        measure = Measure(watch)
        step, given = inner.send, None
        try:
            while True:
                measure.begin()
                try:
                    item = step(given)
                except StopIteration as end:
                    measure.outcome = OK
                    return end.value
                except Exception:
                    measure.outcome = FAILED
                    raise
                finally:
                    measure.pause()
                try:
                    step, given = inner.send, (yield item)
                except GeneratorExit:
                    _in_a_turn(measure, inner.close)
                    raise
                except BaseException as error:  # thrown in by whoever uses it: it is the function's to catch
                    step, given = inner.throw, error
        finally:
            measure.end()

    return timed


def _in_a_turn(measure: Measure, close: Callable[[], None]) -> None:
    measure.begin()
    try:
        close()
    finally:
        measure.pause()


def _async_generator(watch: Watch, function: Callable[..., Any]) -> Callable[..., Any]:
    async def timed(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner: AsyncGenerator[Any, Any] = function(*args, **kwargs)
        measure = Measure(watch)
        step, given = cast("Callable[[Any], Any]", inner.asend), None
        try:
            while True:
                measure.begin()
                try:
                    item = await step(given)
                except StopAsyncIteration:
                    measure.outcome = OK
                    return
                except Exception:
                    measure.outcome = FAILED
                    raise
                finally:
                    measure.pause()
                try:
                    step, given = inner.asend, (yield item)
                except GeneratorExit:
                    await _in_an_async_turn(measure, inner)
                    raise
                except BaseException as error:  # thrown in by whoever uses it: it is the function's to catch
                    step, given = inner.athrow, error
        finally:
            measure.end()

    return timed


async def _in_an_async_turn(measure: Measure, inner: AsyncGenerator[Any, Any]) -> None:
    measure.begin()
    try:
        await inner.aclose()
    finally:
        measure.pause()
