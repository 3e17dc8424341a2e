"""A function that returns what it is given, 5,000 calls bare and in each way round a closed breaker: nanoseconds of a
call, the best of a hundred short rounds in turns, so that what else the machine does meets few of them. Asynchronous
calls are awaited in one running loop beside a bare coroutine. RuntimeManager and a work on the status board are there
to be known; they have no goal.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from benchmarks.keeping.overhead import least_of, more_goal
from benchmarks.report import Goal
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.runtime import RuntimeManager
from tamis.telemetry.status import StatusBoard
from tamis.telemetry.status_work import Work

CALLS, ROUNDS = 5_000, 100
MORE_NS_MAX = 1_000.0

Call = Callable[[int], object]


def measure(work: Path) -> list[Goal]:
    """What a closed breaker adds to a call."""
    breaker = CircuitBreaker("measured", board=None)
    manager = RuntimeManager("primary", "fallback", board=None)
    board = StatusBoard()

    def permitted(value: int) -> int:
        with breaker.permit():
            return _given(value)

    def managed(value: int) -> int:
        return manager.run(lambda _: _given(value))

    with board.doing("measure", total=CALLS) as doing:
        ways: dict[str, Callable[[], float]] = {
            "bare": partial(_each_ns, _given),
            "call": lambda: _each_call_ns(breaker),
            "decorator": partial(_each_ns, breaker(_given)),
            "permit": partial(_each_ns, permitted),
            "bare coroutine": lambda: asyncio.run(_each_await_ns(_agiven)),
            "acall": lambda: asyncio.run(_each_await_ns(lambda value: breaker.acall(_agiven, value))),
            "manager": partial(_each_ns, managed),
            "advance": lambda: _each_step_ns(doing),
        }
        least = least_of(ways, ROUNDS)
    bare, bare_await = least["bare"], least["bare coroutine"]
    return [
        more_goal("breaker round a call, closed: `call`", least["call"], bare, MORE_NS_MAX),
        more_goal("breaker round a call, closed: decorator", least["decorator"], bare, MORE_NS_MAX),
        more_goal("breaker round a call, closed: `permit`", least["permit"], bare, None),
        more_goal("breaker round a coroutine, closed: `acall`", least["acall"], bare_await, MORE_NS_MAX),
        more_goal("RuntimeManager round a call, closed: `run`", least["manager"], bare, None),
        more_goal("a step of a work on the status board", least["advance"], bare, None),
    ]


def _given(value: int) -> int:
    return value


async def _agiven(value: int) -> int:
    return value


def _each_ns(call: Call) -> float:
    numbers = range(CALLS)
    begin = time.perf_counter_ns()
    for number in numbers:
        call(number)
    return (time.perf_counter_ns() - begin) / CALLS


def _each_call_ns(breaker: CircuitBreaker) -> float:
    numbers, call = range(CALLS), breaker.call
    begin = time.perf_counter_ns()
    for number in numbers:
        call(_given, number)
    return (time.perf_counter_ns() - begin) / CALLS


async def _each_await_ns(call: Callable[[int], Awaitable[int]]) -> float:
    numbers = range(CALLS)
    begin = time.perf_counter_ns()
    for number in numbers:
        await call(number)
    return (time.perf_counter_ns() - begin) / CALLS


def _each_step_ns(work: Work) -> float:
    numbers, advance = range(CALLS), work.advance
    begin = time.perf_counter_ns()
    for _ in numbers:
        advance()
    return (time.perf_counter_ns() - begin) / CALLS
