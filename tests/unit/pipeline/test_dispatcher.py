"""The dispatcher: order, numbers, policies, ends; and the sum at every moment."""

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tamis.errors import SinkUnavailableError
from tamis.pipeline.base import DELIVERED, Batch, Outcome, Rejected
from tamis.pipeline.limits import QueueLimits
from tamis.pipeline.own import is_own
from tamis.record.model import Record
from tests.support.sinks import SPOOLED, Answer, Gathering, Pipe, captured, together, until


class Step:
    """A processor made of a function."""

    def __init__(
        self, process, *, name="step", reason="", failed=lambda record: record, due=lambda now_ns: ()
    ):
        self.name, self.reason = name, reason
        self.process, self.failed, self.due = process, failed, due


def held(gate: threading.Event) -> Answer:
    """A sink's answer that comes when the gate is opened."""

    def answer(_batch: Batch) -> Outcome:
        gate.wait(30)
        return DELIVERED

    return answer


def numbers(sink: Any) -> list[Any]:
    return [record.attributes["n"] for record in sink.records]


def test_records_arrive_once_in_order_and_numbered() -> None:
    """What one thread logs reaches each sink once, in order, with a sequence from 1."""
    one, two = Gathering("one"), Gathering("two", SPOOLED)
    pipe = Pipe(one, two)
    for n in range(3_000):
        pipe.put(captured(n=n))
    assert pipe.dispatcher.flush(10)
    for sink in (one, two):
        assert numbers(sink) == list(range(3_000))
        assert [record.attributes["sequence"] for record in sink.records] == list(range(1, 3_001))
    pipe.check_sum(3_000)
    assert pipe.dispatcher.close(5)


def test_put_returns_before_a_sink_has_answered() -> None:
    """A sink that hangs holds up nobody who logs, and no other sink."""
    gate = threading.Event()
    slow, quick = Gathering("slow"), Gathering("quick")
    slow.answer = held(gate)
    pipe = Pipe(slow, quick)
    for n in range(1_000):
        pipe.put(captured(n=n))
    until(lambda: len(quick.records) == 1_000)
    assert len(slow.records) < 1_000
    pipe.check_sum(1_000)
    gate.set()
    assert pipe.dispatcher.flush(10)
    assert numbers(slow) == list(range(1_000))
    pipe.dispatcher.close(1)


def test_an_error_is_sent_at_once() -> None:
    """A sink that gathers for minutes still gets an ERROR within moments."""
    sink = Gathering("patient", replace(SPOOLED, wait_s=600.0))
    pipe = Pipe(sink)
    pipe.put(captured("calm"))
    pipe.put(captured("broken", 40))
    until(lambda: sink.messages == ["calm", "broken"], 5)
    pipe.dispatcher.close(1)


@pytest.mark.parametrize("overflow", ["block", "spool", "drop"])
def test_a_full_queue_drops_the_mildest_and_counts(overflow: Any) -> None:
    """With a sink that takes nothing, DEBUG goes before INFO before WARNING; all of it is counted."""
    gate = threading.Event()
    stuck = Gathering("stuck")
    stuck.answer = held(gate)
    queue = QueueLimits(records_max=100, overflow=overflow, block_s=0.05)
    pipe = Pipe(stuck, queue=queue)
    levels = [10, 20, 30] * 200
    for level in levels:
        pipe.put(captured(level=level))
    until(lambda: pipe.metrics.snapshot().queued == 0)
    pipe.check_sum(600)
    gate.set()
    assert pipe.dispatcher.flush(10)
    pipe.check_sum(600)
    kept = {
        level: sum(record.level == level for record in stuck.records)
        for level in ("DEBUG", "INFO", "WARNING")
    }
    assert kept["WARNING"] >= kept["INFO"] >= kept["DEBUG"]
    counts = pipe.metrics.snapshot().sinks["stuck"]
    assert counts.dropped["overflow"] == 600 - len(stuck.records) > 0
    pipe.dispatcher.close(1)


def test_block_waits_for_room_and_loses_nothing() -> None:
    """While the sink makes progress within the limit, a caller waits and every record arrives."""
    slow = Gathering("slow")

    def answer(_batch: Batch) -> Outcome:
        deadline = time.monotonic() + 0.001
        while time.monotonic() < deadline:
            time.sleep(0)
        return DELIVERED

    slow.answer = answer
    pipe = Pipe(slow, queue=QueueLimits(records_max=200, overflow="block", block_s=30))
    for n in range(5_000):
        pipe.put(captured(n=n))
    assert pipe.dispatcher.flush(20)
    assert numbers(slow) == list(range(5_000))
    pipe.dispatcher.close(1)


def test_large_records_are_bound_by_bytes() -> None:
    """A queue that has room for records but not for their bytes is full."""
    gate = threading.Event()
    stuck = Gathering("stuck")
    stuck.answer = held(gate)
    pipe = Pipe(stuck, queue=QueueLimits(records_max=100_000, bytes_max=1 << 20, overflow="drop"))
    for _ in range(2_000):
        pipe.put(captured("x" * 20_000))
    until(lambda: pipe.metrics.snapshot().queued == 0)
    counts = pipe.metrics.snapshot().sinks["stuck"]
    batch_under_way = stuck.limits.bytes
    assert counts.queued * 20_000 < batch_under_way + (2 << 20)
    pipe.check_sum(2_000)
    gate.set()
    pipe.dispatcher.close(5)


def test_a_failing_processor_costs_one_record_at_most() -> None:
    """What it cannot process goes on as its `failed` says; the rest is untouched, and counted."""

    def process(record: Any) -> Record | None:
        if record.attributes["n"] % 10 == 3:
            raise ValueError(record.message)
        return None if record.attributes["n"] % 10 == 4 else record

    sink = Gathering()
    bare = Step(process, reason="sampled", failed=lambda record: msgspec.structs.replace(record, message="?"))
    pipe = Pipe(sink, processors=[bare])
    for n in range(100):
        pipe.put(captured(n=n))
    assert pipe.dispatcher.flush(5)
    assert numbers(sink) == [n for n in range(100) if n % 10 != 4]
    assert [record.attributes["sequence"] for record in sink.records] == list(range(1, 91))
    assert sink.messages.count("?") == 10
    counts = pipe.metrics.snapshot()
    assert (counts.errors, counts.sampled) == (10, 10)
    pipe.check_sum(100)
    pipe.dispatcher.close(1)


def test_a_processor_broken_twice_lets_nothing_through() -> None:
    """A record that could not even be made harmless is dropped under its own reason."""

    def fail(_record: Record) -> Record:
        raise KeyError("secret")

    sink = Gathering()
    pipe = Pipe(sink, processors=[Step(fail, failed=fail)])
    pipe.put(captured("secret"))
    assert pipe.dispatcher.flush(5)
    assert sink.records == []
    assert pipe.metrics.snapshot().dropped == {"failed": 1}
    assert not any("secret" in line for line in pipe.told)
    pipe.check_sum(1)
    pipe.dispatcher.close(1)


def test_what_a_processor_holds_back_is_sent_and_counted() -> None:
    """Records of its own arrive when due, at the latest at the end, and are in the sum."""
    held: list[Record] = []

    def process(record: Record) -> Record | None:
        held.append(record)
        return None

    def due(now_ns: int) -> Sequence[Record]:
        if now_ns < 2**62 or not held:
            return ()
        return [msgspec.structs.replace(held[0], attributes={"repeat_count": len(held)})]

    sink = Gathering()
    pipe = Pipe(sink, processors=[Step(process, reason="suppressed", due=due)])
    for _ in range(7):
        pipe.put(captured())
    assert pipe.dispatcher.close(5)
    assert [record.attributes["repeat_count"] for record in sink.records] == [7]
    counts = pipe.metrics.snapshot()
    assert (counts.made, counts.suppressed) == (1, 7)
    pipe.check_sum(7)


def test_a_worker_that_dies_is_replaced_and_told() -> None:
    """Not even SystemExit in the chain ends logging: the thread goes on, and `health` says it was restarted."""

    def process(record: Record) -> Record:
        if record.message == "end":
            raise SystemExit
        return record

    sink = Gathering()
    pipe = Pipe(sink, processors=[Step(process)])
    pipe.put(captured("end"))
    until(lambda: pipe.metrics.restarts == 1)
    pipe.put(captured("after"))
    assert pipe.dispatcher.flush(5)
    assert sink.messages == ["after"]
    health = pipe.dispatcher.health()
    assert health.is_well
    assert health.restarts == 1
    assert pipe.metrics.snapshot().dropped == {"failed": 1}
    pipe.check_sum(2)
    pipe.dispatcher.close(1)


def test_work_of_the_pipeline_is_known_as_its_own() -> None:
    """In processors and sinks `is_own` holds, on the caller's thread after that it does not."""
    seen: list[bool] = []
    sink = Gathering()

    def process(record: Record) -> Record:
        seen.append(is_own())
        return record

    def answer(_batch: Batch) -> Outcome:
        seen.append(is_own())
        return DELIVERED

    sink.answer = answer
    pipe = Pipe(sink, processors=[Step(process)])
    pipe.put(captured())
    assert pipe.dispatcher.flush(5)
    pipe.dispatcher.close(5)
    assert seen
    assert all(seen)
    assert not is_own()


def test_a_sink_that_flushes_does_not_wait_for_itself() -> None:
    """`flush` from within the pipeline's own work says no at once."""
    answers: list[bool] = []
    sink = Gathering()
    pipe = Pipe(sink)

    def answer(_batch: Batch) -> Outcome:
        answers.append(pipe.dispatcher.flush(30))
        return DELIVERED

    sink.answer = answer
    pipe.put(captured())
    until(lambda: answers == [False], 10)
    pipe.dispatcher.close(5)


def test_close_starts_no_thread_and_delivers_on_the_callers() -> None:
    """What was put without a worker ever running is delivered by `close` itself."""
    sink = Gathering("local"), Gathering("far", SPOOLED)
    pipe = Pipe(*sink)
    pipe.dispatcher._asking_level = 100  # no worker is started by what follows
    for n in range(500):
        pipe.put(captured(n=n))
    before = threading.active_count()
    assert pipe.dispatcher.close(5)
    assert threading.active_count() <= before
    assert all(numbers(one) == list(range(500)) for one in sink)
    assert all(one.closed for one in sink)


def test_what_is_logged_after_close_is_written_by_its_caller() -> None:
    """After the end a record is in the sink when `put` returns."""
    sink = Gathering()
    pipe = Pipe(sink)
    pipe.put(captured("before"))
    assert pipe.dispatcher.close(5)
    pipe.put(captured("after"))
    assert sink.messages == ["before", "after"]
    pipe.check_sum(2)


def test_close_in_vain_counts_what_is_lost() -> None:
    """A sink without a spool that is away at the end: its records are counted as dropped, within the time."""
    sink = Gathering()
    sink.away = True
    pipe = Pipe(sink)
    for _ in range(10):
        pipe.put(captured())
    began = time.monotonic()
    assert not pipe.dispatcher.close(0.3)
    assert time.monotonic() - began < 5
    assert pipe.metrics.snapshot().sinks[sink.name].dropped == {"closed": 10}
    pipe.check_sum(10)


def wait_for_one(sink: Gathering) -> None:
    until(lambda: sink.records)


def test_sinks_and_processors_change_without_losing_a_record() -> None:
    """While four threads log, sinks are swapped: each record is in one of them, once."""
    pipe = Pipe(Gathering("s0"))
    sinks: list[Any] = [pipe.dispatcher.deliveries[0].sink]
    swapped = threading.Event()
    logged = [0] * 4

    def log(thread: int) -> None:
        while not swapped.is_set():
            pipe.put(captured(n=[thread, logged[thread]]))
            logged[thread] += 1

    def swap() -> None:
        try:
            for number in range(1, 6):
                sink = Gathering(f"s{number}")
                sinks.append(sink)
                step = Step(lambda record: record)
                assert pipe.dispatcher.swap(processors=[step], deliveries=[pipe.delivery(sink)], timeout_s=20)
                pipe.check_sum()
                wait_for_one(sink)
        finally:
            swapped.set()

    together(*[lambda t=t: log(t) for t in range(4)], swap)
    assert pipe.dispatcher.flush(20)
    arrived = sorted(tuple(n) for sink in sinks for n in numbers(sink))
    assert arrived == [(thread, n) for thread in range(4) for n in range(logged[thread])]
    pipe.check_sum(sum(logged))
    pipe.dispatcher.close(1)


def test_a_sink_that_comes_back_goes_on_counting() -> None:
    """Detached and attached again under its name, a sink's counts still add up."""
    one, two = Gathering("one"), Gathering("two")
    pipe = Pipe(one)
    pipe.put(captured())
    for sink in (two, one, two):
        assert pipe.dispatcher.swap(deliveries=[pipe.delivery(sink)], timeout_s=5)
        pipe.put(captured())
        assert pipe.dispatcher.flush(5)
        pipe.check_sum()
    assert len(one.records) == 2
    assert len(two.records) == 2
    counts = pipe.metrics.snapshot()
    assert counts.sinks["one"].sent == 2
    assert counts.sinks["two"].sent == 2
    pipe.dispatcher.close(1)


def test_a_sink_in_place_of_one_with_its_name_goes_on_counting() -> None:
    """A sink is replaced by another of the same name: the counts of both are one, and add up."""
    one, two = Gathering("same"), Gathering("same")
    pipe = Pipe(one)
    pipe.put(captured())
    assert pipe.dispatcher.swap(deliveries=[pipe.delivery(two)], timeout_s=5)
    pipe.put(captured())
    assert pipe.dispatcher.flush(5)
    pipe.check_sum(2)
    assert pipe.metrics.snapshot().sinks["same"].sent == 2
    assert len(one.records) == len(two.records) == 1
    pipe.dispatcher.close(1)


def test_a_change_that_cannot_be_made_in_time_changes_nothing() -> None:
    """While a processor is stuck nothing can be put in place: `swap` says so, and the old sink goes on alone."""
    entered, gate = threading.Event(), threading.Event()

    def stick(record: Record) -> Record:
        entered.set()
        gate.wait(10)
        return record

    one, two = Gathering("one"), Gathering("two")
    pipe = Pipe(one, processors=[Step(stick)])
    pipe.put(captured())
    assert entered.wait(10)
    assert not pipe.dispatcher.swap(deliveries=[pipe.delivery(two)], timeout_s=0.05)
    gate.set()
    assert pipe.dispatcher.flush(5)
    assert len(one.records) == 1
    assert pipe.metrics.snapshot().sinks["two"].sent == 0
    pipe.check_sum(1)
    pipe.dispatcher.close(1)


def unruly(rng: random.Random) -> Answer:
    """A sink's answers: mostly yes, sometimes busy, broken, or in part."""

    def answer(batch: Batch) -> Outcome:
        fate = rng.random()
        if fate < 0.1:
            raise SinkUnavailableError("unruly", "busy", retry_after_s=0.01)
        if fate < 0.13:
            raise RuntimeError("a fault")
        if fate < 0.3:
            cut = rng.randrange(len(batch.records) + 1)
            refused = tuple(Rejected(record, "odd") for record in batch.records[cut:] if rng.random() < 0.3)
            gone = {id(item.record) for item in refused}
            again = tuple(record for record in batch.records[cut:] if id(record) not in gone)
            return Outcome(retry=again, rejected=refused, retry_after_s=0.001)
        return DELIVERED

    return answer


@pytest.mark.parametrize("seed", range(4))
def test_the_sum_holds_at_random_moments_under_load(tmp_path, seed: int) -> None:
    """Several threads, sinks that fail, refuse, and answer in part: whoever looks finds every record."""
    rng = random.Random(seed)
    sinks = [
        Gathering("local"),
        Gathering("far", SPOOLED, spooled=True),
        Gathering("small", replace(SPOOLED, records=7, wait_s=0.0), spooled=True),
    ]
    for sink in sinks[1:]:
        sink.answer = unruly(rng)
    queue = QueueLimits(records_max=500, overflow=rng.choice(["block", "drop", "spool"]), block_s=0.05)
    pipe = Pipe(*sinks, folder=tmp_path, queue=queue)
    started = [0, 0, 0]
    done = [0, 0, 0]

    def log(thread: int) -> None:
        for n in range(1_500):
            started[thread] += 1
            pipe.put(captured(n=n, level=rng.choice([10, 20, 30]), thread=thread))
            done[thread] += 1

    def look() -> None:
        while sum(done) < 4_500:
            least = sum(done)
            counts = pipe.metrics.snapshot()
            assert least <= counts.sent <= sum(started)
            pipe.check_sum()

    together(*[lambda t=t: log(t) for t in range(3)], look)
    until(lambda: pipe.dispatcher.flush(5) and not pipe.waiting(), 60)
    pipe.check_sum(4_500)
    for sink in sinks:
        counts = pipe.metrics.snapshot().sinks[sink.name]
        places = [(record.attributes["thread"], record.attributes["n"]) for record in sink.records]
        assert len(places) == len(set(places)) == counts.delivered
    assert pipe.dispatcher.close(5)
    pipe.check_sum(4_500)


def test_a_batch_that_cannot_be_handed_out_is_counted() -> None:
    """A processor that breaks its records costs them, by a reason; nobody waits for them, and nothing is raised."""

    def spoil(record: Record) -> Record:
        if record.message == "bad":
            return msgspec.structs.replace(record, attributes=None)
        return record

    sink = Gathering("far")
    pipe = Pipe(sink, processors=[Step(spoil)])
    pipe.put(captured("bad"))
    assert pipe.dispatcher.flush(30)
    pipe.put(captured("good"))
    assert pipe.dispatcher.flush(30)
    counts = pipe.metrics.snapshot()
    assert (counts.sent, dict(counts.dropped)) == (2, {"failed": 1})
    assert counts.sinks["far"].accounted == counts.sinks["far"].sent == 2
    assert counts.sinks["far"].queued == 0
    pipe.dispatcher.close(30)
