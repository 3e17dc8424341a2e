"""How long something took."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tamis.embed.install import get_logger
from tamis.embed.outlet import OUTLET
from tamis.embed.performance import log_performance
from tamis.testing import FakeClock
from tests.support.logged import logged


@pytest.mark.parametrize(("took_s", "level", "slow"), [(0.249, "DEBUG", False), (0.25, "WARNING", True)])
def test_the_threshold_decides_the_level(took_s: float, level: str, *, slow: bool) -> None:
    """WARNING from the threshold on, DEBUG below."""
    clock = FakeClock()
    with logged() as records, log_performance("checkout", threshold_ms=250, clock=clock, tenant="a"):
        clock.advance(took_s)
    record = records[0]
    assert (record.level, record.attributes["slow"], record.attributes["tenant"]) == (level, slow, "a")
    assert record.attributes["duration_ms"] == took_s * 1_000
    assert record.attributes["operation"] == "checkout"
    assert record.logger == __name__


def test_without_a_threshold_every_block_is_told() -> None:
    """At INFO; a block that raises is told too, and its exception passes."""
    with logged() as records:
        with log_performance("a"):
            pass
        with pytest.raises(KeyError), log_performance("b"):
            raise KeyError("k")
    assert [(record.level, record.attributes["status"]) for record in records] == [
        ("INFO", "ok"),
        ("INFO", "error"),
    ]
    assert records[1].attributes["error"] == "KeyError"


def test_each_call_of_a_function_is_timed() -> None:
    """Also when calls overlap by recursion; name and result stay."""
    clock = FakeClock()

    @log_performance("down", clock=clock)
    def down(n: int) -> int:
        """Goes down."""
        clock.advance(1)
        return down(n - 1) if n else 7

    with logged() as records:
        assert down(2) == 7
    assert [record.attributes["duration_ms"] for record in records] == [1_000.0, 2_000.0, 3_000.0]
    assert down.__name__ == "down"


def test_coroutines_are_timed_from_call_to_result() -> None:
    """Calls that overlap in one loop have times of their own."""
    clock = FakeClock()

    @log_performance("wait", clock=clock)
    async def wait(event: asyncio.Event) -> str:
        await event.wait()
        return "done"

    async def both() -> list[str]:
        first, second = asyncio.Event(), asyncio.Event()
        one, two = asyncio.create_task(wait(first)), asyncio.create_task(wait(second))
        await asyncio.sleep(0)
        clock.advance(1)
        second.set()
        await two
        clock.advance(1)
        first.set()
        return [await one, await two]

    with logged(level="INFO") as records:
        assert asyncio.run(both()) == ["done", "done"]
    assert [record.attributes["duration_ms"] for record in records] == [1_000.0, 2_000.0]


def test_generators_are_timed_to_their_end() -> None:
    """They still take what is sent and thrown, and return what they return; closing early is no error."""
    clock = FakeClock()

    @log_performance("items", clock=clock)
    def items() -> Iterator[object]:
        got = yield 1
        clock.advance(1)
        try:
            yield got
        except ValueError:
            yield "caught"

    with logged() as records:
        generator = items()
        assert next(generator) == 1
        assert generator.send("sent") == "sent"  # type: ignore[attr-defined]
        assert generator.throw(ValueError) == "caught"  # type: ignore[attr-defined]
        assert list(generator) == []
        early = items()
        next(early)
        early.close()  # type: ignore[attr-defined]
    assert [record.attributes["duration_ms"] for record in records] == [1_000.0, 0.0]
    assert [record.attributes["status"] for record in records] == ["ok", "ok"]


def test_asynchronous_generators_are_timed_to_their_end() -> None:
    """With what is sent and thrown; the inner one is closed when the outer one is."""
    clock, closed = FakeClock(), []

    @log_performance("rows", clock=clock)
    async def rows() -> AsyncIterator[object]:
        try:
            got = yield 1
            clock.advance(1)
            try:
                yield got
            except ValueError:
                yield "caught"
        finally:
            closed.append(True)

    async def use() -> None:
        generator = rows()
        assert await anext(generator) == 1
        assert await generator.asend("sent") == "sent"  # type: ignore[attr-defined]
        assert await generator.athrow(ValueError) == "caught"  # type: ignore[attr-defined]
        assert [item async for item in generator] == []
        early = rows()
        await anext(early)
        await early.aclose()  # type: ignore[attr-defined]

    with logged(level="INFO") as records:
        asyncio.run(use())
    assert [record.attributes["duration_ms"] for record in records] == [1_000.0, 0.0]
    assert closed == [True, True]


def test_the_position_is_where_the_block_stands_or_the_function_is_called() -> None:
    """Not in ours."""

    @log_performance("f")
    def work() -> None:
        pass

    with logged() as records:
        OUTLET.code_level = 0
        with log_performance("b", logger=get_logger("x")):
            pass
        work()
    assert [record.attributes["code"]["file"] for record in records] == [__file__] * 2  # type: ignore[index,call-overload]


def test_a_function_needs_no_name_for_its_operation() -> None:
    """With or without parentheses its own name is taken; a block has none."""

    @log_performance
    def bare(number: int) -> int:
        return number

    @log_performance()
    def called() -> int:
        return 2

    with logged() as records:
        assert (bare(1), called()) == (1, 2)
        with log_performance():
            pass
    names = [str(record.attributes["operation"]).rpartition(".")[2] for record in records]
    assert names == ["bare", "called", "block"]
    assert {record.logger for record in records} == {__name__}


def test_a_threshold_that_is_no_number_is_told_at_once() -> None:
    """Before the block, not instead of what the block raises."""
    with pytest.raises(TypeError, match="milliseconds, not '1s'"):
        log_performance("x", threshold_ms="1s")  # type: ignore[call-overload]  # what the test is about
