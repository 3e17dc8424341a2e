import itertools

import pytest

from benchmarks.__main__ import told
from benchmarks.measure import SECONDS_EACH, TIMINGS_MAX, TIMINGS_MIN, Stopwatch, timed


def test_a_stopwatch_adds_up_and_keeps_the_order(capsys: pytest.CaptureFixture[str]) -> None:
    """A part that comes again is one line; a part that fails is counted, too."""
    watch = Stopwatch()
    with watch.part("b"):
        pass
    first = watch.seconds["b"]
    with watch.part("a"):
        pass
    with pytest.raises(ValueError, match="no"), watch.part("b"):
        raise ValueError("no")
    assert list(watch.seconds) == ["b", "a"]
    assert watch.seconds["b"] > first
    assert capsys.readouterr().out.count(" b\n") == 2


def test_a_run_that_takes_too_long_says_so() -> None:
    """Ten minutes are the budget."""
    assert told({"a": 400.0, "b": 199.0}).endswith("599.0 s of 600")
    assert told({"a": 400.0, "b": 201.0}).endswith("601.0 s of 600: too long")


@pytest.mark.parametrize(
    ("takes_s", "runs"), [(0.001, TIMINGS_MAX), (0.1, SECONDS_EACH / 0.1), (3.0, TIMINGS_MIN)]
)
def test_quick_questions_are_timed_more_often(
    monkeypatch: pytest.MonkeyPatch, takes_s: float, runs: float
) -> None:
    """A slow one three times after the first, a quick one until the limit."""
    moments = itertools.count(0.0, takes_s)
    monkeypatch.setattr("time.perf_counter", lambda: next(moments))
    asked: list[int] = []
    _, timing = timed(lambda: asked.append(1))
    assert timing.runs == len(asked) - 1
    assert timing.runs == pytest.approx(runs, abs=1)
    assert timing.warm_s == pytest.approx(takes_s)
