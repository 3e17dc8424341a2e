"""A disk that fills up under a running store: what does not fit is refused, everything else goes on, and nothing has to
be started again once there is room."""

import errno
import threading
from pathlib import Path

import pytest

from tamis.errors import DiskError, JournalClosedError, NoSpaceError
from tamis.query.ast import All
from tamis.store.base import Budget, Question
from tamis.store.embedded.recovery.verify import verify
from tamis.store.embedded.store import EmbeddedStore
from tests.support.damages import kill
from tests.support.embedded import batch, doubled, messages, open_quiet
from tests.support.fragile_disk import FragileDisk


def sequences(store: EmbeddedStore) -> list[int]:
    page = store.search(Question(All()), Budget(), limit=1_000)
    return sorted(one.seq for one in page.records)


def require_taken(folder: Path, expected: list[str]) -> None:
    """After the process was killed: all that was acknowledged is there, once, and nothing is missed."""
    store = open_quiet(folder)
    assert messages(store) == sorted(expected)
    assert sequences(store) == list(range(1, len(expected) + 1))
    assert store.health().state == "ready"
    store.close()
    assert verify(folder).is_whole


@pytest.mark.parametrize("after", [0, 1, 2, 3])
@pytest.mark.parametrize("before", [0, 2])
def test_a_batch_that_meets_a_full_disk_is_refused_and_the_next_is_taken(tmp_path, before, after):
    """Whichever write it is: the journal's first, its name in the manifest, half a frame. The refused batch may come
    again under its id."""
    disk = FragileDisk(tmp_path)
    store = open_quiet(tmp_path / "data", disk=disk)
    expected = [f"before {number}" for number in range(before)]
    for number, word in enumerate(expected):
        store.append(batch(word), batch_id=f"b{number}")
    disk.refuse("write", errno.ENOSPC, after=after)
    refused = 0
    for number in range(5):
        try:
            store.append(batch(f"later {number}"), batch_id=f"l{number}")
        except NoSpaceError:
            refused += 1
            store.append(batch(f"later {number}"), batch_id=f"l{number}")
        expected.append(f"later {number}")
    assert refused == 1
    assert store.append(batch("again"), batch_id="l3").duplicate
    assert store.health().state == "ready"
    kill(store)
    require_taken(tmp_path / "data", expected)


def test_all_who_wait_together_are_refused_and_their_places_given_again(tmp_path):
    """Of many appends at once some meet the full disk: no sequence is lost, so nothing is missed at the next start."""
    disk = FragileDisk(tmp_path)
    store = open_quiet(tmp_path / "data", disk=disk)
    store.append(batch("first"))
    disk.refuse("write", errno.ENOSPC, after=3)
    expected, refused, lock = ["first"], [], threading.Lock()

    def send(number: int) -> None:
        for place in range(5):
            word = f"{number} {place}"
            try:
                store.append(batch(word), batch_id=word)
            except NoSpaceError:
                with lock:
                    refused.append(word)
            else:
                with lock:
                    expected.append(word)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert refused
    assert len(expected) + len(refused) == 31
    assert not doubled(messages(store))
    kill(store)
    require_taken(tmp_path / "data", expected)


def test_what_cannot_be_taken_back_closes_the_store_and_reads_go_on(tmp_path):
    """A device that fails is no full disk: nothing more is acknowledged, and the reason is said."""
    disk = FragileDisk(tmp_path)
    store = open_quiet(tmp_path / "data", disk=disk)
    store.append(batch("first"))
    disk.refuse("write", errno.EROFS)
    with pytest.raises(DiskError, match="read-only"):
        store.append(batch("second"))
    with pytest.raises(JournalClosedError, match="read-only"):
        store.append(batch("third"))
    assert messages(store) == ["first"]
    health = store.health()
    assert health.state == "closed"
    assert any("read-only" in problem for problem in health.problems)
    kill(store)


def test_a_seal_that_meets_a_full_disk_is_done_later(tmp_path):
    """Records stay in the journal and in memory, and are answered from there."""
    disk = FragileDisk(tmp_path)
    store = open_quiet(tmp_path / "data", disk=disk)
    store.append(batch("first", "second"))
    disk.refuse("write", errno.ENOSPC)
    with pytest.raises(NoSpaceError):
        store.seal_now()
    assert messages(store) == ["first", "second"]
    store.append(batch("third"))
    assert store.seal_now() == 1
    kill(store)
    require_taken(tmp_path / "data", ["first", "second", "third"])


def test_a_full_disk_is_told_until_there_is_room(tmp_path):
    """Health says so, also when nobody sends any more; questions are answered meanwhile."""
    disk = FragileDisk(tmp_path)
    store = open_quiet(tmp_path / "data", disk=disk, disk_reserve_bytes=1_000)
    store.append(batch("first"))
    disk.calls.free = 500
    with pytest.raises(NoSpaceError):
        store.append(batch("second"))
    assert store.health().state == "degraded"
    assert any("nothing is taken in" in problem for problem in store.health().problems)
    assert messages(store) == ["first"]
    disk.calls.free = None
    assert store.health().state == "ready"
    store.append(batch("second"))
    store.close()
