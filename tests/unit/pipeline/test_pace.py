"""How many may wait, so that nobody waits for long."""

import sys

from tamis.pipeline.pace import Pace


def after(pace: Pace, *rounds: tuple[int, float]) -> int:
    for records, took_s in rounds:
        pace.note(records, took_s)
    return pace.records


def test_as_many_may_wait_as_the_worker_takes_in_time() -> None:
    """In two fifths of the time: the rest is for the round under way."""
    assert after(Pace(0.05), *[(500, 0.005)] * 50) in range(1_900, 2_001)
    assert after(Pace(0.05), *[(500, 0.05)] * 50) in range(190, 210)


def test_a_worker_that_was_kept_once_is_not_taken_for_a_slow_one() -> None:
    """A round that took a thousand times as long (a disk, a machine that was away) halves the number at most."""
    pace = Pace(0.05)
    usual = after(pace, *[(500, 0.005)] * 50)
    assert after(pace, (500, 5.0)) > usual / 2
    assert after(pace, *[(500, 0.005)] * 20) > usual * 0.9


def test_small_rounds_say_nothing_while_large_ones_are_allowed() -> None:
    """A calm application, whose rounds hold a record or two, is not held up at its first burst."""
    pace = Pace(0.05)
    before = pace.records
    assert after(pace, *[(2, 0.001)] * 1_000) == before


def test_it_finds_back_from_the_least() -> None:
    """However slow it was, rounds as large as are allowed raise the number again."""
    pace = Pace(0.05)
    assert after(pace, *[(100, 100.0)] * 50) == 16
    for _ in range(100):
        pace.note(pace.records, 0.0002 + pace.records * 0.00001)
    assert pace.records > 1_000


def test_without_a_time_all_may_wait() -> None:
    """Nothing that is measured changes that."""
    assert after(Pace(0.0), (100, 100.0)) == sys.maxsize
