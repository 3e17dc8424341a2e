"""What a process does in the background takes turns."""

import threading
from functools import partial

import pytest

from tamis.resilience.executor import Priority, current_task
from tamis.resilience.executor.background import BACKGROUND, in_turn

SOON_S = 60.0


def name_of_turn() -> str:
    task = current_task()
    assert task is not None
    return task.name


def test_a_turn_gives_what_its_function_gives() -> None:
    """Its result, its error; it is a task of its name."""
    assert in_turn(name_of_turn, name="a step") == "a step"
    with pytest.raises(ZeroDivisionError):
        in_turn(partial(divmod, 1, 0), name="a step")


def test_a_turn_within_a_turn_waits_for_nobody() -> None:
    """It is the same turn: with one worker it would wait for itself."""
    assert in_turn(lambda: in_turn(name_of_turn, name="inner"), name="outer") == "outer"


def test_there_is_a_bound_to_what_runs_at_once() -> None:
    """However many want a turn, no more run than half of the processors, and all get theirs."""
    running, most, lock = 0, 0, threading.Lock()

    def step() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.002)
        with lock:
            running -= 1

    handles = [BACKGROUND.enqueue_task(step, priority=priority) for priority in Priority for _ in range(10)]
    for handle in handles:
        handle.result(SOON_S)
    assert most <= BACKGROUND.limits.workers_max
