"""`set` beside other writers and computations: what came last is what is there, in every level."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tamis.cache.base import CacheLevel
from tamis.cache.disk import DiskLevel, DiskLimits
from tamis.cache.limits import CacheLimits
from tamis.cache.multilevel import MultiLevelCache

SOON_S = 60.0
PATIENT = DiskLimits(timeout_s=SOON_S)
BY_HAND = CacheLimits(follow_interval_s=3_600, wait_s=SOON_S)


class Watched(DiskLevel):
    """A level that tells of each write: before it begins, and when it is done."""

    before: Callable[[Any], object] = staticmethod(lambda value: None)
    after: Callable[[Any], object] = staticmethod(lambda value: None)

    def write(self, key: str, value: Any, *, ttl_s: float, tags: tuple[str, ...] = ()) -> bool:
        self.before(value)
        is_kept = super().write(key, value, ttl_s=ttl_s, tags=tags)
        self.after(value)
        return is_kept


Make = Callable[..., MultiLevelCache]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[MultiLevelCache] = []

    def cache(*levels: CacheLevel) -> MultiLevelCache:
        made.append(MultiLevelCache(limits=BY_HAND, levels=levels))
        return made[-1]

    yield cache
    for each in made:
        each.close()


def fast_and_slow(folder: Path) -> tuple[DiskLevel, Watched]:
    """Two levels that processes share."""
    return DiskLevel(folder / "fast", PATIENT, name="fast"), Watched(folder / "slow", PATIENT, name="slow")


def kept(level: DiskLevel, key: str = "k") -> object:
    found = level.read(key)
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda cache: cache.set("k", "new"), "new"),
        (lambda cache: cache.delete("k"), None),
        (lambda cache: cache.invalidate_tag("t"), None),
        (lambda cache: cache.clear(), None),
    ],
    ids=["set", "delete", "tag", "clear"],
)
def test_a_set_does_not_hide_what_another_process_did_meanwhile(
    tmp_path: Path, make: Make, change: Callable[[MultiLevelCache], object], wanted: object
) -> None:
    """A key that was changed while its levels were written is as the change says, in memory and in each level."""
    levels = fast_and_slow(tmp_path)
    ours, theirs = make(*levels), make(*fast_and_slow(tmp_path))

    def meanwhile(_: object) -> None:
        change(theirs)
        ours.catch_up()

    levels[1].before = meanwhile
    assert ours.set("k", "old", tags=("t",))
    theirs.catch_up()
    assert (ours.get("k"), theirs.get("k"), kept(levels[0])) == (wanted, wanted, wanted)
    assert kept(levels[1]) in (wanted, None)


def test_a_set_stays_where_another_tag_was_invalidated_meanwhile(tmp_path: Path, make: Make) -> None:
    """Only its own tags concern it: memory has it."""
    levels = fast_and_slow(tmp_path)
    ours, theirs = make(*levels), make(*fast_and_slow(tmp_path))

    def meanwhile(_: object) -> None:
        theirs.invalidate_tag("other")
        ours.catch_up()

    levels[1].before = meanwhile
    assert ours.set("k", "ours", tags=("t",))
    assert ours.get_comprehensive_stats()["levels"]["memory"]["entries"] == 1
    assert kept(levels[1]) == "ours"


def test_two_sets_of_one_key_have_one_order(tmp_path: Path, make: Make) -> None:
    """The second waits for the first; memory and the level below have the same value."""
    level, written, go = Watched(tmp_path, PATIENT), threading.Event(), threading.Event()

    def hold(value: object) -> None:
        if value == "first":
            written.set()
            assert go.wait(SOON_S)

    level.after = hold
    cache = make(level)
    first = threading.Thread(target=lambda: cache.set("k", "first"))
    first.start()
    assert written.wait(SOON_S)
    second = threading.Thread(target=lambda: cache.set("k", "second"))
    second.start()
    assert cache.set("another", 1)
    second.join(0.2)  # a mistake would show; a slow machine shows nothing
    go.set()
    for thread in (first, second):
        thread.join(SOON_S)
    assert (cache.get("k"), kept(level)) == ("second", "second")


def test_a_set_within_the_set_of_its_key_ends(tmp_path: Path, make: Make) -> None:
    """As when an object that is collected sets the key at its end: the thread does not wait for itself."""
    levels = fast_and_slow(tmp_path)
    cache = make(*levels)
    with cache._writing._turns.of("k"):
        assert cache.set("k", "inner")
    assert cache.get("k") == "inner"


def test_a_computation_that_began_before_a_set_returned_does_not_replace_it() -> None:
    """Also one that began while the value was weighed: what was set stays, who asked has what was computed."""
    begun, go, results = threading.Event(), threading.Event(), list[object]()

    def compute() -> str:
        begun.set()
        assert go.wait(SOON_S)
        return "computed before"

    thread = threading.Thread(target=lambda: results.append(cache.get_or_compute("k", compute)))

    def size(value: object) -> int:
        if value == ["set"]:
            thread.start()
            assert begun.wait(SOON_S)
        return 1

    cache = MultiLevelCache(size=size)
    assert cache.set("k", ["set"])
    go.set()
    thread.join(SOON_S)
    assert results == ["computed before"]
    assert cache.get("k") == ["set"]


def test_a_computation_that_began_while_levels_were_written_is_not_kept(tmp_path: Path, make: Make) -> None:
    """Neither in memory nor below it, although it had not begun when the set did."""
    level, go, begun, results = (
        Watched(tmp_path, PATIENT),
        threading.Event(),
        threading.Event(),
        list[object](),
    )

    def compute() -> str:
        begun.set()
        assert go.wait(SOON_S)
        return "computed before"

    thread = threading.Thread(target=lambda: results.append(cache.get_or_compute("k", compute)))

    def begin(_: object) -> None:
        with suppress(RuntimeError):  # it was started before
            thread.start()
        assert begun.wait(SOON_S)

    level.before = begin
    cache = make(level)
    cache.set("k", "set")
    go.set()
    thread.join(SOON_S)
    assert results == ["computed before"]
    assert (cache.get("k"), kept(level)) == ("set", "set")


def test_a_call_in_a_task_does_not_wait_for_another_task_of_its_loop() -> None:
    """That task could not go on meanwhile: whoever asks computes alone at once."""
    cache = MultiLevelCache(limits=BY_HAND)

    async def check() -> None:
        begun, go = asyncio.Event(), asyncio.Event()

        async def slow() -> str:
            begun.set()
            await go.wait()
            return "task"

        task = asyncio.create_task(cache.aget_or_compute("k", slow))
        await begun.wait()
        assert cache.get_or_compute("k", lambda: "alone") == "alone"
        go.set()
        assert await task == "task"

    begin = time.monotonic()
    asyncio.run(check())
    assert time.monotonic() - begin < SOON_S
    assert cache.get_comprehensive_stats()["computed"]["alone"] == 1
