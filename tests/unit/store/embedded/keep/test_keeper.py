"""Work in the background: it is done when due, and a failure is told and tried again."""

import threading

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
