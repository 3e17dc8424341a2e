import time

import pytest

from benchmarks.__main__ import told
from benchmarks.measure import TIMINGS_MAX, TIMINGS_MIN, Stopwatch, timed


def test_a_stopwatch_adds_up_and_keeps_the_order(capsys: pytest.CaptureFixture[str]) -> None:
    """A part that comes again is one line; a part that fails is counted, too."""
    watch = Stopwatch()
    with watch.part("b"):
        time.sleep(0.01)
    with watch.part("a"):
        pass
    with pytest.raises(ValueError, match="no"), watch.part("b"):
        raise ValueError("no")
    assert list(watch.seconds) == ["b", "a"]
    assert watch.seconds["b"] >= 0.01
    assert capsys.readouterr().out.count(" b\n") == 2


def test_a_run_that_takes_too_long_says_so() -> None:
    """Ten minutes are the budget."""
    assert told({"a": 400.0, "b": 199.0}).endswith("599.0 s of 600")
    assert told({"a": 400.0, "b": 201.0}).endswith("601.0 s of 600: too long")


def test_quick_questions_are_timed_more_often_than_slow_ones() -> None:
    """A slow one three times after the first, a quick one until the limit."""
    asked = []
    _, quick = timed(lambda: asked.append(1))
    assert quick.runs == TIMINGS_MAX == len(asked) - 1
    _, slow = timed(lambda: time.sleep(0.3))
    assert slow.runs == TIMINGS_MIN
