"""What a backup writes: only what is new, nothing in clear, and everything that a server has."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tamis.backup.create import CreateOptions
from tamis.backup.memory import read_memory, remember, require_not_older, seen_of
from tamis.backup.moment import moment_of_store
from tamis.backup.restore import restore_folder
from tamis.backup.unlock import Passphrase
from tamis.backup.verify import verify
from tamis.errors import BackupError, KeyUnavailableError, NoSpaceError, RolledBackError
from tamis.metadata.accounts import ADMIN, Accounts
from tamis.metadata.database import open_database
from tamis.telemetry import status
from tests.support.backups import QUICK, BackupPlace, opener, settings_in
from tests.support.embedded import HandClock, batch, messages, open_quiet
from tests.support.fragile_disk import FragileDisk
from tests.support.keyrings import KeyringPlace
from tests.support.ledgers import LedgerPlace

WORDS = [f"order {number} of customer secretcustomer{number % 97} was placed" for number in range(3_000)]


@pytest.fixture
def place(tmp_path: Path) -> BackupPlace:
    return BackupPlace(tmp_path / "home", tmp_path / "repository")


@pytest.fixture
def data(place: BackupPlace) -> BackupPlace:
    """A folder at rest with records in a segment."""
    with closing(open_quiet(place.data, disk=QUICK)) as store:
        store.append(batch(*WORDS))
    return place


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_second_backup_of_the_same_writes_next_to_nothing(data: BackupPlace) -> None:
    """What did not change is neither read nor written again."""
    first = data.back_up()
    before = size_of(data.folder / "packs")
    second = data.back_up()
    assert first.snapshot.added_bytes > 10_000
    assert size_of(data.folder / "packs") == before
    assert second.read_bytes < first.read_bytes / 2
    assert (second.snapshot.number, second.snapshot.parent) == (2, first.name)


def test_only_what_is_new_is_written(data: BackupPlace) -> None:
    """Further records cost what they take, however many there are already."""
    first = data.back_up()
    with closing(open_quiet(data.data, disk=QUICK)) as store:
        store.append(batch("one more"))
    second = data.back_up()
    assert second.snapshot.records == first.snapshot.records + 1
    assert second.snapshot.added_bytes < first.snapshot.added_bytes / 2


def test_two_machines_share_what_they_both_have(data: BackupPlace, tmp_path: Path) -> None:
    """The same bytes of another machine are referred to, and each machine has its own snapshots."""
    first = data.back_up()
    shutil.copytree(data.home, tmp_path / "other")
    other = BackupPlace(tmp_path / "other", data.folder)
    made = other.back_up()
    assert made.snapshot.added_bytes < first.snapshot.added_bytes / 4
    assert len(data.open().snapshots()) == 2
    assert verify(data.open(), wait_s=0).is_whole


def test_nothing_of_a_sealed_repository_can_be_read_without_its_key(data: BackupPlace) -> None:
    """Neither a word of a record, nor a name of a file, nor the digest of a known chunk."""
    import hashlib

    data.back_up()
    stored = b"".join(path.read_bytes() for path in data.folder.rglob("*") if path.is_file())
    names = " ".join(path.name for path in data.folder.rglob("*"))
    segment = next(data.data.rglob("*.parquet")).read_bytes()
    for needle in (b"secretcustomer", b"parquet", b"meta.db", segment[:64], hashlib.sha256(segment).digest()):
        assert needle not in stored
    assert hashlib.sha256(segment).hexdigest() not in names
    with pytest.raises(KeyUnavailableError, match="is not opened by what was given"):
        BackupPlace(data.home, data.folder, lock=opener(bytes(32))).open()
    with pytest.raises(KeyUnavailableError, match="is encrypted"):
        BackupPlace(data.home, data.folder, lock=None).open()


def test_the_same_records_have_other_names_in_another_repository(data: BackupPlace, tmp_path: Path) -> None:
    """Whoever sees two repositories does not see that they hold the same."""
    data.back_up()
    other = BackupPlace(data.home, tmp_path / "second")
    other.back_up()
    chunks = [set(one.open().load_index().places) for one in (data, other)]
    assert chunks[0]
    assert not chunks[0] & chunks[1]


def test_who_means_to_encrypt_never_writes_in_clear(data: BackupPlace) -> None:
    """A repository without keys is refused by settings that have one."""
    BackupPlace(data.home, data.folder, lock=None).back_up()
    with pytest.raises(KeyUnavailableError, match="is not encrypted"):
        data.open()


def test_a_passphrase_opens_what_it_locked(data: BackupPlace) -> None:
    """And another does not."""
    locked = BackupPlace(data.home, data.folder, lock=Passphrase("correct horse"))
    made = locked.back_up()
    again = BackupPlace(data.home, data.folder, lock=Passphrase("correct horse"))
    assert made.name in again.open().snapshots()
    with pytest.raises(KeyUnavailableError, match="a passphrase"):
        BackupPlace(data.home, data.folder, lock=Passphrase("wrong")).open()
    assert "horse" not in repr(again.lock)


def fill_the_rest(place: BackupPlace) -> None:
    """Users, keys, an audit, documents, settings."""
    Accounts(open_database(place.data), HandClock()).set_token(ADMIN, "a-token-that-somebody-chose")
    KeyringPlace(place.data / "keys").open().encrypt(b"x")
    (place.home / "config").mkdir(exist_ok=True)
    (place.home / "config/master.key").write_text("the key in clear")
    ledger = LedgerPlace(place.home)
    ledger.write(12)
    shutil.copytree(place.home / "audit", place.data / "audit", dirs_exist_ok=True)
    shutil.copytree(place.home / "heads", place.home / "state/heads")
    (place.data / "documents").mkdir(exist_ok=True)
    (place.data / "documents/1.journal").write_bytes(b"ids")


def test_everything_that_a_server_has_comes_back(data: BackupPlace, tmp_path: Path) -> None:
    """Metadata, keyring, key-encryption key, audit with its heads, documents' ids and settings."""
    fill_the_rest(data)
    made = data.back_up()
    assert not made.notes
    back = tmp_path / "back"
    assert not restore_folder(data.open(), made.name, back, QUICK).lost
    with closing(sqlite3.connect(back / "meta.db")) as database:
        assert database.execute("SELECT count(*) FROM tokens").fetchone() == (1,)
    assert (back / "keys/keyring.json").read_bytes() == (data.data / "keys/keyring.json").read_bytes()
    assert (back / "restored/master.key").read_text() == "the key in clear"
    assert (back / "documents/1.journal").read_bytes() == b"ids"
    assert "server.port" in (back / "restored/settings.json").read_text()
    shutil.copytree(back / "audit-heads", back / "heads")
    assert LedgerPlace(back).verify().is_whole
    assert all(path.stat().st_mode & 0o077 == 0 for path in back.rglob("*"))


def test_keys_stay_out_of_a_repository_that_is_not_encrypted(data: BackupPlace) -> None:
    """What opens other things in clear is left out, and the backup says so."""
    fill_the_rest(data)
    plain = BackupPlace(data.home, data.folder, lock=None)
    made = plain.back_up()
    assert any("master.key is not in it" in note for note in made.notes)
    stored = b"".join(path.read_bytes() for path in data.folder.rglob("*") if path.is_file())
    assert b"the key in clear" not in stored
    files = plain.open().files(made.snapshot, plain.open().load_index())
    assert "secrets" not in {file.section for file in files}


def test_settings_with_a_secret_in_them_are_shown_without_it(data: BackupPlace) -> None:
    """In clear the resolved settings are kept, secrets masked."""
    from tamis.backup.contents import other_items, places_of
    from tamis.settings import load_settings

    config = data.home / "tamis.toml"
    config.write_text('[server]\nadmin_token = "hush"\n')
    settings = load_settings({"server.data": str(data.data)}, environ={}, toml_path=config)
    for sealed in (True, False):
        items = {
            item.path: item for item in other_items(QUICK, places_of(settings, data.data), sealed=sealed)
        }
        assert ("settings/tamis.toml" in items) is sealed
        shown = items["settings/settings.json"].open()
        assert b"hush" not in shown.read_at(0, shown.size)
    assert settings_in(data.home).server.data == data.data


def test_a_damaged_segment_is_named_and_its_good_copy_kept(data: BackupPlace, tmp_path: Path) -> None:
    """What an earlier backup has of it is referred to; without one the segment is left out, and the rest is kept."""
    segment = next(data.data.rglob("*.parquet"))
    whole = segment.read_bytes()
    data.back_up()
    segment.write_bytes(whole[:100] + b"\xff" + whole[101:])
    made = data.back_up()
    assert not made.snapshot.problems
    restore_folder(data.open(), made.name, tmp_path / "back", QUICK)
    assert (tmp_path / "back" / segment.relative_to(data.data)).read_bytes() == whole
    fresh = BackupPlace(data.home, tmp_path / "fresh").back_up()
    assert "is damaged where it stands" in fresh.snapshot.problems[0]


def test_appends_and_seals_go_on_while_a_moment_is_read(place: BackupPlace, tmp_path: Path) -> None:
    """The backup holds what was there when it began, though its journal was sealed and its segments merged since."""
    with closing(open_quiet(place.data, disk=QUICK, merge_count=2)) as store:
        store.append(batch("a 1", "a 2"))
        store.seal_now()
        store.append(batch("b 1"))
        repository = place.open()
        with moment_of_store(store, QUICK) as moment:
            store.append(batch("c 1"))
            store.seal_now()
            store.merge_now()
            store.parts.shop.catalog.sweep()
            from tamis.backup.create import create

            made = create(repository, moment, place.places, QUICK, CreateOptions(wait_s=0))
    restore_folder(repository, made.name, tmp_path / "back", QUICK)
    with closing(open_quiet(tmp_path / "back", disk=QUICK)) as again:
        assert messages(again) == ["a 1", "a 2", "b 1"]


def test_a_folder_whose_server_was_killed_is_backed_up_with_its_journal(
    place: BackupPlace, tmp_path: Path
) -> None:
    """Records that no segment has yet are counted, and come back."""
    store = open_quiet(place.data, disk=QUICK)
    store.append(batch("a", "b"))
    store.parts.lock.release()
    made = place.back_up()
    assert (made.snapshot.records, made.snapshot.last_seq) == (2, 2)
    restore_folder(place.open(), made.name, tmp_path / "back", QUICK)
    with closing(open_quiet(tmp_path / "back", disk=QUICK)) as again:
        assert messages(again) == ["a", "b"]
    store.parts.shop.engine.close()


def test_a_journal_that_vanished_is_not_waited_for(place: BackupPlace) -> None:
    """The rest is backed up, and what comes back says what is missing."""
    store = open_quiet(place.data, disk=QUICK)
    store.append(batch("a", "b"))
    store.seal_now()
    store.append(batch("c"))
    for path in (place.data / "journal").iterdir():
        path.unlink()
    made = place.back_up(store)
    restore_folder(place.open(), made.name, place.home / "back", QUICK)
    with closing(open_quiet(place.home / "back", disk=QUICK)) as again:
        assert messages(again) == ["a", "b"]
        assert again.health().problems
    store.parts.lock.release()
    store.parts.shop.engine.close()


def test_a_repository_that_shows_an_older_state_is_not_believed(data: BackupPlace, tmp_path: Path) -> None:
    """A machine that saw a newer snapshot says so; after a prune by whomever the newest is there."""
    data.back_up()
    shutil.copytree(data.folder, tmp_path / "older")
    made = data.back_up()
    repository = data.open()
    remember(QUICK, data.data, repository.config.id, seen_of(repository, made.name, made.snapshot, None))
    seen = read_memory(QUICK, data.data)[repository.config.id]
    require_not_older(repository, repository.snapshots(), seen)
    older = BackupPlace(data.home, tmp_path / "older").open()
    with pytest.raises(RolledBackError, match="the newest that this machine knows"):
        require_not_older(older, older.snapshots(), seen)


def test_a_backup_that_takes_too_long_is_given_up(data: BackupPlace) -> None:
    """It says which setting allows more; what it wrote is used by the next one."""
    clock = data.clock
    assert isinstance(clock, HandClock)

    def slow() -> None:
        clock.pass_s(100)

    with pytest.raises(BackupError, match=r"backup\.timeout_s"):
        data.back_up(options=CreateOptions(timeout_s=10), going_on=slow)
    assert not data.open().snapshots()
    assert not data.open().target.get("config.json").startswith(b"locks")
    data.back_up()


def test_a_backup_reads_no_faster_than_it_may(data: BackupPlace) -> None:
    """The pace is kept by waiting."""
    made = data.back_up(options=CreateOptions(bytes_per_s=1_000))
    clock = data.clock
    assert isinstance(clock, HandClock)
    assert clock.now_ns() - HandClock().now_ns() >= (made.read_bytes - 1_000) / 1_000 * 1e9


def test_room_is_looked_for_before_anything_is_restored(data: BackupPlace, tmp_path: Path) -> None:
    """The error says what is needed and what there is; nothing is left behind but the folder's mark."""
    made = data.back_up()
    (tmp_path / "small").mkdir()
    disk = FragileDisk(tmp_path / "small")
    disk.calls.free = 1_000
    with pytest.raises(NoSpaceError) as raised:
        restore_folder(data.open(), made.name, tmp_path / "small/back", disk)
    assert raised.value.available == 1_000
    assert raised.value.needed > made.snapshot.size_bytes / 2
    assert not list((tmp_path / "small/back").rglob("*.parquet"))


def test_nothing_is_restored_over_what_is_there(data: BackupPlace) -> None:
    """A folder with something in it is refused."""
    made = data.back_up()
    with pytest.raises(BackupError, match="is not empty"):
        restore_folder(data.open(), made.name, data.data, QUICK)


def test_the_status_board_comes_to_all_and_no_further(data: BackupPlace) -> None:
    """Files whose size nobody knows before they are opened count when they are."""
    with closing(open_quiet(data.data, disk=QUICK)) as store:
        store.append(batch("in the journal only"))
        data.back_up(store)
    work = [one for one in status.look().works if one.name == "backup"][-1]
    assert work.done == work.total
    assert work.done > 0
