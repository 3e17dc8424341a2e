"""What something round a call adds to it: ways in turns, and the goal as so much more than the bare call."""

from collections.abc import Callable, Mapping

from benchmarks.report import Goal


def least_of(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Each way's least nanoseconds of so many rounds, one way after the other in each."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            found[name].append(run())
    return {name: min(took) for name, took in found.items()}


def more_goal(what: str, each_ns: float, bare_ns: float, more_max: float | None) -> Goal:
    """A line of the table; without `more_max` it is there to be known."""
    more = each_ns - bare_ns
    goal = "" if more_max is None else f"≤ {more_max / 1e3:g} µs more"
    figure = f"{each_ns / 1e3:.2f} µs: {more / 1e3:.2f} µs more"
    yardstick = f"bare: {bare_ns / 1e3:.2f} µs"
    return Goal(what, figure, yardstick, each_ns / bare_ns, goal, more_max is None or more <= more_max)
