"""Ids of documents: remembered up to a limit, across starts, and never before what they name is stored."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.record.model import Columns, Record
from tamis.server.intake.documents import FILES_KEPT, FOLDER, Documents, Runs
from tamis.store.memory import MemoryStore
from tamis.wire.bulk_ids import Identities, identify, unpack


def named(*names: int | str) -> Identities:
    return identify(["logs"], [str(name) for name in names], [str(name).encode() for name in names])


def stored(documents: Documents, store: MemoryStore, identities: Identities) -> list[bool]:
    """Store what is not there yet; what was there."""
    with documents.claim(identities) as claim:
        there: list[bool] = claim.exists.tolist()
        new = identities.take(~claim.exists)
        if len(new):
            name = claim.note(new, None)
            store.append(Columns.of([Record(1)] * len(new)), batch_id=name)
            claim.keep()
    return there


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), max_size=6), max_size=6
    )
)
@settings(max_examples=200, deadline=None)
def test_runs_know_what_a_set_knows(batches: list[list[tuple[int, int, int]]]) -> None:
    """Also where first words of digests are equal."""
    runs = Runs(1_000)
    known: set[tuple[int, int, int]] = set()
    for batch in batches:
        words = Identities(np.array(batch, np.uint64).reshape(-1, 3))
        exists, same = runs.find(words)
        assert exists.tolist() == [any(one[:2] == other[:2] for other in known) for one in batch]
        assert same.tolist() == [one in known for one in batch]
        runs.add(words)
        known.update(batch)


def test_the_oldest_ids_make_room() -> None:
    """The newest `ids_max` are known, and no more runs are held than that takes."""
    runs = Runs(100)
    for first in range(0, 1_000, 50):
        runs.add(named(*range(first, first + 50)))
    assert len(runs) <= 100
    assert runs.find(named(*range(950, 1_000)))[0].all()
    assert not runs.find(named(*range(800)))[0].any()


def test_identities_are_bytes_and_back() -> None:
    """The same on every machine: these bytes are in files."""
    made = identify(["logs"], ["a"], [b"{}"])
    assert made.packed().hex() == "a399ea73d7510407a02f753a08c021cf01e7b720ff566d53"
    assert unpack(made.packed()).words.tolist() == made.words.tolist()
    assert identify(["logs", "x"], ["a", "a"], [b"{}", b"{}"]).words[0].tolist() == made.words[0].tolist()


def test_ids_are_known_after_a_start_when_their_batch_is(tmp_path: Path) -> None:
    """A batch that never reached the store leaves its ids free."""
    store = MemoryStore()
    documents = Documents(tmp_path, store, ids_max=100)
    assert stored(documents, store, named("a", "b")) == [False, False]
    with documents.claim(named("c")) as claim:
        claim.note(named("c"), None)  # the end comes before the store has it
    documents.close()
    documents.close()
    again = Documents(tmp_path, store, ids_max=100)
    assert stored(again, store, named("a", "b", "c")) == [True, True, False]
    again.close()


def test_a_torn_or_strange_file_only_forgets(tmp_path: Path) -> None:
    """What cannot be read is stored again; nothing fails."""
    store = MemoryStore()
    documents = Documents(tmp_path, store, ids_max=100)
    stored(documents, store, named("a"))
    documents.close()
    (file,) = (tmp_path / FOLDER).iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    (tmp_path / FOLDER / "7.journal").write_bytes(b"no journal")
    (tmp_path / FOLDER / "notes.txt").write_bytes(b"of somebody")
    again = Documents(tmp_path, store, ids_max=100)
    assert stored(again, store, named("a", "b")) == [False, False]
    again.close()
    assert (tmp_path / FOLDER / "8.journal").exists()


def test_files_are_bounded(tmp_path: Path) -> None:
    """As many as hold what is remembered."""
    store = MemoryStore()
    documents = Documents(tmp_path, store, ids_max=20)
    for first in range(0, 200, 5):
        stored(documents, store, named(*range(first, first + 5)))
    documents.close()
    assert len(list((tmp_path / FOLDER).iterdir())) <= FILES_KEPT
    again = Documents(tmp_path, store, ids_max=20)
    assert all(stored(again, store, named(*range(180, 200))))
    again.close()


def test_bodies_with_the_same_ids_wait_for_each_other() -> None:
    """The second sees what became of the first; one with other ids does not wait."""
    store = MemoryStore()
    documents = Documents(None, store, ids_max=100)
    seen: list[Any] = []
    waiting = threading.Thread(target=lambda: seen.append(stored(documents, store, named("b", "c"))))
    with documents.claim(named("a", "b")) as claim:
        waiting.start()
        assert stored(documents, store, named("d")) == [False]
        assert not seen
        claim.note(named("a", "b"), None)
        claim.keep()
    waiting.join(60)
    assert seen == [[True, False]]


def test_a_failure_leaves_ids_free() -> None:
    """Whoever waits then has them."""
    documents = Documents(None, MemoryStore(), ids_max=100)
    try:
        with documents.claim(named("a")) as claim:
            claim.note(named("a"), None)
            raise OSError
    except OSError:
        pass
    with documents.claim(named("a")) as claim:
        assert not claim.exists.any()
