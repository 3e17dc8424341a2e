"""Executors as metrics."""

import threading

import pytest

from tamis.errors import TaskRejectedError
from tamis.resilience.executor import ExecutorLimits, Priority, TaskExecutor
from tamis.server.executors import ExecutorGauges
from tamis.telemetry.metrics import Metrics

SOON_S = 60.0


def test_what_waits_runs_and_became_of_it() -> None:
    """Each task in one of them; a second look counts nothing twice; executors of one name are counted together."""
    metrics, opened, entered = Metrics(), threading.Event(), threading.Event()
    gauges, limits = ExecutorGauges(metrics), ExecutorLimits(waiting_max=2, workers_max=1)
    executor, other = TaskExecutor("of a test", limits), TaskExecutor("of a test", limits)

    def hold() -> None:
        entered.set()
        assert opened.wait(SOON_S)

    executor.enqueue_task(hold)
    assert entered.wait(SOON_S)
    for _ in range(2):
        executor.enqueue_task(int, priority=Priority.HIGH)
    with pytest.raises(TaskRejectedError):
        executor.enqueue_task(int, priority=Priority.LOW)
    other.enqueue_task(int).result(SOON_S)
    other.drain(SOON_S)
    for _ in range(2):
        gauges.set()
    assert metrics.value("tamis_tasks_waiting", "of a test", "high") == 2
    assert metrics.value("tamis_tasks_waiting", "of a test", "low") == 0
    assert metrics.value("tamis_tasks_running", "of a test") == 1
    assert metrics.value("tamis_tasks_oldest_waiting_seconds", "of a test") > 0
    assert metrics.value("tamis_tasks_total", "of a test", "rejected") == 1
    assert metrics.value("tamis_tasks_total", "of a test", "succeeded") == 1
    opened.set()
    executor.drain(SOON_S)
    gauges.set()
    assert metrics.value("tamis_tasks_total", "of a test", "succeeded") == 4
    assert metrics.value("tamis_tasks_running", "of a test") == 0
