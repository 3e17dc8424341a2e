"""What the profiler counts of calls: plain, recursive, failing, cancelled, of generators, in threads."""

import asyncio
import functools
import gc
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tamis.telemetry.profiler import FunctionFigures, PerformanceProfiler, ProfilerLimits
from tamis.telemetry.profiler.profiler import Format
from tests.support.hand_clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def profiler(clock: HandClock) -> PerformanceProfiler:
    return PerformanceProfiler(clock=clock)


def figures(profiler: PerformanceProfiler, name: str) -> FunctionFigures:
    return profiler.get_performance_report().function(name)


def test_a_decorated_function_stays_what_it_was(profiler: PerformanceProfiler) -> None:
    """Its name, signature, docstring, result and kind are those of the function."""

    @profiler.profile_function
    def add(a: int, b: int = 2) -> int:
        """Both together."""
        return a + b

    @profiler.profile_function
    async def later() -> int:
        return 1

    @profiler.profile_function("numbers")
    def numbers() -> Iterator[int]:
        yield 1

    @profiler.profile_function(memory=True)
    async def many() -> AsyncIterator[int]:
        yield 1

    assert add(1) == 3
    assert add(1, b=5) == 6
    assert str(inspect.signature(add)) == "(a: int, b: int = 2) -> int"
    assert (add.__name__, add.__doc__) == ("add", "Both together.")
    assert inspect.iscoroutinefunction(later)
    assert inspect.isgeneratorfunction(numbers)
    assert inspect.isasyncgenfunction(many)
    assert asyncio.run(later()) == 1
    assert list(numbers()) == [1]
    names = [one.name for one in profiler.get_performance_report().functions]
    assert {name.rpartition(".")[2] for name in names} == {"add", "later", "numbers"}
    assert f"{__name__}.test_a_decorated_function_stays_what_it_was.<locals>.add" in names


def test_times_are_exact(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """Count, total, mean, least, most and own time are those of the calls; quantiles lie within 9 %."""

    @profiler.profile_function("inner")
    def inner(seconds: float) -> None:
        clock.pass_s(seconds)

    @profiler.profile_function("outer")
    def outer() -> None:
        clock.pass_s(1.0)
        for seconds in (1.0, 2.0, 6.0):
            inner(seconds)

    outer()
    one, both = figures(profiler, "inner"), figures(profiler, "outer")
    assert (one.calls, one.total_s, one.mean_s, one.min_s, one.max_s) == (3, 9.0, 3.0, 1.0, 6.0)
    assert one.own_s == 9.0
    assert 2.0 <= one.p50_s <= 2.0 * 1.091
    assert one.p99_s == 6.0
    assert (both.calls, both.total_s, both.own_s) == (1, 10.0, 1.0)


def test_recursion_counts_its_time_once(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """Calls inside calls of the same function, also by way of another, are counted apart, their time in the
    outermost."""

    @profiler.profile_function("down")
    def down(left: int) -> None:
        clock.pass_s(1.0)
        if left:
            between(left)

    @profiler.profile_function("between")
    def between(left: int) -> None:
        clock.pass_s(0.5)
        down(left - 1)

    down(3)
    first, second = figures(profiler, "down"), figures(profiler, "between")
    assert (first.calls, first.recursive_calls, first.total_s) == (1, 3, 5.5)
    assert (second.calls, second.recursive_calls, second.total_s) == (1, 2, 4.5)
    assert (first.own_s, second.own_s) == (4.0, 1.5)


def test_static_and_class_methods_are_timed_above_and_below(profiler: PerformanceProfiler) -> None:
    """Whichever decorator comes first, with a name and without, of the class and of an object."""

    class Shop:
        @profiler.profile_function
        @staticmethod
        def plain(value: int) -> int:
            return value

        @staticmethod
        @profiler.profile_function("below")
        def below(value: int) -> int:
            return value

        @profiler.profile_function("of the class")
        @classmethod
        def named(cls, value: int) -> str:
            return f"{cls.__name__} {value}"

        @profiler.profile_function
        @classmethod
        def bare(cls, value: int) -> str:
            return f"{cls.__name__} {value}"

    for shop in (Shop, Shop()):
        assert (shop.plain(1), shop.below(2)) == (1, 2)
        assert (shop.named(3), shop.bare(4)) == ("Shop 3", "Shop 4")
    report = profiler.get_performance_report()
    assert {one.name.rpartition(".")[2]: one.calls for one in report.functions} == {
        "plain": 2, "below": 2, "of the class": 2, "bare": 2
    }  # fmt: skip
    with pytest.raises(TypeError, match="property"):
        profiler.profile_function("size")(property(lambda _: 1))  # type: ignore[arg-type]


def test_a_name_that_utf8_cannot_carry_is_written_otherwise(
    profiler: PerformanceProfiler, clock: HandClock
) -> None:
    """A lone surrogate becomes an escape, and every export is still one."""
    with profiler.profile_block("caf\u00e9 \ud800"):
        clock.pass_s(1.0)
    assert figures(profiler, "caf\u00e9 \\ud800").calls == 1
    forms: tuple[Format, ...] = ("json", "prometheus", "speedscope")
    for form in forms:
        text = profiler.export_metrics(form)
        assert b"ud800" in text.encode()


def test_exceptions_pass_and_are_counted(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """A failure keeps its time; what is no Exception is an end from without."""

    @profiler.profile_function("risky")
    def risky(error: BaseException | None) -> None:
        clock.pass_s(1.0)
        if error is not None:
            raise error

    with pytest.raises(ValueError, match="wrong"):
        risky(ValueError("wrong"))
    with pytest.raises(KeyboardInterrupt):
        risky(KeyboardInterrupt())
    risky(None)
    with pytest.raises(OSError, match="gone"), profiler.profile_block("block"):
        raise OSError("gone")
    found = figures(profiler, "risky")
    assert (found.calls, found.failures, found.cancelled, found.total_s) == (3, 1, 1, 3.0)
    assert figures(profiler, "block").failures == 1


def test_a_failure_in_recursion_is_one_failure(profiler: PerformanceProfiler) -> None:
    """The exception passes every level, and one outermost call has failed; the next one is an outermost again."""

    @profiler.profile_function("deep")
    def deep(left: int) -> None:
        if not left:
            raise ValueError("bottom")
        deep(left - 1)

    for _ in range(2):
        with pytest.raises(ValueError, match="bottom"):
            deep(4)
    found = figures(profiler, "deep")
    assert (found.calls, found.recursive_calls, found.failures) == (2, 8, 2)


def test_cancelled_coroutines_count_as_cancelled(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """A task that is cancelled keeps its time until then, and is no failure; one that never began counts nothing."""
    begun = asyncio.Event()

    @profiler.profile_function("waits")
    async def waits() -> None:
        clock.pass_s(2.0)
        begun.set()
        await asyncio.Event().wait()

    async def run() -> None:
        never = asyncio.ensure_future(waits())
        never.cancel()
        task = asyncio.ensure_future(waits())
        await begun.wait()
        task.cancel()
        for one in (never, task):
            with pytest.raises(asyncio.CancelledError):
                await one

    asyncio.run(run())
    found = figures(profiler, "waits")
    assert (found.calls, found.cancelled, found.failures, found.total_s) == (1, 1, 0, 2.0)


def test_tasks_that_overlap_do_not_take_each_other_for_recursion(profiler: PerformanceProfiler) -> None:
    """Two tasks in the same function at once are two calls; one that a call started and awaits is inside it."""
    gate = asyncio.Event()

    @profiler.profile_function("both")
    async def both(inner: int = 0) -> None:
        if inner:
            await asyncio.gather(*(both() for _ in range(inner)))
        else:
            await gate.wait()

    async def run() -> None:
        tasks = [asyncio.ensure_future(both()) for _ in range(3)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*tasks)
        await both(2)

    asyncio.run(run())
    found = figures(profiler, "both")
    assert (found.calls, found.recursive_calls) == (4, 2)


def test_what_a_call_leaves_behind_is_not_inside_it(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """A callback that was planned inside a call runs after it, in a copy of its context: it is a call of its own."""
    ticks: list[int] = []
    done = asyncio.Event()

    @profiler.profile_function("tick")
    def tick() -> None:
        ticks.append(1)
        clock.pass_s(1.0)
        if len(ticks) < 4:
            asyncio.get_running_loop().call_soon(tick)
        else:
            done.set()

    async def run() -> None:
        tick()
        await done.wait()

    asyncio.run(run())
    found = figures(profiler, "tick")
    assert (found.calls, found.recursive_calls, found.total_s) == (4, 0, 4.0)


def test_siblings_stay_under_their_caller(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """After an awaited call the next one is still its caller's: the caller's own time is without both."""

    @profiler.profile_function("child")
    async def child() -> None:
        clock.pass_s(2.0)

    @profiler.profile_function("parent")
    async def parent() -> None:
        await child()
        clock.pass_s(1.0)
        with profiler.profile_block("part"):
            await child()

    asyncio.run(parent())
    assert figures(profiler, "parent").own_s == 1.0
    assert figures(profiler, "part").own_s == 0.0
    assert figures(profiler, "child").total_s == 4.0


def test_a_generators_time_is_its_own(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """What its user does between items is not in it; what is sent, thrown and returned goes through."""
    caught: list[object] = []

    @profiler.profile_function("turns")
    def turns() -> Any:
        clock.pass_s(1.0)
        try:
            caught.append((yield "first"))
            yield "second"
        except ValueError as error:
            caught.append(str(error))
            clock.pass_s(2.0)
            yield "after"
        return "end"

    running = turns()
    assert next(running) == "first"
    clock.pass_s(100.0)
    assert running.send("given") == "second"
    clock.pass_s(100.0)
    assert running.throw(ValueError("thrown")) == "after"
    with pytest.raises(StopIteration) as end:
        next(running)
    assert end.value.value == "end"
    assert caught == ["given", "thrown"]
    found = figures(profiler, "turns")
    assert (found.calls, found.total_s, found.cancelled, found.failures) == (1, 3.0, 0, 0)


def test_a_recursive_generator_counts_its_time_once(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """A walk by `yield from` is one call with recursive ones in it."""

    @profiler.profile_function("walk")
    def walk(depth: int) -> Iterator[int]:
        clock.pass_s(1.0)
        yield depth
        if depth:
            yield from walk(depth - 1)

    assert list(walk(3)) == [3, 2, 1, 0]
    found = figures(profiler, "walk")
    assert (found.calls, found.recursive_calls, found.total_s) == (1, 3, 4.0)


def test_abandoned_generators_are_counted_when_they_end(
    profiler: PerformanceProfiler, clock: HandClock
) -> None:
    """One that is dropped is closed and counted as ended from without; one never begun counts nothing."""
    closed: list[str] = []

    @profiler.profile_function("dropped")
    def dropped() -> Iterator[int]:
        try:
            clock.pass_s(1.0)
            yield 1
        finally:
            clock.pass_s(1.0)
            closed.append("closed")

    dropped()
    for _ in dropped():
        break
    gc.collect()
    assert closed == ["closed"]
    found = figures(profiler, "dropped")
    assert (found.calls, found.cancelled, found.failures, found.total_s) == (1, 1, 0, 2.0)


def test_a_generator_that_fails_is_a_failure(profiler: PerformanceProfiler) -> None:
    """It keeps the calls it made before."""

    @profiler.profile_function("fails")
    def fails() -> Iterator[int]:
        yield 1
        raise LookupError("second")

    with pytest.raises(LookupError):
        list(fails())
    assert (figures(profiler, "fails").calls, figures(profiler, "fails").failures) == (1, 1)


def test_asynchronous_generators(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """Their own time counts; sent and thrown values go through; closed early, they clean up and are counted."""
    seen: list[object] = []

    @profiler.profile_function("items")
    async def items() -> Any:
        try:
            clock.pass_s(1.0)
            try:
                seen.append((yield 1))
            except ValueError:
                seen.append("thrown")
                yield 2
            yield 3
        finally:
            await asyncio.sleep(0)
            seen.append("closed")

    async def run() -> None:
        running = items()
        assert await anext(running) == 1
        clock.pass_s(50.0)
        assert await running.athrow(ValueError()) == 2
        await running.aclose()
        assert [item async for item in items()] == [1, 3]
        other = items()
        assert await anext(other) == 1
        assert await other.asend("sent") == 3
        await other.aclose()

    asyncio.run(run())
    assert seen == ["thrown", "closed", None, "closed", "sent", "closed"]
    found = figures(profiler, "items")
    assert (found.calls, found.cancelled, found.failures, found.total_s) == (3, 2, 0, 3.0)


def test_an_abandoned_asynchronous_generator_ends_with_its_loop(profiler: PerformanceProfiler) -> None:
    """Whoever drops one leaves it to the loop, which closes it: then it is counted, without a word on stderr."""

    @profiler.profile_function("left")
    async def left() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def run() -> None:
        async for _ in left():
            break

    asyncio.run(run())
    gc.collect()
    assert (figures(profiler, "left").calls, figures(profiler, "left").cancelled) == (1, 1)


def test_a_coroutine_closed_in_another_context(profiler: PerformanceProfiler) -> None:
    """What a garbage collection ends is counted, and leaves no trace in who collected."""

    @profiler.profile_function("half")
    async def half() -> None:
        await asyncio.sleep(0)

    running = half()
    running.send(None)
    del running
    gc.collect()
    with profiler.profile_block("after"):
        pass
    assert figures(profiler, "half").cancelled == 1
    assert ["after"] in [list(path) for path, _ in profiler._ledger.tree.root.walk()]


def test_methods_partials_and_objects(profiler: PerformanceProfiler) -> None:
    """Whatever can be called can be timed; a class or what is made of it later is refused in a sentence."""

    class Shop:
        @profiler.profile_function
        def sell(self) -> str:
            return "sold"

        @classmethod
        @profiler.profile_function
        def open(cls) -> str:
            return cls.__name__

        async def __call__(self) -> str:
            return "called"

    assert Shop().sell() == "sold"
    assert Shop.open() == "Shop"
    assert profiler.profile_function(functools.partial(int, base=2))("11") == 3
    called = profiler.profile_function(Shop())
    assert inspect.iscoroutinefunction(called)
    assert asyncio.run(called()) == "called"
    for wrong in (Shop, functools.partialmethod(int)):
        with pytest.raises(TypeError, match="profile_function"):
            profiler.profile_function(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a function or a name"):
        profiler.profile_function(5)  # type: ignore[call-overload]


def test_a_block_runs_once_at_a_time(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """Blocks of one name nest, each its own object; the same object twice at once is refused."""
    block = profiler.profile_block("block")
    with block:
        clock.pass_s(1.0)
        with profiler.profile_block("block"):
            clock.pass_s(1.0)
        with pytest.raises(RuntimeError, match="runs already"), block:
            pass
    with block:
        pass

    async def run() -> None:
        async with profiler.profile_block("block"):
            clock.pass_s(1.0)

    asyncio.run(run())
    found = figures(profiler, "block")
    assert (found.calls, found.recursive_calls, found.total_s) == (3, 1, 3.0)


def test_no_call_of_many_threads_is_lost() -> None:
    """Eight threads at once: every call is counted, whoever counts them."""
    profiler = PerformanceProfiler()

    @profiler.profile_function("busy")
    def busy() -> None:
        return None

    def work() -> None:
        for _ in range(5_000):
            busy()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        profiler.get_performance_report()
    for thread in threads:
        thread.join()
    assert figures(profiler, "busy").calls == 40_000
    assert len(profiler._ledger.pending) == 0


def test_names_and_ways_are_bounded(clock: HandClock) -> None:
    """Over the limits calls count together, and none is lost."""
    profiler = PerformanceProfiler(ProfilerLimits(functions_max=3, paths_max=4), clock=clock)
    for number in range(10):
        with profiler.profile_block(f"block {number}"):
            clock.pass_s(1.0)
    for order in ("0120", "102", "2101", "021"):
        blocks = [profiler.profile_block(f"block {name}") for name in order]
        for block in blocks:
            block.__enter__()
        clock.pass_s(1.0)
        for block in reversed(blocks):
            block.__exit__(None, None, None)
    report = profiler.get_performance_report()
    assert {one.name for one in report.functions} == {"block 0", "block 1", "block 2", "(other)"}
    assert report.function("(other)").calls == 7
    assert sum(one.calls + one.recursive_calls for one in report.functions) == 10 + 14
    assert len(list(profiler._ledger.tree.root.walk())) <= 5


def test_memory_is_measured_where_it_is_asked_for(profiler: PerformanceProfiler) -> None:
    """The peak is what a call held over its begin, each of nested calls has its own, and the tracing ends."""
    import tracemalloc

    @profiler.profile_function("small", memory=True)
    def small() -> int:
        return len(bytearray(1_000_000))

    @profiler.profile_function("large", memory=True)
    def large() -> int:
        held = bytearray(3_000_000)
        return small() + len(held)

    @profiler.profile_function("numbers", memory=True)
    def numbers() -> Iterator[int]:
        yield len(bytearray(2_000_000))

    large()
    list(numbers())
    with profiler.profile_block("plain"):
        pass
    assert not tracemalloc.is_tracing()
    sizes = {one.name: one.peak_bytes for one in profiler.get_performance_report().functions}
    assert sizes["plain"] is None
    expected = {"small": 1_000_000, "large": 4_000_000, "numbers": 2_000_000}
    for name, size in expected.items():
        assert size <= (sizes[name] or 0) <= size + 100_000, name


def test_a_tracing_that_was_on_stays_on(profiler: PerformanceProfiler) -> None:
    """Who traces memory already keeps it."""
    import tracemalloc

    tracemalloc.start()
    try:
        with profiler.profile_block("block", memory=True):
            pass
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_reset_forgets_what_was_counted(profiler: PerformanceProfiler, clock: HandClock) -> None:
    """What is decorated stays so; a call that runs counts when it ends."""

    @profiler.profile_function("f")
    def f() -> None:
        clock.pass_s(1.0)

    f()
    with profiler.profile_block("open"):
        f()
        profiler.reset_metrics()
        assert profiler.get_performance_report().functions == ()
        f()
    report = profiler.get_performance_report()
    assert report.function("f").calls == 1
    assert report.function("open").calls == 1
