"""The embedded store when the power goes: every operation on the disk is a place to cut."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.disk.real import RealDisk
from tamis.query.ast import Phrase
from tamis.store.base import Budget, Question
from tamis.store.embedded.recovery.verify import verify
from tamis.store.embedded.store import EmbeddedStore
from tests.support.embedded import HandClock, batch, doubled, messages, open_quiet
from tests.support.fragile_disk import FragileDisk, Mode, PowerCut

LIMITS = {"merge_count": 2, "journal_bytes_max": 3_000}


class Work:
    """A day in the life of a store; knows what was acknowledged, and what was under way at the cut."""

    operations = 389

    def __init__(self, disk: FragileDisk, folder: Path) -> None:
        self.disk, self.folder, self.clock = disk, folder, HandClock()
        self.stored: dict[str, list[str]] = {}
        self.under_way: tuple[str, list[str]] | None = None
        self.deleted: set[str] = set()
        self.deleting: set[str] = set()
        self.opened: list[EmbeddedStore] = []

    def run(self) -> None:
        store = self.open()
        for number in range(3):
            self.append(store, number)
        store.seal_now()
        self.append(store, 3)
        self.delete(store, "w1")
        self.append(store, 4)
        store.seal_now()
        self.append(store, 5)
        store.merge_now()
        self.delete(store, "w2")
        store.erase_now()
        self.append(store, 6)
        store.close()
        store = self.open()
        self.append(store, 7)
        store.seal_now()
        store.merge_now()
        self.append(store, 8)
        store.close()

    def open(self) -> EmbeddedStore:
        self.opened.append(open_quiet(self.folder, disk=self.disk, clock=self.clock, **LIMITS))
        return self.opened[-1]

    def append(self, store: EmbeddedStore, number: int) -> None:
        words = [f"batch {number} w{place}" for place in range(4)]
        self.under_way = (f"id-{number}", words)
        store.append(batch(*words), batch_id=f"id-{number}", receipt=b"r%d" % number)
        self.stored[f"id-{number}"] = words
        self.under_way = None
        self.clock.pass_s(1)

    def delete(self, store: EmbeddedStore, word: str) -> None:
        found = {text for words in self.stored.values() for text in words if text.endswith(word)}
        self.deleting = found
        store.delete(Question(Phrase("message", word)), Budget())
        self.deleting = set()
        self.deleted |= found


class ShortWork(Work):
    """The same in an hour."""

    operations = 181

    def run(self) -> None:
        store = self.open()
        self.append(store, 0)
        store.seal_now()
        self.append(store, 1)
        self.delete(store, "w1")
        self.append(store, 2)
        store.erase_now()
        store.merge_now()
        self.append(store, 3)
        store.close()


def work_until(root: Path, cut_at: int | None, kind: type[Work] = ShortWork) -> Work:
    root.mkdir()
    work = kind(FragileDisk(root, cut_at), root / "data")
    try:
        work.run()
    except PowerCut:
        assert work.disk.was_cut
        for store in work.opened:
            store.parts.shop.engine.close()
    return work


def violations(work: Work, store: EmbeddedStore) -> Iterator[str]:
    """Which promise was broken."""
    found = messages(store)
    kept = {text for words in work.stored.values() for text in words} - work.deleted
    if doubled(found):
        yield f"twice: {doubled(found)}"
    missing = kept - set(found)
    if missing and missing != work.deleting:
        yield f"lost: {missing}"
    if work.deleting and missing not in (set(), work.deleting):
        yield f"half deleted: {missing}"
    back = set(found) & work.deleted
    if back:
        yield f"deleted records came back: {back}"
    if work.under_way is not None:
        batch_id, words = work.under_way
        there = set(found) & set(words)
        if there and there != set(words):
            yield f"half a batch: {there}"
        if bool(there) != (store.find_batch(batch_id) is not None):
            yield f"{batch_id} and its records do not go together"
    unknown = set(found) - kept - set(work.under_way[1] if work.under_way else ())
    if unknown:
        yield f"never sent: {unknown}"
    for batch_id in work.stored:
        if store.find_batch(batch_id) is None:
            yield f"{batch_id} is forgotten"


def check(work: Work) -> list[str]:
    """Open what is left, look, send again what was not acknowledged, look again."""
    work.disk = FragileDisk(work.folder.parent)
    store = work.open()
    broken = list(violations(work, store))
    problems = [
        text for text in store.health().problems if "cut short" not in text and "unfinished" not in text
    ]
    broken += problems
    if work.under_way is not None:
        batch_id, words = work.under_way
        store.append(batch(*words), batch_id=batch_id)
        work.stored[batch_id], work.under_way = words, None
    for batch_id, words in list(work.stored.items()):
        answer = store.append(batch(*words), batch_id=batch_id)
        if not answer.duplicate:
            broken.append(f"{batch_id} was taken twice")
    if work.deleting:
        gone = work.deleting - set(messages(store))
        work.deleted, work.deleting = work.deleted | gone, set()
    broken += violations(work, store)
    store.close()
    report = verify(work.folder, disk=RealDisk())
    broken += [f"{one.path}: {one.problem}" for one in report.findings]
    store = work.open()
    broken += violations(work, store)
    store.close()
    return broken


def cut(root: Path, cut_at: int, mode: Mode, *, seed: int = 0, kind: type[Work] = ShortWork) -> list[str]:
    work = work_until(root, cut_at, kind)
    work.disk.after_power_cut(mode, seed)
    return check(work)


@pytest.mark.parametrize("kind", [ShortWork, Work])
def test_the_whole_run_is_covered(tmp_path, kind):
    """Without a cut everything acknowledged is there, and the number of places to cut is known."""
    work = work_until(tmp_path / "whole", None, kind)
    done = work.disk.operations
    assert check(work) == []
    assert kind.operations - 10 < done <= kind.operations


@pytest.mark.parametrize("first", range(1, 9))
def test_a_power_cut_anywhere_loses_and_doubles_nothing(tmp_path, first):
    """Whatever operation the power goes at: what was acknowledged is there, once, and nothing half is."""
    for cut_at in range(first, ShortWork.operations + 1, 8):
        mode: Mode = "forget" if first % 2 else "random"
        assert (cut_at, cut(tmp_path / str(cut_at), cut_at, mode, seed=cut_at)) == (cut_at, [])


@pytest.mark.full
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(
    ("mode", "seed"), [("forget", 0), ("keep", 0), *(("random", n) for n in range(1, 7))]
)
def test_every_kind_of_power_cut_at_every_operation(tmp_path, mode: Mode, seed):
    """The same over a longer day, with all that was not synced kept, forgotten, and mixed at random."""
    for cut_at in range(1, Work.operations + 1):
        broken = cut(tmp_path / str(cut_at), cut_at, mode, seed=seed, kind=Work)
        assert (cut_at, broken) == (cut_at, [])


def cut_twice(root: Path, first: int, second: int) -> list[str]:
    """The process is killed, starts again while the machine runs on, and then the power goes."""
    work = work_until(root, first)
    work.disk.restart(second)
    try:
        store = work.open()
        store.close()
    except PowerCut:
        work.opened[-1].parts.shop.engine.close()
    work.disk.after_power_cut("forget")
    return check(work)


@pytest.mark.parametrize("first", [24, 58, 97, 126, 160])
def test_a_power_cut_while_a_crash_is_mended(tmp_path, first):
    """What a killed process wrote but had not made safe is made safe before anything depends on it."""
    for second in range(1, 28, 5):
        broken = cut_twice(tmp_path / f"{first}-{second}", first, second)
        assert (first, second, broken) == (first, second, [])
