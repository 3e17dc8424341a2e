"""The profiler's quantiles beside exact ones, and minutes beside the whole."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.telemetry.histogram import BOUNDS_NS, Histogram, count_durations
from tamis.telemetry.profiler import PerformanceProfiler, ProfilerLimits
from tamis.telemetry.profiler.book import Book, Tally
from tamis.telemetry.profiler.report import figures_of
from tests.support.hand_clock import HandClock

DURATIONS = st.lists(
    st.one_of(st.integers(0, 5_000), st.integers(0, 10**14), st.sampled_from(BOUNDS_NS)),
    min_size=1,
    max_size=300,
)
BOUND = 2 ** (1 / 8) * 1.001
"""Each bucket's end is the eighth root of two over the one before, rounded to nanoseconds."""


@given(DURATIONS, st.integers(1, 50))
def test_quantiles_are_within_their_bound(durations: list[int], each: int) -> None:
    """Whatever was called, and however it was cut into batches: never below the exact quantile, at most 9 % or 1 µs
    above, and never over the longest call."""
    tally = Tally()
    for at in range(0, len(durations), each):
        tally.take([float(one) for one in sorted(durations[at : at + each])])
    found = figures_of("f", tally)
    exact = sorted(durations)
    for share, quantile_s in ((0.5, found.p50_s), (0.95, found.p95_s), (0.99, found.p99_s)):
        at_ns = exact[math.ceil(share * len(exact)) - 1]
        assert at_ns / 1e9 <= quantile_s * (1 + 1e-9)
        assert quantile_s * 1e9 <= max(at_ns * BOUND, 1_000) or at_ns > BOUNDS_NS[-1]
        assert quantile_s <= found.max_s
    assert found.calls == len(durations)
    assert found.total_s == pytest.approx(sum(durations) / 1e9)
    assert (found.min_s, found.max_s) == (exact[0] / 1e9, exact[-1] / 1e9)


@given(DURATIONS)
def test_counts_are_those_of_every_duration(durations: list[int]) -> None:
    """The quick way over sorted durations counts each in the bucket that one alone lies in."""
    together = Histogram()
    together.add(count_durations(sorted(durations)), sum(durations))
    alone = Histogram()
    for one in durations:
        alone.add(count_durations([one]), one)
    assert together.count == alone.count == len(durations)
    assert together.sum_ns == alone.sum_ns
    bounds_s = [one / 1e9 for one in BOUNDS_NS[:: len(BOUNDS_NS) // 20]]
    assert together.below(bounds_s) == alone.below(bounds_s)


@given(st.lists(st.tuples(st.integers(0, 119), st.integers(1, 10**9)), min_size=1, max_size=60))
def test_periods_add_up_to_the_whole(calls: list[tuple[int, int]]) -> None:
    """Each call is in one slice of a minute, and one minute; all are the whole, a part of them its part."""
    book, now_s = Book("f", minutes_max=10), 600.0
    for period, took_ns in sorted(calls):
        for tally in book.at(period):
            tally.take([float(took_ns)])
    assert figures_of("f", book.since(0.0, now_s)) == figures_of("f", book.since(None, now_s))
    for begin_s in range(0, 600, 5):
        is_fine = begin_s >= 300
        first = begin_s // 5 if is_fine else begin_s // 60 * 12
        some = [took_ns for period, took_ns in calls if period >= first]
        found = book.since(float(begin_s), now_s)
        assert (found.calls, found.total_ns) == (len(some), sum(some))
        assert not some or (found.least_ns, found.most_ns) == (min(some), max(some))


def test_the_last_minutes_hold_what_ended_in_them() -> None:
    """A report of some minutes knows what was called then, though it is counted only when somebody asks."""
    clock = HandClock()
    profiler = PerformanceProfiler(ProfilerLimits(minutes_max=30), clock=clock)

    @profiler.profile_function("f")
    def f(seconds: float) -> None:
        clock.pass_s(seconds)

    f(5.0)
    clock.pass_s(600)
    f(1.0)
    clock.pass_s(60)
    f(3.0)
    assert [profiler.get_performance_report(minutes).function("f").calls for minutes in (5, 30, None)] == [
        2,
        3,
        3,
    ]
    assert profiler.get_performance_report(5).function("f").max_s == 3.0
    clock.pass_s(3_600)
    assert profiler.get_performance_report(30).functions == ()
    assert profiler.get_performance_report().function("f").calls == 3
    for minutes in (0, -1, 31):
        with pytest.raises(ValueError, match="minutes"):
            profiler.get_performance_report(minutes)


def test_parts_of_a_minute_are_told_apart() -> None:
    """Up to five minutes to five seconds, more to the minute: what ended longer ago than that is not in it."""
    clock = HandClock()
    profiler = PerformanceProfiler(clock=clock)
    begin_s = clock.monotonic_s()
    clock.pass_s(-begin_s % 60)
    with profiler.profile_block("f"):
        clock.pass_s(0.5)

    def is_in(minutes: float) -> bool:
        return bool(profiler.get_performance_report(minutes).functions)

    clock.pass_s(49.5)
    assert [is_in(minutes) for minutes in (0.01, 0.1, 0.5, 0.75, 0.84, 1, 1.5)] == [False] * 4 + [True] * 3
    clock.pass_s(225.0)
    assert [is_in(minutes) for minutes in (1.5, 4.5, 4.6, 5)] == [False, False, True, True]
    clock.pass_s(120.0)
    assert [is_in(minutes) for minutes in (5, 5.5, 6.5, 7)] == [False, False, True, True]
