"""The worker in place."""

import os
import sys
import threading
from functools import partial

import pytest

from tamis.resilience.executor import TaskExecutor
from tamis.resilience.executor.workers.thread import ThreadWorker


def own_niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere niceness is the whole process's")
def test_a_nice_worker_gives_way_and_nobody_else_does() -> None:
    """Its thread is nicer; the caller's, and that of another executor, are as they were."""
    before = own_niceness()
    with TaskExecutor("it", worker=partial(ThreadWorker, nice=7)) as executor:
        assert executor.enqueue_task(own_niceness).result(60) == max(before, 7)
    with TaskExecutor("it") as executor:
        assert executor.enqueue_task(own_niceness).result(60) == before
    assert own_niceness() == before
