"""Whatever a level does, nobody waits for it longer than said."""

import os
import threading
import time

import pytest

from tamis.cache.lane import WORKERS_MAX, Lane

SOON_S = 60.0


def test_answers_and_errors_come_through() -> None:
    """As if the call had been made here."""
    lane = Lane("test")
    assert lane.run(lambda: 7, SOON_S) == 7
    with pytest.raises(ZeroDivisionError):
        lane.run(lambda: 1 // 0, SOON_S)


def test_nobody_waits_longer_than_the_limit() -> None:
    """Not for what hangs, nor for a thread when all hang; what never began is not done later."""
    lane, opened, begun = Lane("test"), threading.Event(), list[int]()

    def hang() -> None:
        begun.append(1)
        opened.wait(SOON_S)

    for _ in range(WORKERS_MAX + 2):
        with pytest.raises(TimeoutError, match=r"test gave no answer within 0\.05 s"):
            lane.run(hang, 0.05)
    assert len(begun) <= WORKERS_MAX
    opened.set()
    assert lane.run(lambda: len(begun), SOON_S) <= WORKERS_MAX


def test_many_at_once_share_few_threads() -> None:
    """All are answered, each with its own."""
    lane, wrong = Lane("many"), list[object]()

    def work(seed: int) -> None:
        try:
            for number in range(100):
                if lane.run(lambda answer=(seed, number): answer, SOON_S) != (seed, number):  # type: ignore[misc]
                    wrong.append((seed, number))
        except BaseException as error:  # told below
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    assert wrong == []
    assert sum(thread.name == "tamis cache many" for thread in threading.enumerate()) <= WORKERS_MAX


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own() -> None:
    """The parent's are not there."""
    lane = Lane("test")
    lane.run(lambda: 1, SOON_S)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if lane.run(lambda: 7, SOON_S) == 7 else 1)
        finally:
            os._exit(2)
    end_s = time.monotonic() + SOON_S
    while (found := os.waitpid(child, os.WNOHANG)) == (0, 0):
        assert time.monotonic() < end_s
        time.sleep(0.01)
    assert found[1] == 0
