"""A function that returns what it is given, called 200,000 times bare, decorated with `profile_function` and
with it from inside another measured function: nanoseconds of a call, the best of nine rounds in turns; a thousand calls
at a time are counted within them. With memory, and a block, are there to be known; they have no goal.
"""

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.keeping.overhead import least_of, more_goal
from benchmarks.report import Goal
from tamis.telemetry.profiler import PerformanceProfiler

CALLS, CALLS_MEMORY, ROUNDS = 200_000, 2_000, 9
MORE_NS_MAX = 1_000.0

Call = Callable[[int], int]


def measure(work: Path) -> list[Goal]:
    """What the decorator adds to a call."""
    profiler = PerformanceProfiler()
    alone = profiler.profile_function(_given)
    with_memory = profiler.profile_function(memory=True)(_given)

    def block(value: int) -> int:
        with profiler.profile_block("block"):
            return value

    ways: dict[str, Callable[[], float]] = {
        "bare": lambda: _each_ns(_given, CALLS),
        "alone": lambda: _each_ns(alone, CALLS),
        "inside": profiler.profile_function(name="outer")(lambda: _each_ns(alone, CALLS)),
        "block": lambda: _each_ns(block, CALLS // 4),
        "memory": lambda: _each_ns(with_memory, CALLS_MEMORY),
    }
    least = least_of(ways, ROUNDS)
    bare = least.pop("bare")
    return [
        more_goal("profiler decorator, no memory", least["alone"], bare, MORE_NS_MAX),
        more_goal("profiler decorator, inside a measured function", least["inside"], bare, MORE_NS_MAX),
        more_goal("profiler block", least["block"], bare, None),
        more_goal("profiler decorator with memory", least["memory"], bare, None),
    ]


def _given(value: int) -> int:
    return value


def _each_ns(call: Call, calls: int) -> float:
    numbers = range(calls)
    begin = time.perf_counter_ns()
    for number in numbers:
        call(number)
    return (time.perf_counter_ns() - begin) / calls
