"""Repair of a store: whatever happened to a file, a copy of the folder gives the original answers back, and without
one what is lost is named wherever it is missed."""

import contextlib
import shutil
import threading
from pathlib import Path

import pytest

from tamis.disk.lock import lock_folder
from tamis.disk.real import RealDisk
from tamis.errors import DamageError, LockedError, NoSpaceError, OverloadedError, SourceError
from tamis.integrity.sources.folder import FolderSource
from tamis.query.ast import All, Phrase
from tamis.store.base import Budget, Question
from tamis.store.embedded.recovery.verify import verify
from tamis.store.embedded.repair.folder import repair_folder
from tamis.store.embedded.repair.report import Repaired
from tamis.store.embedded.store import EmbeddedStore
from tests.support.damages import (
    ACTIONS,
    ASKED,
    answers_of,
    cut_short,
    damage,
    delete,
    duplicate,
    empty,
    flip,
    kill,
    zero,
    zero_all,
)
from tests.support.embedded import DAY_S, HandClock, batch, doubled, messages, open_quiet, quiet
from tests.support.fragile_disk import FragileDisk, Mode, PowerCut

FIRST = [f"first {number}" for number in range(40)]
SECOND = [f"second {number}" for number in range(40)]
HOT = [[f"hot {number} {place}" for place in range(5)] for number in range(6)]
EVERYTHING = Question(All())
QUICK = (flip, cut_short, delete)
EACH = [one if one in QUICK else pytest.param(one, marks=pytest.mark.full) for one in ACTIONS]
FEW = [one if one in (flip, delete) else pytest.param(one, marks=pytest.mark.full) for one in ACTIONS]
OPERATIONS = 105
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
    assert not [*(folder / "quarantine").rglob("*.parquet"), *(folder / "quarantine").rglob("*.tally")]


@pytest.mark.parametrize("action", EACH)
@pytest.mark.parametrize("suffix", ["parquet", "tally"])
def test_a_copy_gives_the_original_answers_back(folder, good, said, suffix, action):
    """Whatever happened to a segment's file; a second repair finds nothing to do."""
    damage(folder / DAY / f"00000001.{suffix}", action)
    made = repaired(folder, good)
    assert made.is_whole
    require_original(folder, said)
    again = repaired(folder, good)
    assert (again.mended, again.missing) == ((), ())


@pytest.mark.parametrize("action", EACH)
def test_without_a_copy_the_rest_is_read_and_the_loss_is_named(folder, action):
    """What is counted and what is named as missing come to all that was stored; the file is set apart."""
    damage(folder / DAY / "00000001.parquet", action)
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


@pytest.mark.parametrize("action", FEW)
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


@pytest.mark.parametrize("action", FEW)
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


@pytest.mark.parametrize("action", FEW)
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


def test_a_manifest_of_yesterday_loses_nothing(folder, said):
    """Segments that it does not name are taken in, journals that it names and that were sealed since are not missed."""
    stale = {name: (folder / name).read_bytes() for name in ("manifest.json", "manifest.copy.json")}
    store = open_quiet(folder)
    store.seal_now()
    before = answers_of(store)
    store.append(batch("after it"), batch_id="after")
    kill(store)
    for name, data in stale.items():
        (folder / name).write_bytes(data)
    store = open_quiet(folder)
    assert messages(store) == sorted(
        [*FIRST, *SECOND, *(text for words in HOT for text in words), "after it"]
    )
    assert store.health().state == "ready"
    assert store.append(batch(*SECOND), batch_id="second").duplicate
    assert store.append(batch("after it"), batch_id="after").duplicate
    store.close()
    assert verify(folder).is_whole
    assert before[0] != said


def test_a_manifest_from_before_a_merge_loses_nothing(folder):
    """The segments that it names are gone: the one that they became takes their place."""
    store = open_quiet(folder, merge_count=2)
    store.seal_now()
    kill(store)
    stale = {name: (folder / name).read_bytes() for name in ("manifest.json", "manifest.copy.json")}
    store = open_quiet(folder, merge_count=2)
    assert store.merge_now()
    before = answers_of(store)
    kill(store)
    for name, data in stale.items():
        (folder / name).write_bytes(data)
    store = open_quiet(folder)
    assert answers_of(store) == before
    assert store.health().state == "ready"
    store.close()


def merged(folder: Path) -> Path:
    """Everything in one segment, which no copy from before has; its file."""
    clock = HandClock()
    store = open_quiet(folder, clock=clock)
    store.seal_now()
    clock.pass_s(3_600)
    assert store.parts.upkeep.shrink() == 3
    store.close()
    (path,) = (folder / DAY).glob("*.parquet")
    return path


def test_records_come_from_a_copy_that_has_them_in_other_files(folder, good, said):
    """A copy from before a merge has neither the file nor its name: its segments and journal hold the records."""
    damage(merged(folder), zero_all)
    made = repaired(folder, good)
    assert made.is_whole
    store = open_quiet(folder)
    assert answers_of(store) == said
    assert store.append(batch(*HOT[3]), batch_id="hot-3").duplicate
    store.close()
    assert verify(folder).is_whole


def test_an_older_copy_gives_what_it_has(folder, good, said):
    """The rest stays named, with its number; another copy may bring it later."""
    store = open_quiet(folder)
    store.append(batch("a", "b", "c"))
    store.close()
    damage(merged(folder), delete)
    made = repaired(folder, good)
    (missing,) = made.missing
    assert missing.records == 3
    store = open_quiet(folder)
    assert counted(store) == 110
    assert "3 records" in ASKED["count"](store, EVERYTHING).warnings[0]
    store.close()


def test_what_was_deleted_does_not_come_back(folder, good):
    """A copy from before a deletion holds deleted records: where they cannot be told apart none is taken."""
    store = open_quiet(folder, merge_count=2)
    store.delete(Question(Phrase("message", "first")), Budget())
    store.erase_now()
    store.merge_now()
    there = messages(store)
    store.close()
    for path in (folder / DAY).glob("*.parquet"):
        damage(path, zero_all)
    repaired(folder, good)
    store = open_quiet(folder)
    assert set(messages(store)) <= set(there)
    store.close()


def test_a_copy_of_another_store_is_refused_by_name(folder, tmp_path):
    """Its records have the same sequences, and are not these."""
    fill(tmp_path / "other")
    damage(folder / DAY / "00000001.parquet", delete)
    made = repaired(folder, tmp_path / "other")
    assert not made.is_whole
    assert any("another store" in text for text in made.problems)


def test_a_copy_that_is_damaged_too_is_not_believed(folder, good, said, tmp_path):
    """Nothing is written that is not what was written once; each file comes from whoever has it right."""
    other = Path(shutil.copytree(good, tmp_path / "other"))
    damage(other / DAY / "00000001.parquet", flip)
    damage(folder / DAY / "00000001.parquet", zero)
    damage(folder / DAY / "00000002.parquet", zero)
    made = repaired(folder, other)
    assert [one.path for one in made.missing] == ["segments/2026-11-21/00000001.parquet"]
    assert repaired(folder, other, good).is_whole
    require_original(folder, said)


def test_room_is_asked_for_before_anything_is_written(folder, good):
    """The error says how much is needed and how much there is; the folder is as it was, and reads go on."""
    damage(folder / DAY / "00000001.parquet", zero)
    disk = FragileDisk(folder)
    store = open_quiet(folder, disk=disk)
    store.scrub_now()
    size = (folder / DAY / "00000001.parquet").stat().st_size
    disk.calls.free = size - 1
    before = len(disk.calls.log)
    with pytest.raises(NoSpaceError) as refused:
        store.repair([FolderSource(RealDisk(), good)])
    assert refused.value.needed >= size > refused.value.available
    assert len(disk.calls.log) == before
    assert counted(store) == 70
    disk.calls.free = None
    assert store.repair([FolderSource(RealDisk(), good)]).is_whole
    assert counted(store) == 110
    store.close()


def test_a_second_repair_says_that_there_is_one(folder, good):
    """From another process the folder's holder is named; within one store the second is told to come again."""
    with lock_folder(folder, "tamis repair"), pytest.raises(LockedError, match="tamis repair"):
        repaired(folder, good)
    damage(folder / DAY / "00000001.parquet", delete)
    store = open_quiet(folder)
    slow = SlowSource(FolderSource(RealDisk(), good))
    first = threading.Thread(target=lambda: store.repair([slow]))
    first.start()
    assert slow.asked.wait(60)
    with pytest.raises(OverloadedError, match="under way"):
        store.repair()
    assert counted(store) == 70  # questions go on meanwhile
    slow.go.set()
    first.join(60)
    assert counted(store) == 110
    store.close()


class SlowSource:
    """A source that answers when it may."""

    is_local = True

    def __init__(self, inner: FolderSource) -> None:
        self._inner, self.name = inner, "slow"
        self.asked, self.go = threading.Event(), threading.Event()

    def size(self, path: str) -> int:
        self.asked.set()
        assert self.go.wait(60)
        return self._inner.size(path)

    def read(self, path: str, *, start: int, length: int) -> bytes:
        return self._inner.read(path, start=start, length=length)

    def close(self) -> None:
        pass


def test_a_mirror_that_fails_is_asked_again_after_2_4_and_8_seconds(folder, good, said):
    """Then the next has its turn; what the first said is told."""
    damage(folder / DAY / "00000001.parquet", delete)
    flaky, clock = FlakySource(FolderSource(RealDisk(), good), failures=3), HandClock()
    began = clock.monotonic_s()
    made = repair_folder(folder, [flaky], options=quiet(), clock=clock)
    assert made.is_whole
    assert clock.monotonic_s() - began == 14.0
    require_original(folder, said)


class FlakySource:
    """A source that fails a number of times."""

    is_local = True
    name = "flaky"

    def __init__(self, inner: FolderSource, failures: int) -> None:
        self._inner, self._failures = inner, failures

    def size(self, path: str) -> int:
        if self._failures:
            self._failures -= 1
            raise SourceError(self.name, path, "the line is bad")
        return self._inner.size(path)

    def read(self, path: str, *, start: int, length: int) -> bytes:
        return self._inner.read(path, start=start, length=length)

    def close(self) -> None:
        pass


def spoil(folder: Path) -> None:
    """Damage of every kind at once."""
    one, other = folder / DAY / "00000001.parquet", folder / DAY / "00000002.parquet"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    damage(folder / DAY / "00000001.tally", delete)
    damage(folder / "manifest.json", flip)
    damage(folder / "manifest.copy.json", cut_short)


def killed_repair(root: Path, good: Path, cut_at: int | None, mode: Mode) -> int:
    """Begin a repair that is cut at an operation, and open what is left; return how many operations there were."""
    folder = Path(shutil.copytree(good, root / "data"))
    spoil(folder)
    disk = FragileDisk(root, cut_at)
    source = FolderSource(RealDisk(), good)
    with contextlib.suppress(PowerCut):
        repair_folder(folder, [source], options=quiet(), disk=disk, clock=HandClock())
    operations = disk.operations
    disk.after_power_cut(mode, seed=cut_at or 0)
    return operations


def cut_and_repair(tmp_path: Path, good: Path, said: list[object], *, cut_at: int, mode: Mode) -> None:
    """Cut a repair, then repair what is left."""
    root = tmp_path / str(cut_at)
    root.mkdir()
    killed_repair(root, good, cut_at, mode)
    assert repaired(root / "data", good).is_whole, cut_at
    require_original(root / "data", said)


@pytest.mark.parametrize("place", range(3))
def test_a_repair_that_was_killed_is_begun_again(tmp_path, good, said, place):
    """Whatever operation it was cut at: the folder opens or is repaired, and then says what it said."""
    for cut_at in range(1 + place * 9, OPERATIONS, 27):
        cut_and_repair(tmp_path, good, said, cut_at=cut_at, mode="random" if place % 2 else "forget")


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["forget", "keep", "random"])
def test_a_repair_that_was_killed_at_any_operation_is_begun_again(tmp_path, good, said, mode: Mode):
    """Every operation, whatever the machine kept of what was not synced."""
    for cut_at in range(1, OPERATIONS):
        cut_and_repair(tmp_path, good, said, cut_at=cut_at, mode=mode)


def test_the_whole_repair_is_covered(tmp_path, good):
    """The number of places to cut is known."""
    done = killed_repair(tmp_path, good, None, "keep")
    assert OPERATIONS - 10 < done <= OPERATIONS, done


def test_what_was_deleted_while_it_was_lost_does_not_come_back(folder, good):
    """Neither in a segment that comes back, nor in batches of a journal that do: the deletion waits for them."""
    (path,) = (folder / "journal").iterdir()
    damage(path, flip)
    damage(folder / DAY / "00000001.parquet", delete)
    store = open_quiet(folder)
    lost_hot = {text for words in HOT for text in words} - set(messages(store))
    assert lost_hot
    store.delete(Question(Phrase("message", "first")), Budget())
    store.delete(Question(Phrase("message", "hot")), Budget())
    store.erase_now()
    store.close()
    assert repaired(folder, good).is_whole
    store = open_quiet(folder)
    assert messages(store) == sorted(SECOND)
    store.erase_now()
    assert messages(store) == sorted(SECOND)
    assert store.parts.shop.catalog.manifest.tombstones == ()
    store.close()


def test_a_loss_whose_time_is_over_is_missed_by_nobody(folder):
    """Its records would have expired: nothing warns any more, and what is left of its files goes."""
    damage(folder / DAY / "00000001.parquet", flip)
    clock = HandClock()
    store = open_quiet(folder, clock=clock, retention_s=DAY_S)
    store.scrub_now()
    assert store.health().state == "degraded"
    clock.pass_s(2 * DAY_S)
    store.expire_now()
    assert store.health().state == "ready"
    assert ASKED["count"](store, EVERYTHING).warnings == ()
    assert not list((folder / DAY).glob("00000001*"))
    store.close()
