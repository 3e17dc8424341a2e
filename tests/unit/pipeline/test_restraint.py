"""Callers that wait: while a sink has no room the queue is not emptied into it, and nothing is dropped."""

import signal
import threading
import time
from pathlib import Path

import pytest

from tamis.pipeline.base import DELIVERED, Batch, Outcome
from tamis.pipeline.limits import QueueLimits, SpoolLimits
from tamis.pipeline.metrics import SinkCounts
from tests.support.sinks import SPOOLED, Gathering, Pipe, captured, until

QUEUE = QueueLimits(records_max=100, overflow="block", block_s=30.0)
PATIENCE_S = 0.3


def put_many(pipe: Pipe, threads: int, count: int, *, text: str = "") -> list[threading.Thread]:
    def work(place: int) -> None:
        for number in range(count):
            pipe.put(captured(f"{place} {number}", 10 + 10 * (number % 2), text=text))

    started = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    for thread in started:
        thread.start()
    return started


def of_sink(pipe: Pipe, name: str = "gathering") -> SinkCounts:
    return pipe.metrics.snapshot().sinks[name]


@pytest.mark.parametrize("text", ["", "x" * 2_000])
def test_a_blocked_caller_loses_nothing(text: str) -> None:
    """Eight threads log many times what queue and sink hold, DEBUG too, while the sink is away and slow afterwards:
    every record arrives, in order, and memory was bounded.
    """
    sink = Gathering()
    sink.away = True
    pipe = Pipe(sink, queue=QueueLimits(records_max=100, bytes_max=1 << 16, overflow="block", block_s=30.0))
    threads = put_many(pipe, 8, 200, text=text)
    until(lambda: of_sink(pipe).queued >= 30)
    threading.Event().wait(PATIENCE_S)
    assert any(thread.is_alive() for thread in threads)
    assert of_sink(pipe).queued <= 3 * 100 + 8  # the queue, what waits for the sink, and the batch under way
    sink.away = False
    for thread in threads:
        thread.join(30)
    assert pipe.dispatcher.flush(30)
    assert of_sink(pipe).dropped == {}
    for place in range(8):
        own = [text for text in sink.messages if text.startswith(f"{place} ")]
        assert own == [f"{place} {number}" for number in range(200)]
    assert [record.attributes["sequence"] for record in sink.records] == list(range(1, 1_601))
    pipe.check_sum(1_600)
    assert pipe.dispatcher.close(5)


def test_records_that_are_suddenly_large_are_kept() -> None:
    """What was let in is kept, though it is larger than the records before made believe."""
    sink = Gathering()
    limits = QueueLimits(records_max=1_000, bytes_max=1 << 21, overflow="block", block_s=30.0)
    pipe = Pipe(sink, queue=limits)
    for number in range(600):
        pipe.put(captured(f"small {number}"))
    assert pipe.dispatcher.flush(20)
    sink.away = True
    for number in range(600):
        pipe.put(captured(f"large {number}", text="x" * 15_000))
        if number == 400:
            sink.away = False
    assert pipe.dispatcher.flush(20)
    assert sink.messages == [f"{size} {number}" for size in ("small", "large") for number in range(600)]
    assert pipe.dispatcher.close(5)


def test_a_handler_that_logs_while_its_thread_waits_does_not_wait() -> None:
    """Signals at 1 kHz whose handler logs, while the main thread waits: they do not nest in one another, what there
    is no room for is counted, and the main thread's own record arrives.
    """
    sink = Gathering()
    sink.away = True
    pipe = Pipe(sink, queue=QUEUE)
    depth, deepest, signals = 0, 0, 0

    def handle(*_: object) -> None:
        nonlocal depth, deepest, signals
        depth, signals = depth + 1, signals + 1
        deepest = max(deepest, depth)
        pipe.put(captured("from the handler", 30))
        depth -= 1

    before = signal.signal(signal.SIGALRM, handle)
    threading.Timer(PATIENCE_S, lambda: setattr(sink, "away", False)).start()
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for number in range(300):
            pipe.put(captured(f"waited {number}", 30))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert pipe.dispatcher.flush(20)
    assert signals > 20
    assert deepest < 20
    assert {f"waited {number}" for number in range(300)} <= set(sink.messages)
    assert of_sink(pipe).delivered + sum(of_sink(pipe).dropped.values()) == of_sink(pipe).sent
    assert pipe.dispatcher.close(5)


def test_a_sink_on_this_machine_is_given_no_more_than_it_writes() -> None:
    """While it is held up callers are, so that what waits for it in memory is young: a batch and a half, not the
    whole queue; and all of it arrives.
    """
    slow, gate = Gathering("slow"), threading.Event()

    def answer(_batch: Batch) -> Outcome:
        gate.wait(60)
        return DELIVERED

    slow.answer = answer
    pipe = Pipe(slow, queue=QueueLimits(records_max=100_000, block_s=60.0, unwritten_s=0.05))
    threads = put_many(pipe, 4, 5_000)

    def given() -> int:
        counts = pipe.metrics.snapshot()
        return counts.sinks["slow"].queued - counts.queued

    until(lambda: given() >= 3_000, 60)
    threading.Event().wait(PATIENCE_S)
    assert given() == 3_000
    assert any(thread.is_alive() for thread in threads)
    gate.set()
    for thread in threads:
        thread.join(30)
    assert pipe.dispatcher.flush(30)
    assert len(slow.records) == 20_000
    pipe.check_sum(20_000)
    assert pipe.dispatcher.close(5)


def test_other_sinks_wait_no_longer_than_callers() -> None:
    """After `block_s` the sink that is away drops, counted; the other one has every record that was let in."""
    away, well = Gathering("away"), Gathering("well")
    away.away = True
    pipe = Pipe(away, well, queue=QueueLimits(records_max=100, overflow="block", block_s=PATIENCE_S))
    for thread in put_many(pipe, 2, 300):
        thread.join(30)
    until(lambda: of_sink(pipe, "well").delivered == 600 - sum(of_sink(pipe, "well").dropped.values()))
    assert of_sink(pipe, "well").delivered > 100
    assert sum(of_sink(pipe, "away").dropped.values()) > sum(of_sink(pipe, "well").dropped.values())
    pipe.check_sum(600)
    pipe.dispatcher.close(0.1)


def test_the_end_delivers_what_no_room_was_for() -> None:
    """`close` sends more than the sink's memory holds, also when its thread never ran."""
    sink = Gathering()
    pipe = Pipe(sink, queue=QUEUE)
    pipe.dispatcher._asking_level = 100  # nobody starts a thread
    for number in range(95):
        pipe.put(captured(str(number), 30))
    assert pipe.dispatcher.close(20)
    assert sink.messages == [str(number) for number in range(95)]


def test_the_end_does_not_wait_for_room_beyond_its_time() -> None:
    """What is not delivered by then is dropped and counted, and the sum holds."""
    sink = Gathering()
    sink.away = True
    pipe = Pipe(sink, queue=QUEUE)
    threads = put_many(pipe, 4, 20)
    until(lambda: of_sink(pipe).queued >= 80)
    began = time.monotonic()
    assert not pipe.dispatcher.close(PATIENCE_S)
    assert time.monotonic() - began < 20
    for thread in threads:
        thread.join(30)
    pipe.check_sum(80)
    assert sum(of_sink(pipe).dropped.values()) == 80


def test_a_full_disk_costs_nothing_while_callers_wait(tmp_path: Path) -> None:
    """The spool refuses when memory holds as much as it may of what the spool has: that is forgotten, what comes
    then waits in memory, and all of it arrives in order.
    """
    sink = Gathering("far", SPOOLED, spooled=True)
    sink.away = True
    tiny = SpoolLimits(bytes_max=1 << 16, part_bytes=4096, reserve_bytes=0, adopt_interval_s=0.02)
    pipe = Pipe(sink, folder=tmp_path, queue=QUEUE, spool=tiny)
    threads = put_many(pipe, 4, 500, text="x" * 100)
    until(lambda: of_sink(pipe, "far").queued >= 80)
    threading.Event().wait(PATIENCE_S)
    sink.away = False
    for thread in threads:
        thread.join(30)
    until(lambda: of_sink(pipe, "far").delivered == 2_000)
    assert [record.attributes["sequence"] for record in sink.records] == list(range(1, 2_001))
    pipe.check_sum(2_000)
    assert pipe.dispatcher.close(5)
