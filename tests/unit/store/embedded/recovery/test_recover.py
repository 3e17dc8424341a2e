"""Opening an embedded store: what is there is used, what a crash left is put in order, what is not ours is left."""

import threading

import pytest

from tamis.disk.real import RealDisk
from tamis.errors import FormatError, LockedError
from tamis.query.ast import All
from tamis.store.base import Budget, Question
from tamis.store.embedded.store import create_store, open_store
from tests.support.embedded import HandClock, batch, everything, messages, open_quiet, quiet


def kill(store):
    """Let go as a killed process does."""
    store.parts.shop.engine.close()
    store.parts.lock.release()


def test_the_store_id_is_kept(tmp_path):
    """Eight hexadecimal digits, the same after each start, another for another store."""
    store = open_quiet(tmp_path / "one")
    one = store.store_id
    store.close()
    store = open_quiet(tmp_path / "one")
    other = open_quiet(tmp_path / "two")
    assert store.store_id == one
    assert int(one, 16) >= 0
    assert len(one) == 8
    assert other.store_id != one
    store.close()
    other.close()


def test_two_processes_do_not_share_a_folder(tmp_path):
    """The second is told who has it."""
    store = open_quiet(tmp_path / "data")
    with pytest.raises(LockedError, match="in use by"):
        open_quiet(tmp_path / "data")
    store.close()
    open_quiet(tmp_path / "data").close()


def test_create_and_open_say_what_they_found(tmp_path):
    """`create_store` refuses a store that is there, `open_store` without `create` a folder without one."""
    with pytest.raises(FormatError, match="holds no store"):
        open_store(tmp_path / "data", quiet(), create=False)
    assert not (tmp_path / "data").exists()
    create_store(tmp_path / "data", quiet()).close()
    with pytest.raises(FormatError, match="already"):
        create_store(tmp_path / "data", quiet())
    open_store(tmp_path / "data", quiet(), create=False).close()


def test_a_killed_store_has_everything_acknowledged(tmp_path):
    """Records in the journal come back with their sequences, instants of receipt and ids."""
    store = open_quiet(tmp_path / "data")
    store.append(batch("a", "b"), batch_id="x", receipt=b"r")
    store.append(batch("c"))
    before = everything(store)
    kill(store)
    store = open_quiet(tmp_path / "data")
    assert everything(store) == before
    known = store.find_batch("x")
    assert known is not None
    assert (known.first_seq, known.count, known.receipt) == (1, 2, b"r")
    assert store.append(batch("d")).first_seq == 4
    store.close()


def test_sequences_are_never_given_twice(tmp_path):
    """Also after everything was deleted and erased, and after a start with an empty journal."""
    store = open_quiet(tmp_path / "data")
    store.append(batch("a", "b"))
    store.delete(Question(All()), Budget())
    store.erase_now()
    store.close()
    store = open_quiet(tmp_path / "data")
    assert store.append(batch("c")).first_seq == 3
    store.close()


def test_what_a_crash_left_is_removed_and_the_rest_is_left_alone(tmp_path):
    """Unfinished segments and temporary files go; files that are not the store's stay."""
    folder = tmp_path / "data"
    store = open_quiet(folder)
    store.append(batch("a"))
    store.seal_now()
    kill(store)
    day = folder / "segments/2026-11-21"
    for name in ("00000099.parquet", "00000099.tally", ".tamis-0123456789abcdef.tmp"):
        (day / name).write_bytes(b"unfinished")
    for path in (day / "mine.parquet", folder / "notes.txt", folder / "segments/readme"):
        path.write_bytes(b"mine")
    store = open_quiet(folder)
    assert messages(store) == ["a"]
    assert sorted(path.name for path in day.iterdir()) == [
        "00000001.parquet",
        "00000001.tally",
        "mine.parquet",
    ]
    assert (folder / "notes.txt").read_bytes() == b"mine"
    assert store.health().state == "ready"
    store.close()


def test_starting_reads_neither_segments_nor_tallies(tmp_path):
    """However much there is, a start measures files and reads the manifest and the journal."""
    read = []

    class Watching(RealDisk):
        def open_read(self, path):
            read.append(path.name)
            return super().open_read(path)

    store = open_quiet(tmp_path / "data")
    for number in range(3):
        store.append(batch(f"m{number}"), batch_id=str(number))
        store.seal_now()
    store.append(batch("hot"))
    kill(store)
    store = open_quiet(tmp_path / "data", disk=Watching())
    assert {name.partition(".")[2] for name in read} == {"json", "copy.json", "journal"}
    store.close()


def test_readers_see_each_record_once_while_everything_moves(tmp_path):
    """As of each sequence there are exactly that many records, whatever is sealed, merged or appended."""
    store = open_quiet(tmp_path / "data", merge_count=3)
    stop = threading.Event()
    wrong: list[tuple[int, int]] = []

    def append():
        for number in range(60):
            store.append(batch(*[f"m{number} {place}" for place in range(number % 5 + 1)]))

    def keep():
        while not stop.is_set():
            store.seal_now()
            store.merge_now()

    def read():
        while not stop.is_set():
            counted = store.count(Question(All()), Budget())
            if counted.count != counted.as_of:
                wrong.append((counted.count, counted.as_of))

    threads = [threading.Thread(target=work) for work in (keep, read, read)]
    for thread in threads:
        thread.start()
    writers = [threading.Thread(target=append) for _ in range(2)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert store.count(Question(All()), Budget()).count == 2 * sum(n % 5 + 1 for n in range(60))
    store.close()


def test_the_background_seals_by_itself(tmp_path, monkeypatch):
    """With threads: what is over a limit is in a segment soon, and close leaves no thread."""
    before = threading.active_count()
    store = open_store(tmp_path / "data", quiet(background=True, segment_records=10), clock=HandClock())
    sealed = threading.Event()
    catalog = store.parts.shop.catalog
    drop = catalog.hot.drop_frozen

    def drop_and_tell():
        drop()
        sealed.set()

    monkeypatch.setattr(catalog.hot, "drop_frozen", drop_and_tell)
    store.append(batch(*"abcdefghijkl"))
    assert sealed.wait(60)
    store.close()
    assert threading.active_count() == before
