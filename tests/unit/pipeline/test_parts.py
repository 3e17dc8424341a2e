"""The small parts of the pipeline: ranges, latencies, diagnostics, the text for Prometheus."""

import math
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tamis.pipeline.limits import DeliveryLimits
from tamis.pipeline.spool.ranges import Ranges, runs_of
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.machine import BreakerState
from tamis.telemetry.diagnostics import Diagnostics
from tamis.telemetry.histogram import Histogram
from tamis.telemetry.status import BOARD
from tamis.telemetry.status_model import StatusEvent
from tests.support.hand_clock import HandClock
from tests.support.sinks import Gathering, Pipe, captured, until

RUN = st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda run: (run[0], run[0] + run[1]))


@given(st.lists(RUN, max_size=20), RUN)
def test_ranges_are_the_set_of_their_numbers(runs: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    """Whatever is added in whatever order: membership, gaps and counts are those of a set."""
    ranges, numbers = Ranges(runs), {n for start, end in runs for n in range(start, end)}
    start, end = asked
    assert [n for a, b in ranges for n in range(a, b)] == sorted(numbers)
    assert [n in ranges for n in range(60)] == [n in numbers for n in range(60)]
    wanted = set(range(start, end))
    assert [n for a, b in ranges.missing(start, end) for n in range(a, b)] == sorted(wanted - numbers)
    assert ranges.count(start, end) == len(wanted & numbers)
    assert ranges.covers(start, end) == (wanted <= numbers)
    assert [n for a, b in runs_of(sorted(numbers)) for n in range(a, b)] == sorted(numbers)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_quantiles_are_within_nine_percent(ages: list[int], share: float) -> None:
    """Whatever the ages: the quantile is that of the ages, or at most 9 % (or 1 µs) more; none is left out."""
    histogram = Histogram()
    now_ns = 10**13
    for at in range(0, len(ages), 7):
        histogram.observe_ages([now_ns - age for age in ages[at : at + 7]], now_ns)
    found = histogram.quantile_s(share)
    exact = sorted(ages)[math.ceil(share * len(ages)) - 1]
    assert histogram.count == len(ages)
    assert histogram.sum_ns == sum(ages)
    assert found is not None
    assert exact <= found * 1e9 * 1.000001
    assert found * 1e9 <= max(exact * 1.0906, 1_000) * 1.000001


def test_ages_in_the_future_are_nothing() -> None:
    """A clock that was set back gives no negative latency."""
    histogram = Histogram()
    histogram.observe_ages([200, 300], 100)
    assert histogram.quantile_s(0.5) == 1e-6


def test_a_topic_speaks_once_an_interval_and_says_what_it_kept_back() -> None:
    """Of a hundred complaints one is written a minute; the next says how many there were."""
    said: list[str] = []
    clock = HandClock()
    diagnostics = Diagnostics(said.append, clock=clock)
    for _ in range(100):
        diagnostics.tell("spool", "no room")
    assert said == ["tamis: no room"]
    diagnostics.tell("other", "something else")
    clock.pass_s(61)
    diagnostics.tell("spool", "no room")
    assert said[1:] == ["tamis: something else", "tamis: no room (99 more like it were not told)"]
    assert (diagnostics.told, diagnostics.kept_back) == (3, 99)


def test_diagnostics_never_come_back_and_never_raise() -> None:
    """A stderr that logs, or fails, does not start a circle."""
    diagnostics = Diagnostics(interval_s=0.0)
    said: list[str] = []

    def write(line: str) -> None:
        said.append(line)
        diagnostics.tell(f"again {len(said)}", "from within")

    diagnostics.write = write
    assert diagnostics.tell("a", "first")
    assert said == ["tamis: first"]
    diagnostics.write = fail
    assert not diagnostics.tell("b", "second")


def fail(_line: str) -> Any:
    raise OSError("gone")


def test_counts_as_prometheus_text() -> None:
    """Each metric with its help and kind once; labels are escaped; the histogram is cumulative."""
    sink = Gathering('odd "name"\\')
    pipe = Pipe(sink)
    for level in (20, 40):
        pipe.put(captured(level=level, logger="a.b"))
    assert pipe.dispatcher.flush(5)
    text = pipe.metrics.prometheus()
    assert "tamis_log_records_total 2\n" in text
    assert 'tamis_log_logger_records_total{logger="a.b"} 2\n' in text
    assert 'tamis_log_sink_records{sink="odd \\"name\\"\\\\",state="delivered"} 2\n' in text
    assert 'tamis_log_delivery_seconds_bucket{sink="odd \\"name\\"\\\\",le="+Inf"} 2\n' in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    pipe.dispatcher.close(1)


def test_a_sinks_breaker_is_told_of_everywhere(tmp_path: Path) -> None:
    """Its state, calls and changes stand in the counts, in Prometheus' text, in health and on the status board."""
    sink = Gathering("guarded")
    sink.away = True
    pipe = Pipe(sink, folder=tmp_path, limits=DeliveryLimits(breaker=BreakerLimits(failures_to_open=1)))
    told: list[object] = []
    end = BOARD.listen(told.append)
    pipe.put(captured())
    until(lambda: pipe.dispatcher.health().sinks[0].state == "open")
    breaker = pipe.metrics.snapshot().sinks["guarded"].breaker
    assert breaker is not None
    assert (breaker.state, breaker.counts.failures, breaker.last_failure) == (
        BreakerState.OPEN,
        1,
        "SinkUnavailableError",
    )
    text = pipe.metrics.prometheus()
    assert 'tamis_log_sink_breaker_state{sink="guarded",state="open"} 1\n' in text
    assert 'tamis_log_sink_breaker_state{sink="guarded",state="closed"} 0\n' in text
    assert 'tamis_log_sink_breaker_opened_total{sink="guarded"} 1\n' in text
    assert not pipe.dispatcher.health().is_well
    end()
    assert [one.text for one in told if isinstance(one, StatusEvent)] == ["guarded is open: 1 failure"]
    pipe.dispatcher.close(0.1)
