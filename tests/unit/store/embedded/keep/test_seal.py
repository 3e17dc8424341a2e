"""Sealing: hot records become segments, and readers notice nothing."""

import errno

import pytest

from tamis.errors import DiskError
from tamis.query.ast import All, Compare, Phrase
from tamis.store.base import Budget, Question
from tamis.store.embedded.options import RetentionRule
from tests.support.embedded import DAY_S, HandClock, batch, everything, messages, open_quiet
from tests.support.fragile_disk import FragileDisk

DEBUG = RetentionRule("level:debug", Phrase("level", "debug"), 3 * DAY_S)


def facts(store):
    return store.health().facts


def test_sealed_records_answer_as_before(tmp_path):
    """The same records in the same order, now from a segment; the journal is gone."""
    store = open_quiet(tmp_path / "data")
    store.append(batch(*"cab"))
    store.append(batch("d"))
    before = everything(store)
    assert store.seal_now() == 1
    assert everything(store) == before
    assert (facts(store)["hot_records"], facts(store)["segments"]) == (0, 1)
    assert list((tmp_path / "data/journal").iterdir()) == []
    assert store.seal_now() == 0
    store.close()


def test_a_snapshot_from_before_a_seal_still_reads(tmp_path):
    """Who began before sees what was there then, each record once."""
    store = open_quiet(tmp_path / "data")
    store.append(batch(*"abc"))
    with store.export(Question(All()), Budget()) as lists:
        store.seal_now()
        store.append(batch("later"))
        assert [one.record.message for records in lists for one in records] == ["a", "b", "c"]
    store.close()


def test_one_segment_for_each_class(tmp_path):
    """The first rule that matches decides; the rest are together."""
    store = open_quiet(
        tmp_path / "data", rules=(DEBUG, RetentionRule("everything", Compare("level", ">", "info"), 9e6))
    )
    store.append(batch("d1", "d2", level="DEBUG"))
    store.append(batch("w", level="WARNING"))
    store.append(batch("i", level="INFO"))
    assert store.seal_now() == 3
    classes = {e.retention: e.facts.records for e in store.parts.shop.catalog.manifest.segments}
    assert classes == {"level:debug": 2, "everything": 1, "": 1}
    assert messages(store) == ["d1", "d2", "i", "w"]
    store.close()


def test_one_folder_for_each_day_of_receipt(tmp_path):
    """Records of two days are in two segments, by when they came, not by when they happened."""
    clock = HandClock()
    store = open_quiet(tmp_path / "data", clock=clock)
    store.append(batch("today", timestamp=0))
    clock.pass_s(DAY_S)
    store.append(batch("tomorrow", timestamp=0))
    assert store.seal_now() == 2
    assert sorted(path.name for path in (tmp_path / "data/segments").iterdir()) == [
        "2026-11-21",
        "2026-11-22",
    ]
    store.close()


@pytest.mark.parametrize("call", ["rename", "create", "sync_folder"])
@pytest.mark.parametrize("after", range(4))
def test_a_seal_that_fails_changes_nothing(tmp_path, call, after):
    """Records stay readable and safe, appends go on, the next seal takes everything."""
    disk = FragileDisk(tmp_path)
    store = open_quiet(tmp_path / "data", disk=disk)
    store.append(batch("a", "b"), batch_id="1")
    disk.refuse(call, errno.ENOSPC, after=after)
    try:
        store.seal_now()
    except DiskError:
        assert messages(store) == ["a", "b"]
        assert facts(store)["hot_records"] == 2
    store.append(batch("c"), batch_id="2")
    assert messages(store) == ["a", "b", "c"]
    store.seal_now()
    assert (messages(store), facts(store)["hot_records"]) == (["a", "b", "c"], 0)
    store.close()
    store = open_quiet(tmp_path / "data")
    assert messages(store) == ["a", "b", "c"]
    assert store.find_batch("1") is not None
    assert store.health().state == "ready"
    store.close()


@pytest.mark.parametrize(
    "limits",
    [{"segment_records": 5}, {"segment_bytes": 1_000}, {"segment_age_s": 60.0}, {"segment_batches": 3}],
)
def test_a_seal_is_due_by_records_bytes_age_and_batches(tmp_path, limits):
    """Each limit alone makes it due."""
    clock = HandClock()
    store = open_quiet(tmp_path / "data", clock=clock, **limits)
    due = store.parts.upkeep.seal_due
    store.append(batch("a"), batch_id="1")
    assert not due()
    for number in range(6):
        store.append(batch(f"some more text {number}" * 10), batch_id=f"more {number}")
    clock.pass_s(100)
    assert due()
    store.seal_now()
    assert not due()
    store.close()


def test_the_journal_goes_on_in_further_files(tmp_path):
    """No file grows over its limit by more than a batch, and all go when their records are sealed."""
    store = open_quiet(tmp_path / "data", journal_bytes_max=2_500)
    for number in range(20):
        store.append(batch(f"m{number:02}"))
    files = list((tmp_path / "data/journal").iterdir())
    assert len(files) > 3
    assert max(path.stat().st_size for path in files) < 8_000
    store.seal_now()
    assert list((tmp_path / "data/journal").iterdir()) == []
    assert messages(store) == [f"m{number:02}" for number in range(20)]
    store.close()
