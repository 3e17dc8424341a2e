"""Durable calls: written when they return, or said to be not."""

import threading
from pathlib import Path

import pytest

from tamis.pipeline import dispatcher as dispatching
from tamis.pipeline.base import DELIVERED, Batch, Outcome
from tamis.pipeline.limits import QueueLimits
from tests.support.sinks import SPOOLED, Gathering, Pipe, captured, until

DURABLE = QueueLimits(durable="process")


def test_a_durable_call_that_waits_for_its_turn_returns_written(tmp_path: Path) -> None:
    """Another thread takes its time over what it logs to a slow sink: who comes meanwhile waits for longer than
    records wait for room, and is in the spool when the call returns.
    """
    slow, far = Gathering("slow"), Gathering("far", SPOOLED, spooled=True)
    far.away = True
    entered, gate = threading.Event(), threading.Event()

    def answer(_batch: Batch) -> Outcome:
        entered.set()
        gate.wait(30)
        return DELIVERED

    slow.answer = answer
    queue = QueueLimits(durable="process", block_s=0.05)
    pipe = Pipe(slow, far, folder=tmp_path, queue=queue)
    first = threading.Thread(target=lambda: pipe.put(captured("first")))
    first.start()
    assert entered.wait(30)
    threading.Timer(1.3, gate.set).start()
    pipe.put(captured("second"))
    counts = pipe.metrics.snapshot()
    assert (counts.sinks["far"].spooled, counts.sinks["slow"].delivered, counts.unwritten) == (2, 2, 0)
    first.join(30)
    assert pipe.dispatcher.close(5)
    pipe.check_sum(2)


def test_a_durable_call_that_returns_unwritten_is_counted_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the pipeline does not let go of it in time: the record is not lost, and the sum holds."""
    monkeypatch.setattr(dispatching, "WRITE_S", 0.05)
    sink = Gathering("far", SPOOLED, spooled=True)
    pipe = Pipe(sink, folder=tmp_path, queue=QueueLimits(durable="process", block_s=0.05))
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with dispatching.held(pipe.dispatcher):
            held.set()
            done.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(30)
    pipe.put(captured("late"))
    assert pipe.metrics.snapshot().unwritten == 1
    assert any("durable" in line for line in pipe.told)
    pipe.check_sum(1)
    done.set()
    other.join(30)
    until(lambda: sink.messages == ["late"])
    assert pipe.dispatcher.close(5)


def test_what_a_sink_without_a_spool_does_not_take_is_unwritten() -> None:
    """The record waits in memory, as the call that returned says."""
    sink = Gathering("near")
    sink.away = True
    pipe = Pipe(sink, queue=DURABLE)
    pipe.put(captured("kept in memory"))
    assert pipe.metrics.snapshot().unwritten == 1
    sink.away = False
    until(lambda: sink.messages == ["kept in memory"])
    pipe.put(captured("written"))
    assert pipe.metrics.snapshot().unwritten == 1
    assert pipe.dispatcher.close(5)
