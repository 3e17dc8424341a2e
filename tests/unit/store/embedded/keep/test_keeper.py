"""Work in the background: it is done when due, and a failure is told and tried again."""

import threading
from functools import partial

from tamis.resilience.executor import ExecutorLimits, Priority, TaskExecutor
from tamis.store.embedded.keep.keeper import Job, Lane
from tests.support.embedded import HandClock


def test_a_job_that_fails_is_told_and_tried_again_later():
    """The error stands in `problem` until a later try works; other jobs go on meanwhile."""
    clock = HandClock()
    done = threading.Semaphore(0)
    tries: list[int] = []

    def fail_first():
        tries.append(1)
        if len(tries) == 1:
            raise OSError("the disk is full")

    failing = Job("sealing", lambda: True, fail_first)
    other = Job("merging", lambda: True, done.release)
    lane = Lane("test", [failing, other], clock=clock)
    lane.start()
    for _ in range(3):
        assert done.acquire(timeout=30)
        lane.wake()
    assert (failing.problem, len(tries)) == ("sealing failed: the disk is full", 1)
    clock.pass_s(6)
    while failing.problem is not None:
        assert done.acquire(timeout=30)
        lane.wake()
    assert len(tries) >= 2
    lane.stop()


def test_a_job_that_is_not_due_is_left():
    """`due` decides."""
    ran: list[str] = []
    looked = threading.Semaphore(0)

    def not_due():
        looked.release()
        return False

    lane = Lane("test", [Job("never", not_due, lambda: ran.append("never"))], clock=HandClock())
    lane.start()
    assert looked.acquire(timeout=30)
    lane.stop()
    assert ran == []


def test_jobs_of_several_lanes_take_turns_by_what_matters():
    """Two lanes share one worker: what is due waits until it is free, and CRITICAL goes before NORMAL."""
    executor = TaskExecutor("turns", ExecutorLimits(workers_max=1))
    opened, done = threading.Event(), list[str]()
    executor.enqueue_task(opened.wait, 60)
    lanes = [
        Lane(
            name, [Job(name, once(), partial(done.append, name), priority)], clock=HandClock(), turns=executor
        )
        for name, priority in (("merging", Priority.NORMAL), ("expiry", Priority.CRITICAL))
    ]
    for lane in lanes:
        lane.start()
    until(lambda: sum(executor.metrics().waiting.values()) == 2)
    opened.set()
    until(lambda: len(done) == 2)
    assert done == ["expiry", "merging"]
    for lane in lanes:
        lane.stop()


def test_a_lane_that_is_stopped_gives_up_its_turn():
    """Its job is not done any more, and the end does not wait for others' work; that is no failure."""
    executor = TaskExecutor("turns", ExecutorLimits(workers_max=1))
    opened, done = threading.Event(), list[str]()
    executor.enqueue_task(opened.wait, 60)
    job = Job("merging", lambda: True, lambda: done.append("merged"))
    lane = Lane("test", [job], clock=HandClock(), turns=executor)
    lane.start()
    until(lambda: sum(executor.metrics().waiting.values()) == 1)
    lane.stop()
    opened.set()
    executor.drain(60)
    assert (done, job.problem) == ([], None)


def once():
    """Due the first time only."""
    answers = iter([True])
    return lambda: next(answers, False)


def until(holds):
    """Wait for it."""
    tick = threading.Event()
    for _ in range(12_000):
        if holds():
            return
        tick.wait(0.005)
    raise AssertionError("it did not come to that")
