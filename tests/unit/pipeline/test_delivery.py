"""Delivery to one sink: batches, retries, parts, dead letters, the spool, and other processes' spools."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tamis.disk.real import RealDisk
from tamis.errors import BatchTooLargeError, SinkUnavailableError
from tamis.pipeline.base import DELIVERED, Batch, BatchLimits, Outcome, Rejected
from tamis.pipeline.delivery.dead import read_letters
from tamis.pipeline.limits import QueueLimits
from tamis.pipeline.spool.place import folders, sink_key
from tests.support.sinks import SMALL_SPOOL, SPOOLED, Gathering, Pipe, captured, until


def ns(records: Any) -> list[Any]:
    return [record.attributes["n"] for record in records]


def put(pipe: Pipe, start: int, end: int, **fields: Any) -> None:
    for n in range(start, end):
        pipe.put(captured(n=n, **fields))


def settle(pipe: Pipe, within_s: float = 20) -> None:
    until(lambda: pipe.dispatcher.flush(5) and not pipe.waiting(), within_s)


def far(**limits: Any) -> Gathering:
    return Gathering("far http://127.0.0.1:1", replace(SPOOLED, **limits), spooled=True)


def _until_more(sink: Gathering) -> None:
    before = len(sink.records)
    until(lambda: len(sink.records) > before)


def _until_spooled(pipe: Pipe, records: int) -> None:
    until(lambda: sum(sink.spooled for sink in pipe.metrics.snapshot().sinks.values()) == records)


def spools(folder: Path) -> list[Path]:
    return [path for place in (folder / "spool").glob("*") for path in folders(RealDisk(), place)]


def test_batches_keep_to_their_limits() -> None:
    """No batch has more records or about more bytes than its sink takes; none is empty."""
    sink = Gathering("s", BatchLimits(records=30, bytes=4_000, wait_s=0.01))
    pipe = Pipe(sink)
    put(pipe, 0, 500, text="x" * 200)
    settle(pipe)
    assert ns(sink.records) == list(range(500))
    assert all(1 <= len(batch.records) <= 30 for batch in sink.batches)
    assert max(len(batch.records) for batch in sink.batches) < 15
    pipe.dispatcher.close(1)


def test_a_batch_keeps_its_id_at_every_try_and_no_two_share_one(tmp_path: Path) -> None:
    """Sent again it is the same batch; another set of records has another id."""
    sink = far()
    fails = iter([True, True, False] * 100)

    def answer(_batch: Batch) -> Outcome:
        if next(fails):
            raise SinkUnavailableError(sink.name, "busy")
        return DELIVERED

    sink.answer = answer
    pipe = Pipe(sink, folder=tmp_path)
    put(pipe, 0, 450)
    settle(pipe)
    by_id: dict[str, set[tuple[Any, ...]]] = {}
    for batch in sink.tries:
        by_id.setdefault(batch.id, set()).add(tuple(ns(batch.records)))
    assert all(len(sets) == 1 for sets in by_id.values())
    assert len(by_id) == len(sink.batches)
    assert ns(sink.records) == list(range(450))
    pipe.dispatcher.close(1)


def test_parts_are_sent_again_alone(tmp_path: Path) -> None:
    """What was delivered of a batch is not sent again, what was refused is a dead letter with its reason."""
    sink = far(records=10)

    def answer(batch: Batch) -> Outcome:
        first = len(batch.records) == 10
        if not first:
            return DELIVERED
        refused = tuple(Rejected(record, "no such field") for record in batch.records[:2])
        return Outcome(retry=batch.records[5:], rejected=refused, retry_after_s=0.0)

    sink.answer = answer
    pipe = Pipe(sink, folder=tmp_path)
    put(pipe, 0, 10)
    settle(pipe)
    assert ns(sink.records) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert len({batch.id for batch in sink.tries}) == len(sink.tries) == 2
    counts = pipe.metrics.snapshot().sinks[sink.name]
    assert (counts.delivered, counts.dead_lettered) == (8, 2)
    pipe.check_sum(10)
    pipe.dispatcher.close(1)
    letters = [
        letter
        for folder in folders(RealDisk(), tmp_path / "dead" / sink_key(sink.name))
        for letter in read_letters(RealDisk(), folder)
    ]
    assert [(letter.reason, letter.record.attributes["n"]) for letter in letters] == [
        ("no such field", 0),
        ("no such field", 1),
    ]


def test_a_batch_too_large_comes_in_halves_and_one_record_is_refused(tmp_path: Path) -> None:
    """The order stays; a record that is too large alone blocks nobody."""
    sink = far()

    def answer(batch: Batch) -> Outcome:
        if len(batch.records) > 8 or 13 in ns(batch.records):
            raise BatchTooLargeError(sink.name, "413")
        return DELIVERED

    sink.answer = answer
    pipe = Pipe(sink, folder=tmp_path)
    put(pipe, 0, 100)
    settle(pipe)
    assert ns(sink.records) == [n for n in range(100) if n != 13]
    assert pipe.metrics.snapshot().sinks[sink.name].dead_lettered == 1
    pipe.check_sum(100)
    pipe.dispatcher.close(1)


def test_a_record_that_breaks_its_sink_is_found_and_put_aside(tmp_path: Path) -> None:
    """Whatever a sink raises for it, the others of its batch arrive."""
    sink = far()

    def answer(batch: Batch) -> Outcome:
        if 42 in ns(batch.records):
            raise ZeroDivisionError
        return DELIVERED

    sink.answer = answer
    pipe = Pipe(sink, folder=tmp_path)
    put(pipe, 0, 100)
    settle(pipe)
    assert ns(sink.records) == [n for n in range(100) if n != 42]
    assert pipe.metrics.snapshot().sinks[sink.name].dead_lettered == 1
    pipe.check_sum(100)
    pipe.dispatcher.close(1)


@pytest.mark.parametrize("error", [MemoryError(), ImportError("no room"), OSError("too many open files")])
def test_trouble_of_our_own_condemns_no_record(tmp_path: Path, error: Exception) -> None:
    """However often there is no memory for it, a batch is sent again and never put aside."""
    sink = far()
    fails = iter([error] * 8)

    def answer(_batch: Batch) -> Outcome:
        for failure in fails:
            raise failure
        return DELIVERED

    sink.answer = answer
    pipe = Pipe(sink, folder=tmp_path)
    put(pipe, 0, 3)
    settle(pipe, 60)
    assert ns(sink.records) == [0, 1, 2]
    assert pipe.metrics.snapshot().sinks[sink.name].dead_lettered == 0
    pipe.check_sum(3)
    pipe.dispatcher.close(1)


def test_what_is_refused_without_a_spool_is_dropped_under_its_reason() -> None:
    """Nothing is kept on disk then: nobody is told that it is, and nothing counts as a dead letter."""
    sink = Gathering("strict")
    sink.answer = lambda batch: Outcome(rejected=(Rejected(batch.records[0], "no such field"),))
    pipe = Pipe(sink)
    put(pipe, 0, 1)
    settle(pipe)
    counts = pipe.metrics.snapshot().sinks[sink.name]
    assert (counts.delivered, counts.dead_lettered, counts.dropped) == (0, 0, {"refused": 1})
    assert any("are dropped" in line and "no such field" in line for line in pipe.told)
    pipe.check_sum(1)
    pipe.dispatcher.close(1)


def test_secrets_in_reasons_are_neither_told_nor_kept(tmp_path: Path) -> None:
    """What a receiver, or a library, repeats of headers and URLs is masked on its way to people and to the disk."""
    secret = "hunter2XyZ9qq"
    sink = far()
    reasons = iter([SinkUnavailableError(sink.name, f"GET https://h/x?token={secret} failed")])

    def answer(batch: Batch) -> Outcome:
        for error in reasons:
            raise error
        return Outcome(rejected=(Rejected(batch.records[0], f"bad header Authorization: Bearer {secret}"),))

    sink.answer = answer
    pipe = Pipe(sink, folder=tmp_path)
    put(pipe, 0, 1)
    settle(pipe)
    pipe.dispatcher.close(5)
    assert any("is away" in line and "GET https://h/x" in line for line in pipe.told)
    assert any("bad header" in line for line in pipe.told)
    letters = [path.read_bytes() for path in (tmp_path / "dead").rglob("*") if path.is_file()]
    assert any(b"bad header" in data for data in letters)
    kept = b"".join(letters) + "".join(pipe.told).encode()
    assert secret.encode() not in kept
    assert secret not in pipe.dispatcher.deliveries[0].health().last_error


def test_a_sink_that_returns_no_outcome_is_at_fault() -> None:
    """A sink that forgets to say what became of a batch gets it as often as one that fails, and no more."""
    sink = Gathering("silent")
    tries: list[Batch] = []

    def send(batch: Batch, /, *, timeout_s: float) -> None:
        tries.append(batch)

    sink.send = send  # type: ignore[assignment, method-assign]  # what a sink must not do
    pipe = Pipe(sink)
    put(pipe, 0, 1)
    until(lambda: pipe.metrics.snapshot().sinks["silent"].dropped)
    assert len(tries) == pipe.limits.retry.attempts_max
    assert "Outcome" in pipe.dispatcher.deliveries[0].health().last_error
    assert pipe.dispatcher.close(5)
    pipe.check_sum(1)


@pytest.mark.parametrize("seed", range(3))
def test_away_for_longer_than_the_queue_holds_and_back(tmp_path: Path, seed: int) -> None:
    """Everything arrives once, in order, although memory holds a hundredth of it; the spool is empty then."""
    sink = far()
    pipe = Pipe(sink, folder=tmp_path, queue=QueueLimits(records_max=200, bytes_max=1 << 20))
    put(pipe, 0, 150 + seed)
    settle(pipe)
    sink.away = True
    put(pipe, 150 + seed, 10_000)
    until(lambda: pipe.metrics.snapshot().sinks[sink.name].spooled >= 9_000)
    pipe.check_sum(10_000)
    sink.away = False
    put(pipe, 10_000, 12_000)
    settle(pipe)
    assert ns(sink.records) == list(range(12_000))
    pipe.check_sum(12_000)
    assert pipe.dispatcher.close(5)
    assert spools(tmp_path) == []


def test_what_waits_over_50_ms_stands_in_the_spool(tmp_path: Path) -> None:
    """Of a sink that gathers for minutes, records are on disk within moments."""
    sink = far(wait_s=600.0)
    pipe = Pipe(sink, folder=tmp_path)
    put(pipe, 0, 10)
    until(lambda: pipe.metrics.snapshot().sinks[sink.name].spooled == 10, 5)
    assert sink.tries == []
    [folder] = spools(tmp_path)
    assert b"hello" in (folder / "000001.journal").read_bytes()
    pipe.dispatcher.close(1)
    assert ns(sink.records) == list(range(10))


def test_the_end_leaves_the_rest_in_the_spool_and_the_next_process_sends_it(tmp_path: Path) -> None:
    """What could not be sent is adopted: it arrives under the ids it was tried with, in order, once."""
    sink = far()
    sink.away = True
    first = Pipe(sink, folder=tmp_path)
    put(first, 0, 1_000)
    until(lambda: sink.tries)
    assert first.dispatcher.close(0.2)
    first.check_sum(1_000)
    assert first.metrics.snapshot().sinks[sink.name].spooled == 1_000
    tried = {batch.id: ns(batch.records) for batch in sink.tries}

    second_sink = far()
    second = Pipe(second_sink, folder=tmp_path)
    second.put(captured(n=-1))
    until(lambda: len(second_sink.records) == 1_001)
    assert [n for n in ns(second_sink.records) if n >= 0] == list(range(1_000))
    again = {batch.id: ns(batch.records) for batch in second_sink.batches if batch.id in tried}
    assert again == tried
    second.check_sum()
    counts = second.metrics.snapshot().sinks[sink.name]
    assert (counts.adopted, counts.sent) == (1_000, 1_001)
    assert second.dispatcher.close(5)
    assert spools(tmp_path) == []


def test_a_spool_in_use_is_not_taken(tmp_path: Path) -> None:
    """Two pipelines with one sink: each sends its own."""
    one, two = far(), far()
    one.away = True
    pipes = Pipe(one, folder=tmp_path), Pipe(two, folder=tmp_path)
    put(pipes[0], 0, 100)
    put(pipes[1], 100, 200)
    settle(pipes[1])
    assert ns(two.records) == list(range(100, 200))
    one.away = False
    settle(pipes[0])
    assert ns(one.records) == list(range(100))
    for pipe in pipes:
        assert pipe.dispatcher.close(5)


def test_a_full_spool_leaves_memory_and_then_the_milder_go(tmp_path: Path) -> None:
    """Over the quota records wait in memory; what has no room there is counted; the rest arrives in order."""
    sink = far()
    sink.away = True
    quota = replace(SMALL_SPOOL, bytes_max=60_000)
    pipe = Pipe(sink, folder=tmp_path, spool=quota, queue=QueueLimits(records_max=500, overflow="drop"))
    put(pipe, 0, 3_000)
    until(lambda: pipe.metrics.snapshot().queued == 0)
    pipe.check_sum(3_000)
    counts = pipe.metrics.snapshot().sinks[sink.name]
    assert counts.spooled > 0
    assert counts.queued > 0
    assert sum(path.stat().st_size for path in spools(tmp_path)[0].iterdir()) < 70_000
    sink.away = False
    settle(pipe)
    pipe.check_sum(3_000)
    arrived = ns(sink.records)
    dropped = pipe.metrics.snapshot().sinks[sink.name].dropped["overflow"]
    assert arrived == sorted(set(arrived))
    assert len(arrived) == 3_000 - dropped
    assert any("no room" in line for line in pipe.told)
    pipe.dispatcher.close(1)


def test_after_the_quota_is_free_again_the_spool_is_used_again(tmp_path: Path) -> None:
    """What had to wait in memory goes to the spool before anything newer does: the order stays."""
    sink = far()
    sink.away = True
    pipe = Pipe(
        sink,
        folder=tmp_path,
        spool=replace(SMALL_SPOOL, bytes_max=30_000),
        queue=QueueLimits(records_max=100_000),
    )
    total = 0
    for _ in range(10):
        put(pipe, total, total + 400)
        total += 400
        until(lambda: pipe.metrics.snapshot().queued == 0)
        pipe.check_sum(total)
        sink.away = not sink.away
        if not sink.away:
            _until_more(sink)
    sink.away = False
    settle(pipe)
    assert ns(sink.records) == list(range(total))
    pipe.check_sum(total)
    pipe.dispatcher.close(1)


def test_retry_after_is_honoured() -> None:
    """A sink that asks for a pause gets it."""
    from tamis.clock import SYSTEM_CLOCK

    times: list[float] = []
    sink = Gathering("s")

    def answer(_batch: Batch) -> Outcome:
        times.append(SYSTEM_CLOCK.monotonic_s())
        if len(times) == 1:
            raise SinkUnavailableError(sink.name, "slow down", retry_after_s=0.2, status=429)
        return DELIVERED

    sink.answer = answer
    pipe = Pipe(sink)
    put(pipe, 0, 1)
    until(lambda: len(times) == 2)
    assert times[1] - times[0] >= 0.2
    pipe.dispatcher.close(1)


def test_integers_over_64_bits_survive_the_spool(tmp_path: Path) -> None:
    """What MessagePack cannot hold is kept in another way, whole."""
    sink = far()
    sink.away = True
    pipe = Pipe(sink, folder=tmp_path, queue=QueueLimits(records_max=1))
    for n in range(3):
        pipe.put(captured(n=n, huge=2**100 + n, deep={"a": [1, {"b": 2**70}]}))
        _until_spooled(pipe, n + 1)
    sink.away = False
    settle(pipe)
    assert [record.attributes["huge"] for record in sink.records] == [2**100, 2**100 + 1, 2**100 + 2]
    assert sink.records[2].attributes["deep"] == {"a": [1, {"b": 2**70}]}
    pipe.dispatcher.close(1)
