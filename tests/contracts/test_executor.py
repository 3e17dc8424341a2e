"""The contract of executors: what threads, processes and coroutines promise alike."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tamis.errors import (
    BreakerOpenError,
    ConfigError,
    TaskCancelledError,
    TaskCrashedError,
    TaskDeadlineError,
    TaskRejectedError,
)
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.executor import DropPolicy, Priority
from tests.contracts.executor_members import KINDS, SOON_S, Gate, Member, make, wait_for
from tests.support import executor_work as work
from tests.support.hand_clock import HandClock

Make = Callable[..., Member]


@pytest.fixture(params=KINDS)
def new(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes executors of the kind; they end with the test."""
    made: list[Member] = []

    def of_kind(**options: Any) -> Member:
        made.append(make(request.param, **options))
        return made[-1]

    yield of_kind
    for member in made:
        member.end()


def numbers(path: Path) -> list[int]:
    return [int(one) for one in path.read_text(encoding="ascii").split()]


def test_results_failures_and_crashes_reach_the_caller(new: Make) -> None:
    """Each with what it returned or raised, facts included; after a crash the next one runs."""
    member = new()
    assert member.enqueue(work.twice, 21).result(SOON_S) == 42
    with pytest.raises(ConfigError, match="must be blue") as failed:
        member.enqueue(work.fail).result(SOON_S)
    assert (failed.value.key, failed.value.value) == ("colour", "red")
    with pytest.raises(TaskCrashedError, match=r"the task leave of the executor it .*7"):
        member.enqueue(work.leave).result(SOON_S)
    assert member.enqueue(work.twice, 2).result(SOON_S) == 4
    counts = member.metrics().counts
    assert (counts.succeeded, counts.failed, counts.crashed) == (2, 1, 1)


def test_the_most_important_goes_first_then_the_oldest(new: Make, tmp_path: Path) -> None:
    """CRITICAL, HIGH, NORMAL, LOW; within each by age."""
    member, noted = new(), tmp_path / "noted"
    gate = Gate(member, tmp_path)
    order = [Priority.LOW, Priority.NORMAL, Priority.CRITICAL, Priority.HIGH, Priority.NORMAL]
    handles = [member.enqueue(work.note, noted, at, priority=how) for at, how in enumerate(order)]
    gate.open()
    for handle in handles:
        handle.result(SOON_S)
    assert numbers(noted) == [2, 3, 1, 4, 0]


def test_low_rises_with_age(new: Make, tmp_path: Path) -> None:
    """After `ageing_s` for each step it stands beside HIGH, before what came later; CRITICAL it never passes."""
    clock, noted = HandClock(), tmp_path / "noted"
    member = new(clock=clock, ageing_s=10.0)
    gate = Gate(member, tmp_path)
    handles = [member.enqueue(work.note, noted, 0, priority=Priority.LOW)]
    clock.pass_s(20)
    for number, priority in ((1, Priority.HIGH), (2, Priority.CRITICAL), (3, Priority.HIGH)):
        handles.append(member.enqueue(work.note, noted, number, priority=priority))
    gate.open()
    for handle in handles:
        handle.result(SOON_S)
    assert numbers(noted) == [2, 0, 1, 3]


@pytest.mark.parametrize(
    ("drop", "gone"), [(DropPolicy.LOW, [2]), (DropPolicy.OLDEST, [0]), (DropPolicy.ALL, [0, 1, 2])]
)
def test_who_makes_room_hears_why_and_does_not_run(
    new: Make, tmp_path: Path, drop: DropPolicy, gone: list[int]
) -> None:
    """The policy says who that is."""
    member, noted = new(waiting_max=3, drop=drop), tmp_path / "noted"
    gate = Gate(member, tmp_path)
    order = (Priority.LOW, Priority.HIGH, Priority.LOW)
    handles = [member.enqueue(work.note, noted, at, priority=how) for at, how in enumerate(order)]
    member.enqueue(work.note, noted, 9, priority=Priority.HIGH)
    gate.open()
    member.drain(SOON_S)
    assert set(numbers(noted)) == {0, 1, 2, 9} - set(gone)
    for number in gone:
        with pytest.raises(
            TaskRejectedError, match="all 3 places were taken, and it had to make room for note"
        ):
            handles[number].result(0)


@pytest.mark.parametrize("drop", DropPolicy)
def test_what_is_refused_is_told_and_counts_toward_hard_open(
    new: Make, tmp_path: Path, drop: DropPolicy
) -> None:
    """Nobody makes room for what matters less; five refusals open the breaker hard."""
    breaker = CircuitBreaker("engine")
    member = new(waiting_max=1, drop=drop, breaker=breaker)
    gate = Gate(member, tmp_path)
    critical = member.enqueue(work.twice, 1, priority=Priority.CRITICAL)
    for _ in range(5):
        with pytest.raises(
            TaskRejectedError, match="the task twice of the executor it was not run: all 1 places"
        ):
            member.enqueue(work.twice, 1)
    with pytest.raises(BreakerOpenError):
        breaker.call(int)
    gate.open()
    assert critical.result(SOON_S) == 2
    assert member.metrics().counts.rejected == 5


def test_a_deadline_ends_the_wait(new: Make, tmp_path: Path) -> None:
    """Whether it still waits, and is not run then, or runs, and is told."""
    member, noted, gate = new(), tmp_path / "noted", tmp_path / "gate"
    running = member.enqueue(work.obey, gate, deadline_s=0.3)
    waiting = member.enqueue(work.note, noted, 1, deadline_s=0.0)
    for handle in (waiting, running):
        with pytest.raises(TaskDeadlineError, match=r"was not done within 0"):
            handle.result(SOON_S)
    member.drain(SOON_S)
    assert not noted.exists()
    assert gate.with_suffix(".told").exists() or not gate.with_suffix(".entered").exists()
    counts = member.metrics().counts
    assert (counts.expired, counts.succeeded, counts.failed, counts.crashed) == (2, 0, 0, 0)


def test_cancel_waiting_and_running(new: Make, tmp_path: Path) -> None:
    """What waits never runs; what runs is told, and ends as cancelled; the next one runs."""
    member, noted, gate = new(), tmp_path / "noted", tmp_path / "gate"
    running = member.enqueue(work.obey, gate)
    wait_for(gate.with_suffix(".entered"))
    waiting = member.enqueue(work.note, noted, 1)
    assert member.cancel(waiting)
    assert waiting.cancelled()
    assert not member.cancel(running)
    with pytest.raises(TaskCancelledError):
        running.result(SOON_S)
    assert gate.with_suffix(".told").exists()
    assert member.enqueue(work.twice, 1).result(SOON_S) == 2
    assert not noted.exists()
    assert member.metrics().counts.cancelled == 2


def test_drain_finishes_what_is_there_and_takes_nothing_new(new: Make) -> None:
    """Within its limit all is done."""
    member = new()
    handles = [member.enqueue(work.twice, number) for number in range(10)]
    drained = member.drain(SOON_S)
    assert (drained.dropped, drained.still_running) == (0, 0)
    assert [handle.result(0) for handle in handles] == list(range(0, 20, 2))
    with pytest.raises(TaskRejectedError, match="closed"):
        member.enqueue(work.twice, 1)


def test_drain_has_a_limit(new: Make, tmp_path: Path) -> None:
    """Past it the waiting hear that it is over, and the running are told to stop."""
    member, gate = new(), tmp_path / "gate"
    running = member.enqueue(work.obey, gate)
    wait_for(gate.with_suffix(".entered"))
    waiting = member.enqueue(work.twice, 1)
    drained = member.drain(0.01)
    assert (drained.dropped, drained.still_running) == (1, 1)
    with pytest.raises(TaskRejectedError, match="when the executor was closed"):
        waiting.result(SOON_S)
    with pytest.raises(TaskCancelledError):
        running.result(SOON_S)


def test_every_task_is_in_one_count(new: Make, tmp_path: Path) -> None:
    """accepted = what ended in some way, and what waits and runs; `waiting` has them by priority."""
    member = new(waiting_max=4)
    gate = Gate(member, tmp_path)
    given: list[Any] = [Priority.LOW, Priority.LOW, Priority.HIGH, Priority.NORMAL, Priority.CRITICAL]
    for priority in given:
        member.enqueue(work.twice, 1, priority=priority)
    seen = member.metrics()
    assert (seen.name, seen.running, sum(seen.waiting.values())) == ("it", 1, 4)
    assert seen.waiting == dict.fromkeys(Priority, 1)
    gate.open()
    member.drain(SOON_S)
    counts = member.metrics().counts
    assert (counts.accepted, counts.succeeded, counts.dropped, counts.started) == (6, 5, 1, 5)
