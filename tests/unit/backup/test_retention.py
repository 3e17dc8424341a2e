"""Which snapshots stay, and that what goes takes nothing with it that others need."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tamis.backup.locks import EXPIRY_S, hold, is_dead
from tamis.backup.prune import prune
from tamis.backup.restore import restore_folder
from tamis.backup.retention import Keep, kept
from tamis.backup.snapshot import FORMAT, Snapshot
from tamis.backup.verify import verify
from tamis.clock import NS_PER_S
from tamis.errors import BackupError, RepositoryBusyError
from tests.support.backups import QUICK, BackupPlace
from tests.support.embedded import NOON, HandClock, batch, messages, open_quiet

DAY_NS = 86_400 * NS_PER_S


def snapshot(number: int, *, days_ago: float, store_id: str = "00000001") -> Snapshot:
    return Snapshot(
        format=FORMAT, created_ns=NOON - int(days_ago * DAY_NS), host="h", store_id=store_id, last_seq=0, records=0,
        number=number, parent="", why="", release="", files_count=0, size_bytes=0, added_bytes=0, catalogue=(),
        catalogue_bytes=0,
    )  # fmt: skip


def test_the_newest_of_each_period_stays() -> None:
    """Last, daily, weekly, monthly: each keeps as many as it says of those that there are, together no more."""
    every = {f"{n:03}": snapshot(400 - n, days_ago=n / 2) for n in range(400)}
    assert kept(every, Keep(last=3, daily=0, weekly=0, monthly=0)) == {"000", "001", "002"}
    days = kept(every, Keep(last=0, daily=3, weekly=0, monthly=0))
    assert days == {
        "000",
        "002",
        "004",
    }  # noon is the day's newest: the one at midnight before is of the same day
    months = kept(every, Keep(last=0, daily=0, weekly=0, monthly=4))
    assert len(months) == 4
    all_rules = kept(every, Keep(last=3, daily=3, weekly=3, monthly=4))
    assert days | months < all_rules
    assert len(all_rules) <= 3 + 3 + 3 + 4
    assert kept(every, Keep(last=0, daily=0, weekly=0, monthly=0)) == set(every)


def test_the_newest_of_each_store_stays_whatever_is_kept() -> None:
    """A machine that made none for a year keeps its last one."""
    found = {
        "a": snapshot(1, days_ago=300, store_id="0000000a"),
        "b": snapshot(2, days_ago=400, store_id="0000000a"),
        "c": snapshot(1, days_ago=0, store_id="0000000c"),
    }
    assert kept(found, Keep(last=1, daily=0, weekly=0, monthly=0)) == {"a", "c"}


@pytest.fixture
def place(tmp_path: Path) -> BackupPlace:
    """Four snapshots, each after a merge that replaced every segment."""
    place = BackupPlace(tmp_path / "home", tmp_path / "repository")
    with closing(open_quiet(place.data, disk=QUICK, merge_count=2)) as store:
        for number in range(4):
            store.append(batch(*(f"batch {number} record {n} {n * 7919 % 10_007}" for n in range(500))))
            store.seal_now()
            store.merge_now()
            place.back_up(store)
    return place


def restored(place: BackupPlace, name: str, folder: Path) -> int:
    assert not restore_folder(place.open(), name, folder, QUICK).lost
    with closing(open_quiet(folder, disk=QUICK)) as store:
        return len(messages(store))


def test_what_stays_is_whole_after_a_prune(place: BackupPlace, tmp_path: Path) -> None:
    """Packs that nobody needs are gone, others were written anew, and every snapshot comes back."""
    names = list(place.open().snapshots())
    before = sum(one.size for one in place.open().target.list("packs"))
    trial = prune(place.open(), Keep(last=1, daily=0, weekly=0, monthly=0), is_trial=True, wait_s=0)
    assert len(place.open().snapshots()) == 4
    done = prune(place.open(), Keep(last=1, daily=0, weekly=0, monthly=0), wait_s=0)
    assert set(done.snapshots) == set(trial.snapshots) == set(names[:3])
    assert done.packs > 0
    assert sum(one.size for one in place.open().target.list("packs")) < before
    report = verify(place.open(), wait_s=0)
    assert report.is_whole
    assert not report.notes
    assert restored(place, names[3], tmp_path / "back") == 2_000
    assert prune(place.open(), Keep(last=1), wait_s=0).packs == 0


def test_sparse_packs_are_written_anew(place: BackupPlace, tmp_path: Path) -> None:
    """Of a pack of which little is needed only that stays."""
    name, *others = place.open().snapshots()
    for other in others:
        place.open().remove_snapshot(other)
    merged = BackupPlace(tmp_path / "merged", place.folder)
    restore_folder(place.open(), name, merged.data, QUICK)
    with closing(open_quiet(merged.data, disk=QUICK)) as store:
        store.append(batch(*(f"{n} {hash(str(n))}" for n in range(20_000))))
    merged.back_up()
    for number in range(3):
        (merged.data / "documents").mkdir(exist_ok=True)
        (merged.data / f"documents/{number}.journal").write_bytes(b"%d" % number)
        merged.back_up()
    prune(merged.open(), Keep(last=1, daily=0, weekly=0, monthly=0), wait_s=0)
    assert verify(merged.open(), wait_s=0).is_whole


def test_nobody_prunes_while_others_are_at_work(place: BackupPlace) -> None:
    """And nobody begins a backup while somebody prunes; both say who it is."""
    repository = place.open()
    with (
        hold(repository.target, "shared", purpose="backup", clock=place.clock, wait_s=0),
        pytest.raises(RepositoryBusyError, match=r"process \d+ on .* \(backup\)"),
    ):
        prune(repository, Keep(last=1), wait_s=0)
    with (
        hold(repository.target, "alone", purpose="prune", clock=place.clock, wait_s=0),
        pytest.raises(RepositoryBusyError, match="prune"),
    ):
        place.back_up()
    with (
        hold(repository.target, "shared", purpose="backup", clock=place.clock, wait_s=0),
        hold(repository.target, "shared", purpose="verify", clock=place.clock, wait_s=0),
    ):
        assert place.back_up().name


def test_the_lock_of_the_dead_is_taken_away(place: BackupPlace) -> None:
    """Of a process here that is gone at once; of another machine's after a time without a sign of life."""
    import msgspec

    from tamis.backup.locks import LockNote, _own_note

    clock = HandClock()
    note = _own_note("alone", "prune", clock)
    assert not is_dead(note, now_ns=clock.now_ns())
    assert is_dead(msgspec.structs.replace(note, begun="1"), now_ns=clock.now_ns())
    far = msgspec.structs.replace(note, host="another", begun="1")
    assert not is_dead(far, now_ns=clock.now_ns() + int((EXPIRY_S - 1) * NS_PER_S))
    assert is_dead(far, now_ns=clock.now_ns() + int((EXPIRY_S + 1) * NS_PER_S))
    place.open().target.put("locks/ab.json", [msgspec.json.encode(msgspec.structs.replace(note, begun="1"))])
    assert place.back_up().name
    assert isinstance(note, LockNote)


def test_a_backup_that_slept_through_a_prune_is_taken_back(place: BackupPlace) -> None:
    """Whoever was taken for dead finds its lock gone, and leaves no snapshot that lacks a pack."""
    repository = place.open()
    with closing(open_quiet(place.data, disk=QUICK)) as store:
        store.append(batch("a new one"))

        def sleep() -> None:
            for lock in list(repository.target.list("locks")):
                repository.target.delete(lock.name)

        before = set(place.open().snapshots())
        with pytest.raises(BackupError, match="while it slept"):
            place.back_up(store, going_on=sleep)
    assert set(place.open().snapshots()) == before
    assert verify(place.open(), wait_s=0).is_whole
    assert replace(Keep(last=1), daily=2).daily == 2
