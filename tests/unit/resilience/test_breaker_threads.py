"""Many threads at one breaker."""

import itertools
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tamis.errors import BreakerOpenError
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.listeners import StateChange
from tamis.resilience.machine import BreakerState
from tests.support.hand_clock import HandClock

THREADS = 8


@pytest.fixture(autouse=True)
def _switching_all_the_time() -> Iterator[None]:
    """Threads change places as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run_all(work: Callable[[int], None]) -> None:
    """Run it on all threads, beginning together; what one raises is raised here."""
    gate, failures = threading.Barrier(THREADS), []

    def run(number: int) -> None:
        gate.wait(30)
        try:
            work(number)
        except BaseException as failure:  # raised again on the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    if failures:
        raise failures[0]


def test_no_count_is_lost() -> None:
    """What the threads saw is what it counted, and each change was told once, in order."""
    breaker = CircuitBreaker(
        "it",
        BreakerLimits(open_s=0.000_5, half_open_call_s=0.000_5, probes_max=3, rejections_to_hard_open=10**6),
    )
    told: list[StateChange] = []
    breaker.listen(told.append)
    seen: list[Counter[str]] = [Counter() for _ in range(THREADS)]

    def work(number: int) -> None:
        draw, mine = random.Random(number), seen[number]
        for _ in range(1_500):
            how = draw.choice(["success"] * 5 + ["error"] * 2 + ["rejected", "release", "lost"])
            try:
                permit = breaker.permit()
            except BreakerOpenError:
                mine["refused"] += 1
                continue
            mine["permitted"] += 1
            mine[how] += 1
            if how == "error":
                permit.failure(OSError())
            elif how != "lost":
                getattr(permit, how)()

    run_all(work)
    total: Counter[str] = sum(seen, Counter())
    metrics = breaker.metrics()
    counts = metrics.counts
    assert (counts.permitted, counts.refused) == (total["permitted"], total["refused"])
    settled = counts.successes + counts.failures + counts.rejected_calls + counts.abandoned + counts.stale
    assert counts.permitted == settled + metrics.under_way
    on_time = settled - counts.stale - counts.expired
    assert on_time + counts.late == total["permitted"] - total["lost"]
    assert counts.successes <= total["success"]
    assert counts.failures - counts.expired <= total["error"]
    assert counts.abandoned <= total["release"]
    assert len(told) == sum(metrics.entered.values()) > 0
    assert all(one.after == two.before for one, two in itertools.pairwise(told))
    assert metrics.listener_errors == 0


def test_every_success_of_a_closed_breaker_is_counted() -> None:
    """The quick way round a call loses nothing either."""
    breaker = CircuitBreaker("it")

    def work(_: int) -> None:
        for _ in range(5_000):
            breaker.call(int)

    run_all(work)
    counts = breaker.metrics().counts
    assert counts.permitted == counts.successes == THREADS * 5_000


def test_there_are_never_more_probes_than_the_quota() -> None:
    """Half open, three at once and no fourth, however many ask."""
    clock = HandClock()
    breaker = CircuitBreaker("it", BreakerLimits(probes_max=3, successes_to_close=10**6), clock=clock)
    for _ in range(3):
        breaker.permit().failure()
    clock.pass_s(60)
    running: list[None] = []
    most = Counter[int]()

    def work(number: int) -> None:
        while breaker.metrics().counts.successes < 100:
            permit = breaker.allow()
            if permit is None:
                continue
            running.append(None)
            for _ in range(30):
                time.sleep(0)
                most[len(running)] += 1
            running.pop()
            permit.success()

    run_all(work)
    assert max(most) == 3
    metrics = breaker.metrics()
    assert metrics.state is BreakerState.HALF_OPEN
    assert metrics.counts.permitted - 3 == metrics.counts.successes >= 100


def test_one_half_open_breaker_closes_once() -> None:
    """Answers that come together make one change."""
    clock = HandClock()
    limits = BreakerLimits(probes_max=THREADS, successes_to_close=THREADS)
    breaker = CircuitBreaker("it", limits, clock=clock)
    for round_number in range(1, 20):
        for _ in range(3):
            breaker.permit().failure()
        clock.pass_s(60)
        run_all(lambda _: breaker.permit().success())
        metrics = breaker.metrics()
        assert metrics.state is BreakerState.CLOSED
        assert set(metrics.entered.values()) == {0, round_number}
