"""Records that come back beside what is there: each once, under its id where that is free."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tamis.backup.bring_back import Asked, choose, restore_into, restore_to
from tamis.backup.rejoin import Rejoined
from tamis.backup.restore import Span
from tamis.backup.restored import FILE_NAME, RestoredLog, joined, runs_of
from tamis.clock import NS_PER_S
from tamis.errors import BackupError, DamageError
from tamis.query.ast import Phrase
from tamis.store.base import Budget, Question
from tamis.store.embedded.face import EmbeddedStore
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest_file import read_manifest, write_manifest
from tests.support.backups import QUICK, BackupPlace
from tests.support.embedded import DAY_S, NOON, HandClock, batch, everything, messages, open_quiet

DAY_NS = int(DAY_S) * NS_PER_S


@pytest.fixture
def place(tmp_path: Path) -> BackupPlace:
    return BackupPlace(tmp_path / "home", tmp_path / "repository")


@pytest.fixture
def store(place: BackupPlace) -> Iterator[EmbeddedStore]:
    with closing(opened(place)) as store:
        yield store


def opened(place: BackupPlace, **limits: object) -> EmbeddedStore:
    clock = place.clock
    assert isinstance(clock, HandClock)
    return open_quiet(place.data, disk=QUICK, clock=clock, **limits)


def pass_s(place: BackupPlace, seconds: float) -> None:
    assert isinstance(place.clock, HandClock)
    place.clock.pass_s(seconds)


def bring_back(place: BackupPlace, store: EmbeddedStore, asked: Asked | None = None) -> Rejoined:
    return restore_into(place.open(), asked or Asked(), store, place.data, QUICK, clock=place.clock)[1]


def ids(store: EmbeddedStore) -> list[tuple[int, str]]:
    return sorted((one.seq, one.record.message) for one in everything(store))


def test_what_expired_comes_back_once_under_its_ids(place: BackupPlace) -> None:
    """With their sequences and instants of receipt; a second time nothing comes."""
    with closing(opened(place)) as store:
        store.append(batch("old 1", "old 2"), batch_id="b1")
        store.seal_now()
        store.append(batch("hot"))
        before = everything(store)
        place.back_up(store)
    pass_s(place, 3 * DAY_S)
    with closing(opened(place, retention_s=2 * DAY_S)) as store:
        store.seal_now()
        assert store.expire_now()
    with closing(opened(place)) as store:
        store.append(batch("new"))
        done = bring_back(place, store)
        assert (done.adopted, done.appended, done.known) == (3, 0, 0)
        assert [one for one in everything(store) if one.seq <= 3] == before
        done = bring_back(place, store)
        assert (done.adopted, done.appended, done.known) == (0, 0, 3)
        assert [message for _, message in ids(store)] == ["old 1", "old 2", "hot", "new"]
        assert store.append(batch("next")).first_seq == 5
    with closing(opened(place)) as store:
        assert len(everything(store)) == 5
        assert store.health().state == "ready"


def test_retention_does_not_take_away_at_once_what_came_back(place: BackupPlace) -> None:
    """Records that it would take are left out and counted, or count as received now."""
    with closing(opened(place)) as store:
        store.append(batch("old"))
        place.back_up(store)
    pass_s(place, 3 * DAY_S)
    with closing(opened(place, retention_s=2 * DAY_S)) as store:
        store.seal_now()
        store.expire_now()
        done = bring_back(place, store)
        assert (done.adopted, done.expired) == (0, 1)
        assert "renew" in done.notes[0]
        assert bring_back(place, store, Asked(renew=True)).adopted == 1
        assert not store.expire_now()
        assert ids(store) == [(1, "old")]


def test_one_day_comes_back_alone(place: BackupPlace, tmp_path: Path) -> None:
    """Beside what is there, and in a folder of its own."""
    with closing(opened(place)) as store:
        for day in range(3):
            for part in range(2):
                store.append(batch(f"day {day} {part}", timestamp=NOON + day * DAY_NS))
                store.seal_now()
        store.append(batch("day 1 hot", timestamp=NOON + DAY_NS))
        place.back_up(store)
    span = Span(NOON + DAY_NS - DAY_NS // 2, NOON + DAY_NS + DAY_NS // 2)
    wanted = ["day 1 0", "day 1 1", "day 1 hot"]
    done = restore_to(place.open(), Asked(span=span), tmp_path / "one", QUICK, place.clock)
    assert not done.lost
    with closing(open_quiet(tmp_path / "one", disk=QUICK)) as alone:
        assert messages(alone) == wanted
        assert alone.health().state == "ready"
    assert len(list((tmp_path / "one").rglob("*.parquet"))) < 6
    other = BackupPlace(tmp_path / "other", place.folder)
    with closing(opened(other)) as store:
        store.append(batch("mine"))
        done_into = bring_back(other, store, Asked(span=span))
        assert done_into.appended == 3
        assert messages(store) == [*wanted, "mine"]


def test_another_store_s_records_come_once_for_ever(place: BackupPlace, tmp_path: Path) -> None:
    """Under new ids; also when batches are long forgotten, and after a kill between two of them, and in a restored
    folder."""
    with closing(opened(place)) as store:
        store.append(batch(*(f"theirs {n}" for n in range(50))))
        place.back_up(store)
    other = BackupPlace(tmp_path / "other", place.folder)
    with closing(opened(other)) as store:
        store.append(batch("mine"))
        assert bring_back(other, store).appended == 50
        (other.data / FILE_NAME).unlink()  # killed before it was written
        assert bring_back(other, store).known == 50
        pass_s(other, 10 * DAY_S)
        assert bring_back(other, store).known == 50
        assert len(everything(store)) == 51
        name = other.back_up(store).name
    again = BackupPlace(tmp_path / "again", place.folder)
    restore_to(place.open(), Asked(snapshot=name), again.data, QUICK, again.clock)
    theirs = next(key for key, one in place.open().snapshots().items() if key != name)
    with closing(opened(again)) as store:
        pass_s(again, 30 * DAY_S)
        assert bring_back(again, store, Asked(snapshot=theirs)).known == 50
    restore_to(place.open(), Asked(snapshot=name, span=Span(0, 1)), tmp_path / "none", QUICK, again.clock)
    assert not (tmp_path / "none" / FILE_NAME).exists()


def test_a_server_with_two_lives_keeps_both(place: BackupPlace, tmp_path: Path) -> None:
    """Restored from an older backup it gave the same sequences to other records: none is taken for another."""
    with closing(opened(place)) as store:
        store.append(batch("both"))
        first = place.back_up(store)
        store.append(batch("first life", timestamp=NOON + 5))
        place.back_up(store)
    second = BackupPlace(tmp_path / "second", place.folder)
    restore_to(place.open(), Asked(snapshot=first.name), second.data, QUICK, second.clock)
    with closing(opened(second)) as store:
        store.append(batch("second life", timestamp=NOON + 7))
        done = bring_back(second, store)
        assert (done.adopted, done.appended, done.known) == (0, 1, 1)
        assert messages(store) == ["both", "first life", "second life"]
        assert bring_back(second, store).appended == 0


@pytest.mark.parametrize("where", ["journal", "segment", "merged"])
def test_records_of_two_lives_are_told_apart_by_what_they_say(
    place: BackupPlace, tmp_path: Path, where: str
) -> None:
    """The same sequence, time and shape, but another message: both are kept; the same message comes once."""
    with closing(opened(place)) as store:
        store.append(batch("order 1 placed", "both alike 7"))
        store.seal_now()
        place.back_up(store)
    other = BackupPlace(tmp_path / "other", tmp_path / "elsewhere")
    with closing(opened(other)) as store:
        store.append(batch("order 2 placed", "both alike 7"))
        other.back_up(store)
    second = BackupPlace(tmp_path / "second", place.folder)
    restore_to(other.open(), Asked(), second.data, QUICK, second.clock)
    manifest = Layout(second.data)
    mine = read_manifest(QUICK, manifest).manifest
    theirs = read_manifest(QUICK, Layout(place.data)).manifest.store_id
    write_manifest(QUICK, manifest, msgspec.structs.replace(mine, store_id=theirs))
    with closing(opened(second, merge_count=2)) as store:
        if where != "journal":
            store.seal_now()
        if where == "merged":
            store.append(batch("order 3 placed"))
            store.seal_now()
            store.merge_now()
        done = bring_back(second, store)
        assert (done.adopted, done.appended, done.known) == (0, 1, 1)
        assert {"order 1 placed", "order 2 placed"} < set(messages(store))
        assert bring_back(second, store).appended == 0


def test_what_was_deleted_does_not_come_back(place: BackupPlace, store: EmbeddedStore) -> None:
    """Neither what was deleted before the backup nor what is deleted here and not erased yet."""
    store.append(batch("stays", "goes before", "goes after"))
    store.delete(Question(Phrase("message", "before")), Budget())
    place.back_up(store)
    store.delete(Question(Phrase("message", "after")), Budget())
    bring_back(place, store)
    assert messages(store) == ["stays"]


def test_records_of_a_damaged_segment_are_left_to_repair(place: BackupPlace, store: EmbeddedStore) -> None:
    """They would be there twice once it is mended."""
    store.append(batch("one", "two"))
    store.seal_now()
    place.back_up(store)
    segment = next(place.data.rglob("*.parquet"))
    whole = segment.read_bytes()
    segment.write_bytes(b"\0" * len(whole))
    store.scrub_now()
    done = bring_back(place, store)
    assert (done.adopted, done.appended, done.aside) == (0, 0, 2)
    segment.write_bytes(whole)
    store.close()
    with closing(opened(place)) as again:
        assert messages(again) == ["one", "two"]


def test_an_instant_between_two_snapshots_comes_back(place: BackupPlace, tmp_path: Path) -> None:
    """The newest of before, and from the next what was received until then."""
    with closing(opened(place)) as store:
        times = []
        for number in range(6):
            pass_s(place, 60)
            store.append(batch(f"record {number}"))
            times.append(place.clock.now_ns())
            if number in (1, 5):
                place.back_up(store)
    for number, instant in ((1, times[1]), (2, times[2] + 1), (4, times[4]), (5, times[5] + 10**9)):
        folder = tmp_path / f"back {number}"
        restore_to(place.open(), Asked(at_ns=instant + 1), folder, QUICK, place.clock)
        with closing(open_quiet(folder, disk=QUICK)) as again:
            assert ids(again) == [(n + 1, f"record {n}") for n in range(number + 1)]
            assert again.health().state == "ready"
            assert again.append(batch("on")).first_seq == number + 2
    with pytest.raises(BackupError, match="no snapshot from before"):
        restore_to(place.open(), Asked(at_ns=NOON), tmp_path / "never", QUICK, place.clock)


def test_a_snapshot_is_named_by_its_beginning(
    place: BackupPlace, store: EmbeddedStore, tmp_path: Path
) -> None:
    """The newest by default; where there are several stores it must be said which."""
    store.append(batch("x"))
    first, second = place.back_up(store), place.back_up(store)
    known = place.open().snapshots()
    assert choose(known, Asked(), "here") == second.name
    assert choose(known, Asked(snapshot=first.name[:12]), "here") == first.name
    with pytest.raises(BackupError, match="is no snapshot"):
        choose(known, Asked(snapshot="zz"), "here")
    other = BackupPlace(tmp_path / "other", place.folder)
    with closing(opened(other)) as theirs:
        theirs.append(batch("y"))
        other.back_up(theirs)
    with pytest.raises(BackupError, match="--store"):
        choose(place.open().snapshots(), Asked(), "here")
    assert choose(place.open().snapshots(), Asked(store_id=store.store_id), "here") == second.name


def test_runs_of_sequences_hold_exactly_what_was_added(tmp_path: Path) -> None:
    """Also after the file was read again; one that cannot be read is an error, never silence."""
    import numpy as np

    log = RestoredLog(QUICK, tmp_path)
    for seqs in ([5, 6, 7], [1, 2], [3], [20, 22, 23]):
        log.add("00000001", np.array(seqs))
    again = RestoredLog(QUICK, tmp_path)
    asked = np.arange(0, 30)
    found = asked[again.contains("00000001", asked)].tolist()
    assert found == [1, 2, 3, 5, 6, 7, 20, 22, 23]
    assert not again.contains("00000002", asked).any()
    assert joined([(5, 9), (1, 3), (4, 4), (20, 21)]) == [(1, 9), (20, 21)]
    assert runs_of(np.array([], np.int64)) == []
    (tmp_path / FILE_NAME).write_text("{")
    with pytest.raises(DamageError, match="might come back twice"):
        RestoredLog(QUICK, tmp_path)
