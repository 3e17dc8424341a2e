"""What an executor tells the status board."""

import threading

import pytest

from tamis.errors import TaskCrashedError, TaskRejectedError
from tamis.resilience.executor import ExecutorLimits, TaskExecutor
from tamis.telemetry.status import StatusBoard
from tests.support.hand_clock import HandClock

SOON_S = 60.0


def test_refusals_are_told_once_and_then_together() -> None:
    """The first at once; those of the next seconds as one event with their number, the others not at all."""
    clock = HandClock()
    board = StatusBoard(clock=clock)
    opened, entered = threading.Event(), threading.Event()
    executor = TaskExecutor("reports", ExecutorLimits(waiting_max=1, workers_max=1), board=board)

    def hold() -> None:
        entered.set()
        assert opened.wait(SOON_S)

    executor.enqueue_task(hold)
    assert entered.wait(SOON_S)
    executor.enqueue_task(int)
    for _ in range(4):
        with pytest.raises(TaskRejectedError):
            executor.enqueue_task(int, name="count")
    assert len(board.look().events) == 1
    clock.pass_s(5)
    executor.metrics()
    opened.set()
    executor.drain(SOON_S)
    first, then = board.look().events
    assert (first.kind, first.severity, first.facts) == (
        "refused",
        "warning",
        {"executor": "reports", "count": 1},
    )
    assert first.text.startswith("reports: count was not run: all 1 places were taken")
    assert then.facts["count"] == 3
    assert then.text.startswith("reports: 3 tasks; the last: count was not run")


def test_a_lost_worker_is_told() -> None:
    """With the task and what ended it."""
    board = StatusBoard()
    with TaskExecutor("it", board=board) as executor, pytest.raises(TaskCrashedError):
        executor.enqueue_task(exit, 3, name="import").result(SOON_S)
    (event,) = board.look().events
    assert (event.kind, event.severity) == ("crashed", "error")
    assert event.text == "it: import took its worker with it: SystemExit: 3"


def test_what_works_is_not_worth_a_word() -> None:
    """Success and failure are the caller's."""
    board = StatusBoard()
    with TaskExecutor("it", board=board) as executor:
        executor.enqueue_task(int)
        executor.enqueue_task(int, "x")
    assert board.look().events == []
