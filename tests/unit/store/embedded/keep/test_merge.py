"""Merging: many small segments become few, and nothing else changes."""

from tamis.query.ast import All, Phrase
from tamis.store.base import Budget, Question
from tamis.store.embedded.options import RetentionRule
from tests.support.embedded import DAY_S, HandClock, batch, everything, messages, open_quiet


def fill(store, count, *, first=0):
    for number in range(first, first + count):
        store.append(batch(f"m{number:02}"), batch_id=f"id{number}")
        store.seal_now()


def segments(store):
    return store.parts.shop.catalog.manifest.segments


def files(folder):
    return sorted(path.name for path in (folder / "segments").rglob("*") if path.is_file())


def test_segments_of_a_size_are_merged_when_there_are_enough(tmp_path):
    """The same records in the same order; the old files are gone."""
    store = open_quiet(tmp_path / "data", merge_count=4)
    fill(store, 3)
    assert store.merge_now() == 0
    fill(store, 1, first=3)
    before = everything(store)
    assert store.merge_now() == 4
    assert everything(store) == before
    assert files(tmp_path / "data") == ["00000005.parquet", "00000005.tally"]
    store.close()


def test_a_day_that_is_over_is_merged_whatever_the_number(tmp_path):
    """Yesterday's two segments become one; today's stays alone."""
    clock = HandClock()
    store = open_quiet(tmp_path / "data", clock=clock)
    fill(store, 2)
    clock.pass_s(DAY_S)
    fill(store, 1, first=2)
    assert store.merge_now() == 2
    assert [entry.name.partition("/")[0] for entry in segments(store)] == ["2026-11-22", "2026-11-21"]
    assert messages(store) == ["m00", "m01", "m02"]
    store.close()


def test_classes_are_not_mixed(tmp_path):
    """One class a segment, after a merge too."""
    rule = RetentionRule("d", Phrase("level", "debug"), DAY_S)
    store = open_quiet(tmp_path / "data", merge_count=2, rules=(rule,))
    for number in range(2):
        store.append(batch(f"d{number}", level="DEBUG"))
        store.append(batch(f"i{number}"))
        store.seal_now()
    assert store.merge_now() == 4
    assert sorted((entry.retention, entry.facts.records) for entry in segments(store)) == [("", 2), ("d", 2)]
    store.close()


def test_a_merge_stays_within_its_limits(tmp_path):
    """What would become too large stays apart."""
    store = open_quiet(tmp_path / "data", merge_count=2, merge_records_max=4)
    fill(store, 7)
    store.merge_now()
    assert max(entry.facts.records for entry in segments(store)) <= 4
    assert messages(store) == [f"m{number:02}" for number in range(7)]
    store.close()


def test_files_stay_until_nobody_reads_them(tmp_path):
    """An export that began before goes on with the old segments; afterwards they go."""
    store = open_quiet(tmp_path / "data", merge_count=2)
    fill(store, 2)
    with store.export(Question(All()), Budget()) as lists:
        first = next(lists)
        assert store.merge_now() == 2
        assert len(files(tmp_path / "data")) == 6
        assert [one.record.message for records in (first, *lists) for one in records] == ["m00", "m01"]
    store.merge_now()
    assert len(files(tmp_path / "data")) == 2
    store.close()


def test_deleted_records_do_not_come_into_a_merged_segment(tmp_path):
    """What is hidden is left out, and stays hidden."""
    store = open_quiet(tmp_path / "data", merge_count=2)
    fill(store, 2)
    store.delete(Question(Phrase("message", "m00")), Budget())
    store.merge_now()
    assert messages(store) == ["m01"]
    assert [entry.facts.records for entry in segments(store)] == [1]
    store.close()


def test_merges_wait_while_segments_fill(tmp_path):
    """Ingest at full needs the memory and the processors; when it pauses, what waited is merged."""
    clock = HandClock()
    store = open_quiet(tmp_path, clock=clock, merge_count=2, segment_records=2)
    for _ in range(2):
        store.append(batch("a", "b"))
        store.seal_now()
    jobs = {job.name: job for lane in store.parts.upkeep._lanes for job in lane.jobs}
    assert not jobs["merging"].due()
    clock.pass_s(60)
    assert jobs["merging"].due()
    store.close()
