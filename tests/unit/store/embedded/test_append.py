"""Appending to the embedded store: sequences, ids, limits, and what happens when the disk fails."""

import errno
import threading

import pytest

from tamis.disk.real import RealDisk
from tamis.errors import JournalClosedError, NoSpaceError, OverloadedError, WireError
from tamis.query.ast import All
from tamis.record.model import Columns
from tamis.store.base import Budget, Question
from tests.support.commands import wait_for
from tests.support.embedded import (
    DAY_S,
    HandClock,
    batch,
    everything,
    in_order_of_arrival,
    messages,
    open_quiet,
)
from tests.support.fragile_disk import FragileDisk


@pytest.fixture
def store(tmp_path):
    store = open_quiet(tmp_path / "data")
    yield store
    store.close()


def test_sequences_follow_each_other_without_a_gap(store):
    """The first record has 1; a batch has its records' sequences in their order."""
    first = store.append(batch("a", "b"))
    second = store.append(batch("c"))
    assert (first.first_seq, first.count, second.first_seq) == (1, 2, 3)
    found = in_order_of_arrival(everything(store))
    assert [(one.seq, one.record.message) for one in found] == [(1, "a"), (2, "b"), (3, "c")]


def test_a_batch_is_stored_once_under_its_id(store):
    """The second time nothing is stored, and the first receipt comes back."""
    first = store.append(batch("a", "b"), batch_id="x", receipt=b"one")
    again = store.append(batch("other"), batch_id="x", receipt=b"two")
    assert not first.duplicate
    assert (again.duplicate, again.first_seq, again.count, again.receipt) == (True, 1, 2, b"one")
    assert messages(store) == ["a", "b"]


def test_a_batch_without_id_is_never_a_duplicate(store):
    """Nothing is taken for a duplicate by its content."""
    store.append(batch("a"))
    store.append(batch("a"))
    assert messages(store) == ["a", "a"]


def test_an_empty_batch_is_remembered_by_its_id(store):
    """Of which every line was rejected, say: the receipt is kept."""
    assert store.append(Columns(0, []), batch_id="none", receipt=b"r").count == 0
    assert store.append(Columns(0, []), batch_id="none").receipt == b"r"
    store.append(batch("a"))
    store.seal_now()
    assert store.append(Columns(0, []), batch_id="none").duplicate
    assert messages(store) == ["a"]


def test_one_id_from_many_threads_is_stored_once(store):
    """Who comes while the first is under way waits for it, and gets its answer."""
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(store.append(batch("a", "b"), batch_id="x")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.duplicate for answer in answers) == [False] + [True] * 7
    assert {answer.first_seq for answer in answers} == {1}
    assert messages(store) == ["a", "b"]


def test_ids_are_forgotten_by_age(tmp_path):
    """After 24 h an id may come again."""
    clock = HandClock()
    store = open_quiet(tmp_path / "data", clock=clock)
    store.append(batch("a"), batch_id="x")
    clock.pass_s(DAY_S - 1)
    assert store.append(batch("a"), batch_id="x").duplicate
    clock.pass_s(2)
    assert store.find_batch("x") is None
    assert not store.append(batch("a"), batch_id="x").duplicate
    store.close()


def test_ids_are_forgotten_by_number(tmp_path):
    """Only the last `batch_ids_max` are kept."""
    store = open_quiet(tmp_path / "data", batch_ids_max=3)
    for number in range(5):
        store.append(batch("a"), batch_id=str(number))
    assert [store.find_batch(str(number)) is not None for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    store.close()


def test_ids_survive_sealing_merging_and_opening_again(tmp_path):
    """Wherever the records went, the id is known."""
    store = open_quiet(tmp_path / "data", merge_count=2)
    for number in range(4):
        store.append(batch(f"m{number}"), batch_id=f"id{number}", receipt=b"r%d" % number)
        store.seal_now()
    assert store.merge_now() > 0
    store.append(batch("hot"), batch_id="hot")
    store.close()
    store = open_quiet(tmp_path / "data")
    known = [store.find_batch(f"id{number}") for number in range(4)]
    assert [one.receipt for one in known if one] == [b"r0", b"r1", b"r2", b"r3"]
    assert store.append(batch("hot"), batch_id="hot").duplicate
    store.close()


def test_over_its_memory_the_store_pushes_back_before_any_work(tmp_path):
    """OverloadedError with a time to wait; nothing of the batch is stored; after a seal it goes on."""
    store = open_quiet(tmp_path / "data", hot_bytes_max=4_000)
    store.append(batch(*"abcdefgh"))
    with pytest.raises(OverloadedError) as caught:
        store.append(batch(*"abcdefg"), batch_id="x")
    assert caught.value.retry_after_s > 0
    assert store.health().facts["refused_batches"] == 1
    store.seal_now()
    assert not store.append(batch(*"cdef"), batch_id="x").duplicate
    assert messages(store) == sorted("abcdefghcdef")
    store.close()


@pytest.mark.parametrize("count", [100, 200])
def test_a_batch_without_room_has_the_rest_sealed(tmp_path, count):
    """Nothing else would be due for minutes: it is sealed at once, and the batch fits, also one over all memory."""
    store = open_quiet(tmp_path / "data", background=True, hot_bytes_max=60_000)
    store.append(batch("x" * 20_000))
    with pytest.raises(OverloadedError, match=r"store\.hot_bytes_max.*this batch takes about") as caught:
        store.append(batch(*"x" * count))
    assert caught.value.retry_after_s >= 1
    assert wait_for(lambda: store.health().facts["hot_records"] == 0, 60.0)
    assert store.append(batch(*"x" * count)).count == count
    store.close()


def test_a_batch_over_all_memory_is_taken_when_little_else_is_there(tmp_path):
    """A sender that waits and tries again gets through some time."""
    store = open_quiet(tmp_path / "data", hot_bytes_max=60_000)
    store.append(batch("a"))
    assert store.append(batch(*"x" * 200)).count == 200
    store.close()


def test_an_empty_store_takes_a_batch_over_its_memory(tmp_path):
    """Otherwise it could never be stored."""
    store = open_quiet(tmp_path / "data", hot_bytes_max=10)
    assert store.append(batch(*"abc")).count == 3
    store.close()


def test_the_disk_reserve_is_kept_free(tmp_path):
    """NoSpaceError says how much is needed and how much there is; the store goes on when there is room."""
    disk = FragileDisk(tmp_path)
    store = open_quiet(tmp_path / "data", disk=disk, disk_reserve_bytes=1_000_000)
    disk.calls.free = 999_999
    with pytest.raises(NoSpaceError) as caught:
        store.append(batch("a"), batch_id="x")
    assert caught.value.available == 999_999
    disk.calls.free = None
    assert not store.append(batch("a"), batch_id="x").duplicate
    store.close()


def test_an_impossible_batch_is_refused_and_the_store_goes_on(store):
    """A column of the wrong length is an error of the input, not of the store."""
    with pytest.raises(WireError):
        store.append(Columns(2, [1, 2], core={"message": ["only one"]}), batch_id="x")
    assert store.find_batch("x") is None
    assert store.append(batch("a"), batch_id="x").first_seq == 1


@pytest.mark.parametrize("call", ["sync", "write"])
def test_after_a_failed_write_or_fsync_nothing_is_acknowledged(tmp_path, call):
    """The batch is not visible, every later append is refused, reads go on; a new start takes it, once."""
    disk = FragileDisk(tmp_path)
    store = open_quiet(tmp_path / "data", disk=disk)
    store.append(batch("safe"), batch_id="safe")
    disk.refuse(call, errno.EIO)
    with pytest.raises(JournalClosedError):
        store.append(batch("lost"), batch_id="lost")
    with pytest.raises(JournalClosedError):
        store.append(batch("later"))
    assert messages(store) == ["safe"]
    assert store.find_batch("lost") is None
    assert store.health().state == "closed"
    assert "takes nothing more" in store.health().problems[0]
    store.close()
    store = open_quiet(tmp_path / "data")
    store.append(batch("lost"), batch_id="lost")
    assert messages(store) == ["lost", "safe"]
    store.close()


def test_those_who_wait_with_a_failed_batch_fail_too(tmp_path):
    """A failed fsync fails every batch of its group and every batch behind it; none becomes visible."""
    disk = FragileDisk(tmp_path)
    store = open_quiet(tmp_path / "data", disk=disk)
    store.append(batch("safe"))
    disk.refuse("sync", errno.EIO)
    failed = []

    def send(number: int) -> None:
        try:
            store.append(batch(f"m{number}"))
        except JournalClosedError:
            failed.append(number)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(failed) == list(range(6))
    assert messages(store) == ["safe"]
    store.close()


def test_many_small_batches_become_few_parts(store):
    """Reads do not get slower with the number of batches."""
    for number in range(300):
        store.append(batch(f"m{number:03}"))
    with store.parts.shop.catalog.snapshot() as snapshot:
        assert len(snapshot.parts) <= 8
    assert messages(store) == [f"m{number:03}" for number in range(300)]


def test_durability_memory_acknowledges_without_fsync(tmp_path):
    """A power cut may take what came since the last sync, and nothing else; batches stay whole."""
    disk = FragileDisk(tmp_path)
    store = open_quiet(tmp_path / "data", disk=disk, durability="memory")
    store.append(batch("a", "b"), batch_id="1")
    store.parts.committer.sync()
    store.append(batch("c", "d"), batch_id="2")
    assert messages(store) == ["a", "b", "c", "d"]
    store.parts.shop.engine.close()
    disk.after_power_cut("forget")
    store = open_quiet(tmp_path / "data", disk=RealDisk())
    assert messages(store) == ["a", "b"]
    assert store.find_batch("2") is None
    store.close()


def test_a_closed_store_takes_nothing(tmp_path):
    """After close appends are refused; closing again does nothing."""
    store = open_quiet(tmp_path / "data")
    store.append(batch("a"))
    store.close()
    store.close()
    with pytest.raises(JournalClosedError):
        store.append(batch("b"))
    store = open_quiet(tmp_path / "data")
    assert store.count(Question(All()), Budget()).count == 1
    store.close()
