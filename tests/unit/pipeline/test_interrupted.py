"""The end and Ctrl-C in the middle of a delivery: nothing is counted for ever as waiting, and nobody waits for long."""

import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tamis.pipeline.base import DELIVERED, Batch, Outcome
from tamis.pipeline.limits import QueueLimits
from tamis.pipeline.unbroken import unbroken
from tamis.record.model import Record
from tamis.telemetry.histogram import Histogram
from tests.support.sinks import Gathering, Pipe, captured, until

DURABLE = QueueLimits(durable="process")


class Once:
    """Ctrl-C, once, when it is armed and asked on the main thread."""

    def __init__(self) -> None:
        self.armed = False

    def __call__(self) -> None:
        if self.armed and threading.current_thread() is threading.main_thread():
            self.armed = False
            signal.raise_signal(signal.SIGINT)


class Step:
    """A processor in the middle of which somebody presses Ctrl-C."""

    name, reason = "step", ""

    def __init__(self, once: Once) -> None:
        self.once = once

    def process(self, record: Record, /) -> Record | None:
        self.once()
        return record

    def failed(self, record: Record, /) -> Record | None:
        return record

    def due(self, _now_ns: int, /) -> list[Record]:
        return []


def interrupted_pipe(place: str, once: Once) -> tuple[Pipe, Gathering]:
    sink = Gathering()

    def answer(_batch: Batch) -> Outcome:
        once()
        return DELIVERED

    if place == "sink":
        sink.answer = answer
    processors = [Step(once)] if place == "chain" else []
    return Pipe(sink, processors=processors, queue=DURABLE), sink


@pytest.mark.parametrize("place", ["chain", "sink", "count"])
def test_ctrl_c_in_the_middle_of_a_delivery_costs_no_record(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is raised where the program logs, as it should be, and each record arrives, once or (when its sink was just
    taking it) at least once; the sum holds."""
    once = Once()
    pipe, sink = interrupted_pipe(place, once)
    if place == "count":
        observe = Histogram.observe_ages

        def observe_ages(*given: Any) -> None:
            once()
            observe(*given)

        monkeypatch.setattr(Histogram, "observe_ages", observe_ages)
    sent = 0
    for _ in range(20):
        once.armed = True
        while once.armed:
            sent += 1
            try:
                pipe.put(captured(str(sent)))
            except KeyboardInterrupt:
                assert not once.armed
    assert pipe.dispatcher.flush(60.0)
    pipe.check_sum(sent)
    assert pipe.waiting() == 0
    assert set(sink.messages) == {str(number) for number in range(1, sent + 1)}
    assert pipe.dispatcher.close(60.0)


@unbroken()
@unbroken()
def raise_in_block(numbers: list[signal.Signals]) -> None:
    for number in numbers:
        signal.raise_signal(number)


def test_signals_wait_for_the_end_of_the_block() -> None:
    """All of them, whatever the first one's handler raises, and the handlers are back afterwards."""
    seen: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def exits(number: int, _frame: object) -> None:  # the second comes though the first has raised
        seen.append(number)
        raise SystemExit(number)

    for number in before:
        signal.signal(number, exits)
    try:
        with pytest.raises(SystemExit):
            raise_in_block(list(before))
        assert sorted(seen) == sorted(before)
        assert [signal.getsignal(number) for number in before] == [exits, exits]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("is_spooled", [False, True], ids=["in memory", "with a spool"])
def test_after_the_end_a_sink_that_is_away_is_tried_once(tmp_path: Path, is_spooled: bool) -> None:
    """What is logged then stands in the spool, or is dropped and counted, at once."""
    sink = Gathering(spooled=is_spooled)
    pipe = Pipe(sink, folder=tmp_path if is_spooled else None)
    pipe.put(captured("before"))
    assert pipe.dispatcher.close(60.0)
    sink.away = True
    sink.tries.clear()
    for number in range(300):
        pipe.put(captured(f"late {number}"))
    assert len(sink.tries) == 1
    pipe.check_sum(301)
    (counts,) = pipe.metrics.snapshot().sinks.values()
    assert (counts.spooled if is_spooled else counts.dropped["closed"]) == 300


class Hanging(Gathering):
    """A sink that hangs, and notes with which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.threads = threading.Event(), set[str]()
        self.gate.set()

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        self.gate.wait(30)
        self.threads.add(threading.current_thread().name)
        return super().send(batch, timeout_s=timeout_s)


def test_the_end_waits_no_longer_than_it_says_for_a_sink_that_hangs() -> None:
    """The sink's thread hangs with it, and has the record when it goes on."""
    sink = Hanging()
    pipe = Pipe(sink)
    pipe.put(captured("a"))
    until(lambda: sink.messages == ["a"], 60.0)
    sink.gate.clear()
    pipe.put(captured("b"))
    assert not pipe.dispatcher.close(0.05)
    sink.gate.set()
    until(lambda: pipe.waiting() == 0, 60.0)
    pipe.check_sum(2)
    assert sink.messages == ["a", "b"]
    assert sink.threads == {"tamis gathering"}
