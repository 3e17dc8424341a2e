"""Damage to each kind of file of an embedded store: what was whole is read, what was damaged is named."""

import shutil
from pathlib import Path

import pytest

from tamis.errors import DamageError
from tamis.query.ast import Aggregate, All, Regex, Stats
from tamis.store.base import Budget, Question
from tamis.store.embedded.recovery.verify import verify
from tamis.store.embedded.store import EmbeddedStore
from tests.support.damages import (
    ACTIONS,
    cut_short,
    damage,
    delete,
    duplicate,
    empty,
    flip,
    flip_last,
    kill,
    zero,
    zero_all,
)
from tests.support.embedded import HandClock, batch, doubled, messages, open_quiet

FIRST = [f"first {number}" for number in range(40)]
SECOND = [f"second {number}" for number in range(40)]
HOT = [[f"hot {number} {place}" for place in range(5)] for number in range(6)]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two segments and six hot batches, and the process killed."""
    folder = tmp_path_factory.mktemp("killed") / "data"
    store = open_quiet(folder)
    store.append(batch(*FIRST), batch_id="first")
    store.seal_now()
    store.append(batch(*SECOND), batch_id="second")
    store.seal_now()
    for number, words in enumerate(HOT):
        store.append(batch(*words), batch_id=f"hot-{number}")
    kill(store)
    return folder


@pytest.fixture
def folder(killed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(killed, tmp_path / "data"))


def journal_of(folder: Path) -> Path:
    """The one file of the journal."""
    (path,) = (folder / "journal").iterdir()
    return path


def hot_messages() -> set[str]:
    return {text for words in HOT for text in words}


def warnings_of(store: EmbeddedStore) -> tuple[str, ...]:
    return store.count(Question(All()), Budget()).warnings


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("suffix", ["parquet", "tally"])
def test_a_damaged_segment_is_named_and_the_rest_is_read(folder, suffix, action):
    """Answers come without the segment and with a warning, at once or when the damage shows; verify finds it."""
    damage(folder / "segments/2026-11-21" / f"00000001.{suffix}", action)
    report = verify(folder)
    assert any("00000001" in finding.path for finding in report.findings)
    store = open_quiet(folder)
    found = messages(store)
    assert not doubled(found)
    assert set(SECOND) | hot_messages() <= set(found)
    lost = set(FIRST) - set(found)
    assert not lost or suffix == "parquet"
    if lost:
        assert any("00000001" in text for text in warnings_of(store))
        assert store.health().state == "degraded"
    store.append(batch("after"), batch_id="after")
    store.close()
    store = open_quiet(folder)
    assert set(messages(store)) == set(found) | {"after"}
    store.close()


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("name", ["manifest.json", "manifest.copy.json"])
def test_one_damaged_manifest_loses_nothing(folder, name, action):
    """There are two of them; the store opens with all its records and writes both anew."""
    damage(folder / name, action)
    report = verify(folder)
    if name == "manifest.copy.json" and action is delete:
        # A power cut between the two writes leaves that as well.
        assert report.is_whole
        assert any("manifest.copy.json" in note for note in report.notes)
    else:
        assert not report.is_whole
    store = open_quiet(folder)
    assert set(messages(store)) == {*FIRST, *SECOND, *hot_messages()}
    store.close()
    assert verify(folder).is_whole


@pytest.mark.parametrize("action", [a for a in ACTIONS if a not in (duplicate, delete)])
def test_two_damaged_manifests_are_an_error_with_a_sentence(folder, action):
    """Without any manifest the store does not guess, and touches nothing."""
    before = sorted(path.name for path in folder.rglob("*"))
    for name in ("manifest.json", "manifest.copy.json"):
        damage(folder / name, action)
    with pytest.raises(DamageError, match="tamis repair"):
        open_quiet(folder)
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_no_manifest_beside_segments_is_not_an_empty_store(folder):
    """A folder that lost its manifests is not taken for a new one."""
    for name in ("manifest.json", "manifest.copy.json"):
        (folder / name).unlink()
    with pytest.raises(DamageError, match="no manifest"):
        open_quiet(folder)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_damaged_journal_gives_what_is_whole(folder, action):
    """Whole batches are read, none twice, none in part; what is missing in the middle is named and counted."""
    damage(journal_of(folder), action)
    store = open_quiet(folder)
    found = messages(store)
    assert not doubled(found)
    assert {*FIRST, *SECOND} <= set(found)
    there = [set(words) <= set(found) for words in HOT]
    for whole, words in zip(there, HOT, strict=True):
        assert whole or not set(words) & set(found)
    inside = there[: len(there) - there[::-1].index(True)] if True in there else []
    lost = inside.count(False) * 5
    if lost:
        assert any(f"{lost} records" in text or "records" in text for text in warnings_of(store))
    if action in (flip, zero):
        assert lost
        assert store.health().state == "degraded"
    assert store.append(batch("after")).first_seq > 80
    store.close()
    store = open_quiet(folder)
    assert set(messages(store)) == set(found) | {"after"}
    store.close()


@pytest.mark.parametrize("action", [empty, delete, zero_all])
def test_a_journal_that_vanished_is_missed(folder, action):
    """The manifest names the live files: one of which nothing is left is told of in answers, by verify and by
    health, for as long as the store lives; the others are read."""
    path = journal_of(folder)
    damage(path, action)
    assert [one.path for one in verify(folder).findings] == [f"journal/{path.name}"]
    store = open_quiet(folder)
    assert any(path.name in text for text in warnings_of(store))
    assert store.health().state == "degraded"
    store.append(batch("after"))
    store.close()
    store = open_quiet(folder)
    assert messages(store) == sorted([*FIRST, *SECOND, "after"])
    assert len([text for text in warnings_of(store) if path.name in text]) == 1
    store.close()
    assert [one.path for one in verify(folder).findings] == [f"journal/{path.name}"]


@pytest.mark.parametrize("action", [empty, delete, zero_all])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_of_several_journals_is_missed(tmp_path, place, action):
    """Before others the sequence says how many records are gone; behind the last nobody knows."""
    folder = tmp_path / "data"
    store = open_quiet(folder, journal_bytes_max=1)  # a file for each batch
    for number in range(3):
        store.append(batch(f"{number} a", f"{number} b"))
    kill(store)
    path = sorted((folder / "journal").iterdir())[place]
    damage(path, action)
    assert path.name in " ".join(one.path for one in verify(folder).findings)
    store = open_quiet(folder)
    (warning,) = warnings_of(store)
    assert path.name in warning
    assert ("unknown" if place == 2 else "2 records") in warning
    assert messages(store) == sorted(f"{n} {x}" for n in range(3) if n != place for x in "ab")
    store.close()


def test_a_journal_whose_records_are_sealed_is_not_missed(folder):
    """A file that a crash kept from going, and that somebody removes, held nothing any more."""
    path = journal_of(folder)
    data = path.read_bytes()
    store = open_quiet(folder)
    store.seal_now()
    kill(store)
    for action in (bytes, empty, zero_all, delete):
        path.write_bytes(data)
        damage(path, action)
        assert verify(folder).is_whole
        store = open_quiet(folder)
        assert warnings_of(store) == ()
        assert store.health().state == "ready"
        kill(store)


@pytest.mark.parametrize("action", [flip, zero, cut_short, zero_all])
def test_verify_names_a_damaged_journal(folder, action):
    """Damage in the middle is a finding; a torn tail is a note, because crashes leave them."""
    damage(journal_of(folder), action)
    report = verify(folder)
    assert any("journal/" in one.path for one in report.findings) or any(
        "journal/" in note for note in report.notes
    )


ASKED = {
    "count": lambda store: store.count(Question(Regex("message", "first|second")), Budget()),
    "search": lambda store: store.search(Question(All()), Budget(), limit=1_000),
    "stats": lambda store: store.stats(
        Question(All()), Budget(), stats=Stats((Aggregate("avg", "place", "a"),))
    ),
    "facets": lambda store: store.facets(Question(All()), Budget(), field="mixed"),
    "fields": lambda store: store.fields(Question(All()), Budget()),
    "patterns": lambda store: store.patterns(Question(All()), Budget()),
    "context": lambda store: store.context(5, Budget()),
}


@pytest.mark.parametrize("action", [flip, flip_last, zero, zero_all])
@pytest.mark.parametrize("asked", list(ASKED))
@pytest.mark.parametrize("suffix", ["parquet", "tally"])
def test_every_kind_of_question_goes_around_damage(folder, suffix, asked, action):
    """A segment that turns out to be damaged while it is read never makes the question fail."""
    damage(folder / "segments/2026-11-21" / f"00000001.{suffix}", action)
    store = open_quiet(folder)
    first, again = ASKED[asked](store), ASKED[asked](store)
    assert again == first or again.warnings
    assert ASKED["count"](store).count >= len(SECOND)
    store.close()


@pytest.mark.parametrize("action", ACTIONS)
def test_a_damaged_tally_is_counted_anew(folder, action):
    """It says nothing that the records do not say: no record is lost, no answer changes, the file is whole again."""
    store = open_quiet(folder)
    before = [ASKED[asked](store) for asked in ASKED]
    kill(store)
    damage(folder / "segments/2026-11-21/00000001.tally", action)
    store = open_quiet(folder)
    assert [ASKED[asked](store) for asked in ASKED] == before
    assert store.health().state == "ready"
    store.close()
    assert verify(folder).is_whole


def test_a_segment_that_is_put_right_comes_back(folder):
    """Set aside means left alone: with its bytes restored the segment is live again, and nothing warns."""
    path = folder / "segments/2026-11-21/00000001.parquet"
    good = path.read_bytes()
    path.write_bytes(good[:100])
    store = open_quiet(folder)
    assert set(messages(store)) == {*SECOND, *hot_messages()}
    assert "00000001" in warnings_of(store)[0]
    store.close()
    path.write_bytes(good)
    store = open_quiet(folder)
    assert set(messages(store)) == {*FIRST, *SECOND, *hot_messages()}
    assert warnings_of(store) == ()
    assert store.health().state == "ready"
    store.close()


def test_batch_ids_of_a_missing_segment_are_not_taken_again_when_known(folder):
    """A journal that is whole keeps its ids whatever happens to segments."""
    (folder / "segments/2026-11-21/00000001.parquet").unlink()
    store = open_quiet(folder)
    assert store.append(batch(*HOT[2]), batch_id="hot-2").duplicate
    assert store.append(batch(*SECOND), batch_id="second").duplicate
    store.close()


def test_a_loss_warns_only_answers_that_might_have_held_it(folder):
    """A question about another time is not bothered."""
    (folder / "segments/2026-11-21/00000001.parquet").unlink()
    store = open_quiet(folder, clock=HandClock())
    later = Question(All(), start_ns=HandClock().now)
    assert store.count(later, Budget()).warnings == ()
    assert len(warnings_of(store)) == 1
    store.close()
