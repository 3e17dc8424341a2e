"""Deleting by query: hidden at once, erased later, never back."""

import pyarrow.parquet as pq
import pytest

from tamis.query.ast import All, And, Not, Phrase, Regex
from tamis.store.base import Budget, Question
from tests.support.embedded import HOUR_S, NOON, HandClock, batch, messages, open_quiet


def delete(store, given, **bounds):
    return store.delete(Question(given, **bounds), Budget()).hidden


def on_disk(folder):
    """Every message that any file still holds."""
    text = b"".join(path.read_bytes() for path in (folder / "journal").iterdir())
    found = [
        m
        for path in folder.rglob("*.parquet")
        for m in pq.read_table(path, columns=["message"])["message"].to_pylist()
    ]
    examples = [
        m for path in folder.rglob("*.tally") for m in pq.read_table(path)["example"].to_pylist() if m
    ]
    return text, found, examples


@pytest.mark.parametrize("sealed", [False, True])
def test_the_next_read_does_not_see_what_was_deleted(tmp_path, sealed):
    """Hot or sealed, by count, by search, after the next start."""
    store = open_quiet(tmp_path / "data")
    store.append(batch("secret one", "open two", "secret three"))
    if sealed:
        store.seal_now()
    assert delete(store, Phrase("message", "secret")) == 2
    assert delete(store, Phrase("message", "secret")) == 0
    assert store.count(Question(All()), Budget()).count == 1
    assert messages(store) == ["open two"]
    store.parts.shop.engine.close()
    store.parts.lock.release()
    store = open_quiet(tmp_path / "data")
    assert messages(store) == ["open two"]
    store.close()


def test_what_comes_later_is_not_deleted(tmp_path):
    """A deletion means what was there then."""
    store = open_quiet(tmp_path / "data")
    store.append(batch("x one"))
    delete(store, Phrase("message", "x"))
    store.append(batch("x two"))
    assert messages(store) == ["x two"]
    store.seal_now()
    assert messages(store) == ["x two"]
    store.erase_now()
    assert messages(store) == ["x two"]
    store.close()


def test_bounds_and_as_of_narrow_a_deletion(tmp_path):
    """Only records in the range of time, and up to the sequence that was asked for."""
    store = open_quiet(tmp_path / "data")
    store.append(batch("a", "b", "c", timestamp=NOON))
    store.append(batch("d", timestamp=NOON))
    assert delete(store, All(), start_ns=NOON + 1_000_000, end_ns=NOON + 2_000_000) == 1
    assert messages(store) == ["a", "c", "d"]
    assert delete(store, All(), as_of=3) == 2
    assert messages(store) == ["d"]
    store.seal_now()
    store.erase_now()
    assert messages(store) == ["d"]
    store.close()


@pytest.mark.parametrize("sealed", [False, True])
def test_erasing_leaves_no_byte(tmp_path, sealed):
    """Neither journal nor segment nor tally holds a deleted message, and the deletion is forgotten."""
    folder = tmp_path / "data"
    store = open_quiet(folder)
    store.append(batch("secret one", "open two"))
    if sealed:
        store.seal_now()
    store.append(batch("open three", "secret four"))
    delete(store, Phrase("message", "secret"))
    assert store.erase_now() == int(sealed)
    journal, found, examples = on_disk(folder)
    assert journal == b""
    assert sorted(found) == ["open three", "open two"]
    assert not [text for text in examples if "secret" in text]
    assert store.health().facts["deletions"] == 0
    assert messages(store) == ["open three", "open two"]
    store.close()


def test_erasing_becomes_due_in_time(tmp_path):
    """Not at once, so that several deletions are erased together; by itself after `erase_after_s`."""
    clock = HandClock()
    store = open_quiet(tmp_path / "data", clock=clock, erase_after_s=HOUR_S)
    store.append(batch("secret", "open"))
    store.seal_now()
    delete(store, Phrase("message", "secret"))
    clock.pass_s(HOUR_S - 1)
    assert not store.parts.upkeep.erase_due()
    clock.pass_s(1)
    assert store.parts.upkeep.erase_due()
    store.erase_now()
    assert not store.parts.upkeep.erase_due()
    store.close()


def test_a_segment_of_which_nothing_is_left_goes_and_its_ids_stay(tmp_path):
    """No empty files; the batch is not taken again."""
    store = open_quiet(tmp_path / "data")
    store.append(batch("secret"), batch_id="x")
    store.seal_now()
    delete(store, All())
    store.erase_now()
    assert list((tmp_path / "data").rglob("*.parquet")) == []
    store.close()
    store = open_quiet(tmp_path / "data")
    assert store.append(batch("secret"), batch_id="x").duplicate
    store.close()


def test_hot_records_that_are_deleted_are_never_sealed(tmp_path):
    """All of a batch deleted before the seal: no segment, and the id is known."""
    store = open_quiet(tmp_path / "data")
    store.append(batch("secret"), batch_id="x")
    delete(store, All())
    assert store.seal_now() == 0
    assert store.find_batch("x") is not None
    assert store.append(batch("next")).first_seq == 2
    store.close()
    store = open_quiet(tmp_path / "data")
    assert store.find_batch("x") is not None
    assert messages(store) == ["next"]
    store.close()


def test_a_deletion_during_a_seal_is_not_lost(tmp_path, monkeypatch):
    """A deletion that comes between reading and publishing hides in the new segment as well."""
    store = open_quiet(tmp_path / "data")
    store.append(batch("secret", "open"))
    sealer = store.parts.upkeep.sealer
    write = sealer._write_classes

    def delete_meanwhile(*given, **named):
        assert delete(store, Phrase("message", "secret")) == 1
        return write(*given, **named)

    monkeypatch.setattr(sealer, "_write_classes", delete_meanwhile)
    store.seal_now()
    assert messages(store) == ["open"]
    store.erase_now()
    assert messages(store) == ["open"]
    assert on_disk(tmp_path / "data")[1] == ["open"]
    store.close()


def test_any_filter_is_kept_as_it_was_meant(tmp_path):
    """Nested, negated, with expressions that no query language would print the same."""
    given = And((Regex("message", r"^a\d+/$"), Not(Phrase("message", 'quo"ted'))))
    store = open_quiet(tmp_path / "data")
    store.append(batch("a1/", "a2", "a3/"))
    assert delete(store, given) == 2
    store.parts.shop.engine.close()
    store.parts.lock.release()
    store = open_quiet(tmp_path / "data")
    assert messages(store) == ["a2"]
    store.close()
