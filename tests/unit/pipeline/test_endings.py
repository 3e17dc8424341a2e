"""The end of a pipeline: slow sinks, threads that go on logging, answers that come too late, no more threads."""

import threading
import time
from typing import Any

import pytest

from tamis.pipeline.base import DELIVERED, Batch, BatchLimits, Outcome
from tests.support.sinks import Gathering, Pipe, captured, together, until

ONE_BY_ONE = BatchLimits(records=1, wait_s=0.0)


def slow(pause_s: float) -> Gathering:
    """A sink that takes one record at a time, and its time over each."""
    sink = Gathering("slow", ONE_BY_ONE)

    def answer(_batch: Batch) -> Outcome:
        threading.Event().wait(pause_s)
        return DELIVERED

    sink.answer = answer
    return sink


def counts(pipe: Pipe, sink: Gathering) -> Any:
    return pipe.metrics.snapshot().sinks[sink.name]


def test_a_thread_that_logs_during_the_end_cuts_nobody_s_time_short() -> None:
    """While `close` delivers what waits, another thread logs: all of it is delivered within the time of `close`."""
    sink = slow(0.02)
    pipe = Pipe(sink)
    for n in range(100):
        pipe.put(captured(n=n))

    def late() -> None:
        until(lambda: pipe.dispatcher._closed)
        pipe.put(captured(n=100))

    other = threading.Thread(target=late)
    other.start()
    assert pipe.dispatcher.close(30)
    other.join()
    until(lambda: len(sink.records) == 101)
    assert counts(pipe, sink).dropped == {}
    pipe.check_sum(101)


@pytest.mark.parametrize("_time", range(5))
def test_all_that_threads_log_during_and_after_the_end_is_delivered(_time: int) -> None:
    """Four threads that never stop logging: each record is delivered, and none counted as lost."""
    sink, stop, sent = Gathering(), threading.Event(), [0] * 4
    pipe = Pipe(sink)

    def log(thread: int) -> None:
        while not stop.wait(0.0005):
            pipe.put(captured(n=sent[thread]))
            sent[thread] += 1

    def end() -> None:
        until(lambda: sink.records)
        pipe.dispatcher.close(5)
        before = sum(sent)
        until(lambda: sum(sent) > before + 20)
        stop.set()

    together(*[lambda t=t: log(t) for t in range(4)], end)
    pipe.put(captured(n=-1))
    pipe.check_sum(sum(sent) + 1)
    assert counts(pipe, sink).dropped == {}
    assert counts(pipe, sink).delivered == len(sink.records) == sum(sent) + 1


def test_an_answer_that_comes_after_the_end_is_counted_once() -> None:
    """`close` gives up on a sink that holds a batch; when it answers at last, that batch counts as delivered, and
    only what it was never given as lost.
    """
    sink, entered, gate = Gathering("held", ONE_BY_ONE), threading.Event(), threading.Event()

    def answer(_batch: Batch) -> Outcome:
        entered.set()
        gate.wait(10)
        return DELIVERED

    sink.answer = answer
    pipe = Pipe(sink)
    for n in range(10):
        pipe.put(captured(n=n))
    assert entered.wait(10)
    assert not pipe.dispatcher.close(0.1)
    pipe.check_sum(10)
    assert counts(pipe, sink).queued == 10
    gate.set()
    until(lambda: not counts(pipe, sink).queued)
    assert counts(pipe, sink).delivered == len(sink.records) == 1
    assert counts(pipe, sink).dropped == {"closed": 9}
    pipe.check_sum(10)
    assert sink.closed
    assert not any("IndexError" in sentence for sentence in pipe.told)


def test_close_keeps_to_its_time_also_where_it_delivers_itself() -> None:
    """Without a thread of the sink's own, `close` delivers; a slow sink does not make it last."""
    sink = slow(0.02)
    pipe = Pipe(sink)
    pipe.dispatcher._asking_level = 100  # no worker is started by what follows
    for n in range(500):
        pipe.put(captured(n=n))
    began = time.monotonic()
    assert not pipe.dispatcher.close(0.2)
    assert time.monotonic() - began < 5
    assert counts(pipe, sink).delivered == len(sink.records) < 500
    pipe.check_sum(500)


def test_too_many_threads_for_a_while_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """While no thread can be started, whoever logs delivers; once one can, everything goes its usual way."""
    sink = Gathering()
    pipe = Pipe(sink)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        pipe.put(captured(n=0))
    assert len(sink.records) == 1
    assert not sink.closed
    pipe.put(captured(n=1))
    until(lambda: len(sink.records) == 2)
    until(lambda: pipe.dispatcher.deliveries[0]._worker.is_alive)
    assert pipe.dispatcher.close(5)
    pipe.check_sum(2)
