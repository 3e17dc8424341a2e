"""Repair of a store: whatever happened to a file, a copy of the folder gives the original answers back, and without
one what is lost is named wherever it is missed."""

import shutil
from pathlib import Path

import pytest

from tamis.disk.real import RealDisk
from tamis.errors import DamageError
from tamis.integrity.sources.folder import FolderSource
from tamis.query.ast import All
from tamis.store.base import Budget, Question
from tamis.store.embedded.recovery.verify import verify
from tamis.store.embedded.repair.folder import repair_folder
from tamis.store.embedded.repair.report import Repaired
from tamis.store.embedded.store import EmbeddedStore
from tests.support.damages import ACTIONS, ASKED, answers_of, damage, delete, duplicate, empty, kill, zero_all
from tests.support.embedded import HandClock, batch, doubled, messages, open_quiet, quiet

FIRST = [f"first {number}" for number in range(40)]
SECOND = [f"second {number}" for number in range(40)]
HOT = [[f"hot {number} {place}" for place in range(5)] for number in range(6)]
EVERYTHING = Question(All())
DAY = "segments/2026-11-21"


def fill(folder: Path) -> None:
    """Two segments and six hot batches, and the process killed."""
    store = open_quiet(folder)
    store.append(batch(*FIRST), batch_id="first")
    store.seal_now()
    store.append(batch(*SECOND, timestamp=HandClock().now), batch_id="second")
    store.seal_now()
    for number, words in enumerate(HOT):
        store.append(batch(*words), batch_id=f"hot-{number}")
    kill(store)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as it should be; nobody writes there."""
    folder = tmp_path_factory.mktemp("good") / "data"
    fill(folder)
    return folder


@pytest.fixture(scope="module")
def said(good: Path, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """What it says to every kind of question."""
    store = open_quiet(Path(shutil.copytree(good, tmp_path_factory.mktemp("said") / "data")))
    found = answers_of(store)
    store.close()
    return found


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "data"))


def repaired(folder: Path, *copies: Path, accept_losses: bool = False) -> Repaired:
    """The repair of a folder that nobody has open."""
    sources = [FolderSource(RealDisk(), copy) for copy in copies]
    return repair_folder(folder, sources, options=quiet(), clock=HandClock(), accept_losses=accept_losses)


def counted(store: EmbeddedStore) -> int:
    return store.count(EVERYTHING, Budget()).count


def require_original(folder: Path, said: list[object]) -> None:
    """It says what the original said, nothing warns, nothing is set apart, every byte is right."""
    assert verify(folder).is_whole
    store = open_quiet(folder)
    assert answers_of(store) == said
    assert store.health().state == "ready"
    store.close()
    assert not any(path.is_file() for path in (folder / "quarantine").rglob("*"))


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("suffix", ["parquet", "tally"])
def test_a_copy_gives_the_original_answers_back(folder, good, said, suffix, action):
    """Whatever happened to a segment's file; a second repair finds nothing to do."""
    damage(folder / DAY / f"00000001.{suffix}", action)
    made = repaired(folder, good)
    assert made.is_whole
    require_original(folder, said)
    again = repaired(folder, good)
    assert (again.mended, again.missing) == ((), ())


@pytest.mark.parametrize("action", ACTIONS)
def test_without_a_copy_the_rest_is_read_and_the_loss_is_named(folder, said, action):
    """What is counted and what is named as missing come to all that was stored; the file is set apart; with a copy it
    comes back later."""
    damage(folder / DAY / "00000001.parquet", action)
    good_copy = folder.parent / "later"
    made = repaired(folder)
    (missing,) = made.missing
    assert missing.records == 40
    store = open_quiet(folder)
    assert counted(store) + missing.records == 110
    for name, ask in ASKED.items():
        (warning,) = ask(store, EVERYTHING).warnings
        assert "00000001.parquet" in warning, name
        assert "40 records" in warning, name
    with store.export(EVERYTHING, Budget()) as lists:
        assert sum(map(len, lists)) == 70
    store.close()
    assert not list((folder / DAY).glob("00000001*"))
    fill(good_copy / "data")


def test_questions_about_other_times_carry_no_warning(folder):
    """Only answers that would have held the lost records say so."""
    damage(folder / DAY / "00000001.parquet", delete)
    repaired(folder)
    store = open_quiet(folder)
    later = Question(All(), start_ns=HandClock().now)
    for name, ask in ASKED.items():
        if name != "context":  # it is about a record, and what stands around it has no bounds
            assert ask(store, later).warnings == (), name
    store.close()


@pytest.mark.parametrize("suffix", ["parquet", "tally"])
def test_files_that_were_exchanged_are_put_back_without_a_copy(folder, said, suffix):
    """Each is known by its digest, wherever it stands."""
    one, other = folder / DAY / f"00000001.{suffix}", folder / DAY / f"00000002.{suffix}"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert repaired(folder).is_whole
    require_original(folder, said)


def test_a_file_that_was_moved_is_found_again(folder, said):
    """Also one that an earlier repair set apart because it could not be read."""
    (folder / DAY / "00000001.parquet").rename(folder / DAY / "a copy of it.parquet")
    assert repaired(folder).is_whole
    require_original(folder, said)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_manifest_comes_from_a_copy(folder, good, said, action):
    """Both are damaged: the folder does not open; after a repair it says what it said."""
    for name in ("manifest.json", "manifest.copy.json"):
        damage(folder / name, action)
    if action is not duplicate:
        with pytest.raises(DamageError, match="tamis repair"):
            open_quiet(folder)
    assert repaired(folder, good).is_whole
    store = open_quiet(folder)
    assert answers_of(store) == said
    store.close()


@pytest.mark.parametrize("action", [action for action in ACTIONS if action is not duplicate])
def test_a_manifest_is_made_anew_from_the_segments(folder, said, action):
    """Without any copy; also when nothing is left of it, because each segment says whose it is."""
    for name in ("manifest.json", "manifest.copy.json"):
        damage(folder / name, action)
    made = repaired(folder)
    assert made.mended[0].path == "manifest.json"
    assert made.is_whole
    store = open_quiet(folder)
    assert answers_of(store) == said
    assert store.append(batch(*FIRST), batch_id="first").duplicate
    store.close()


@pytest.mark.parametrize("action", ACTIONS)
def test_a_journal_comes_from_a_copy(folder, good, said, action):
    """Batches whose loss was noticed by a start come back under their sequences."""
    (path,) = (folder / "journal").iterdir()
    damage(path, action)
    before = verify(folder).is_whole
    store = open_quiet(folder)
    there = counted(store)
    kill(store)
    made = repaired(folder, good)
    store = open_quiet(folder)
    found = messages(store)
    assert not doubled(found)
    if before:  # a tail that is torn looks as after a crash: nobody misses it
        assert len(found) == there
    else:
        assert len(found) == 110
    if action not in (empty, delete, zero_all):
        assert made.is_whole
    store.close()
    again = repaired(folder, good)
    assert again.mended == ()
    accepted = repaired(folder, accept_losses=True)
    assert accepted.is_whole
    store = open_quiet(folder)
    assert store.health().state == "ready"
    assert ASKED["count"](store, EVERYTHING).warnings == ()
    store.close()
    assert verify(folder).is_whole
