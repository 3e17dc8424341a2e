"""The contract of cache levels: each promise of `cache/base.CacheLevel`, kept by every member."""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tamis.cache.base import CacheLevel, Change, Claim, SharedLevel
from tamis.cache.disk import DiskLevel, DiskLimits
from tamis.cache.limits import MemoryLimits
from tamis.cache.memory import MemoryLevel
from tamis.cache.redis import RedisLevel, RedisLimits
from tests.support.hand_clock import HandClock
from tests.support.parts import program
from tests.support.redis_server import RedisServer, running_redis

WAIT_S = 60.0
Make = Callable[[], CacheLevel]
"""A level of 100 entries or 100,000 bytes at most, on a clock that the test moves; each call gives another of those
that share one place."""


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(program("redis-server"), tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def makers(request: pytest.FixtureRequest, clock: HandClock, tmp_path: Path) -> dict[str, Make]:
    space = uuid4().hex

    def in_redis() -> CacheLevel:
        server: RedisServer = request.getfixturevalue("redis")
        limits = RedisLimits(entries_max=100, bytes_max=100_000, timeout_s=WAIT_S)
        return RedisLevel(server.url, limits, namespace=space, clock=clock)

    def on_disk() -> CacheLevel:
        limits = DiskLimits(entries_max=100, bytes_max=100_000, timeout_s=WAIT_S)
        return DiskLevel(tmp_path, limits, clock=clock)

    def in_memory() -> CacheLevel:
        return MemoryLevel(MemoryLimits(entries_max=100, bytes_max=100_000), clock=clock)

    return {"memory": in_memory, "redis": in_redis, "disk": on_disk}


@pytest.fixture(params=["memory", "redis", "disk"])
def level(request: pytest.FixtureRequest, makers: dict[str, Make]) -> Iterator[CacheLevel]:
    made = makers[request.param]()
    yield made
    made.close()


@pytest.fixture(params=["redis", "disk"])
def pair(
    request: pytest.FixtureRequest, makers: dict[str, Make]
) -> Iterator[tuple[SharedLevel, SharedLevel]]:
    """Two processes' levels over one place."""
    ours, theirs = makers[request.param](), makers[request.param]()
    assert isinstance(ours, SharedLevel)
    assert isinstance(theirs, SharedLevel)
    yield ours, theirs
    ours.close()
    theirs.close()


def keys(level: CacheLevel, *names: str) -> set[str]:
    return {name for name in names if level.read(name) is not None}


def test_what_is_written_is_read(level: CacheLevel, clock: HandClock) -> None:
    """With its value, its tags and the time that is left; the last one written counts."""
    assert level.read("a") is None
    assert level.write("a", {"n": [1, None, 2.5, "ü"]}, ttl_s=10, tags=("x", "y"))
    clock.pass_s(4)
    found = level.read("a")
    assert found is not None
    assert found.value == {"n": [1, None, 2.5, "ü"]}
    assert found.ttl_left_s == pytest.approx(6)
    assert set(found.tags) == {"x", "y"}
    level.write("a", None, ttl_s=10)
    found = level.read("a")
    assert found is not None
    assert (found.value, found.tags) == (None, ())


def test_nothing_outlives_its_time(level: CacheLevel, clock: HandClock) -> None:
    """At the instant it is over it is gone, each entry at its own."""
    level.write("short", 1, ttl_s=1)
    level.write("long", 2, ttl_s=2)
    clock.pass_s(1)
    assert keys(level, "short", "long") == {"long"}
    clock.pass_s(1)
    assert keys(level, "short", "long") == set()


def test_removing(level: CacheLevel) -> None:
    """By key, prefix, tag, or all; what is said to be gone is, and the number is what there was."""
    for name in ("a:1", "a:2", "b:1", "b:2"):
        level.write(name, name, ttl_s=10, tags=(name[-1],))
    assert level.remove("a:1")
    assert not level.remove("a:1")
    assert level.remove_tag("1") == 1
    assert keys(level, "a:1", "a:2", "b:1", "b:2") == {"a:2", "b:2"}
    assert level.remove_prefix("a") == 1
    assert level.remove_tag("nobody has it") == 0
    assert level.clear() == 1
    assert keys(level, "a:1", "a:2", "b:1", "b:2") == set()


def test_a_replaced_entry_leaves_its_tags(level: CacheLevel) -> None:
    """An entry is only under the tags of its last write."""
    level.write("a", 1, ttl_s=10, tags=("old",))
    level.write("a", 2, ttl_s=10, tags=("new",))
    assert level.remove_tag("old") == 0
    assert level.remove_tag("new") == 1


def test_a_value_over_all_bounds_is_not_kept(level: CacheLevel) -> None:
    """Neither it nor what it should have replaced."""
    level.write("a", 1, ttl_s=10)
    assert not level.write("a", random.Random(1).randbytes(200_000), ttl_s=10)
    assert level.read("a") is None


def test_it_is_bounded(level: CacheLevel) -> None:
    """However much is written, entries and bytes stay within the limits, and the newest is there."""
    for number in range(1_000):
        level.write(
            f"k{number}", random.Random(number).randbytes(1 + number * 7 % 5_000), ttl_s=1 + number % 7
        )
        assert level.read(f"k{number}") is not None
        found = level.statistics()
        assert found.entries <= 100
        assert found.bytes <= 100_000


def test_statistics_add_up(level: CacheLevel) -> None:
    """Reads are hits or misses; what says that there is nothing is a hit."""
    level.write("a", None, ttl_s=10)
    level.read("a")
    level.read("b")
    level.remove("a")
    level.check()
    counts = level.statistics().counts
    assert (counts.hits, counts.negative_hits, counts.misses) == (1, 1, 1)
    assert (counts.writes, counts.removed) == (1, 1)


def test_the_least_recently_used_makes_room(level: CacheLevel) -> None:
    """A read counts as use."""
    for number in range(100):
        level.write(f"k{number}", number, ttl_s=10)
    level.read("k0")
    level.write("one more", 1, ttl_s=10)
    assert keys(level, "k0", "k1", "k2", "one more") == {"k0", "k2", "one more"}
    assert level.statistics().counts.evicted == 1


def test_others_are_told_what_was_set_and_removed(pair: tuple[SharedLevel, SharedLevel]) -> None:
    """By name; one's own doing is left out, and so is what was only computed; after a clear anything may be gone."""
    ours, theirs = pair
    start = theirs.position()
    ours.write("a", 1, ttl_s=10, tags=("t",))
    ours.write_computed("b", 1, ttl_s=10, tags=(), claim=Claim(start))
    ours.remove("c")
    ours.remove_prefix("d:")
    ours.remove_tag("ü")
    told = theirs.changes(start)
    assert told.changes is not None
    assert sorted(told.changes) == sorted(
        [Change("key", "a"), Change("key", "c"), Change("prefix", "d:"), Change("tag", "ü")]
    )
    assert ours.changes(start).changes == ()
    assert theirs.changes(told.position).changes == ()
    ours.clear()
    assert theirs.changes(told.position).changes is None


def test_too_much_at_once_is_told_as_anything(pair: tuple[SharedLevel, SharedLevel]) -> None:
    """Whoever was away for long forgets all."""
    ours, theirs = pair
    start = theirs.position()
    for number in range(501):
        ours.remove(f"k{number}")
    assert theirs.changes(start).changes is None


@pytest.mark.parametrize(
    "change",
    [
        lambda level: level.remove("a:1"),
        lambda level: level.remove_prefix("a:"),
        lambda level: level.remove_prefix(""),
        lambda level: level.remove_tag("t"),
        lambda level: level.clear(),
        lambda level: level.write("a:1", "new", ttl_s=10),
    ],
    ids=["key", "prefix", "all prefixes", "tag", "clear", "write"],
)
def test_what_was_computed_before_a_change_is_not_kept(
    pair: tuple[SharedLevel, SharedLevel], change: Callable[[SharedLevel], object]
) -> None:
    """Whoever changed it; changes of other names do no harm, and what is computed afterwards is kept."""
    ours, theirs = pair
    claim = Claim(ours.position())
    theirs.remove("other")
    theirs.remove_prefix("b")
    theirs.remove_tag("other")
    assert ours.write_computed("a:1", "old", ttl_s=10, tags=("t",), claim=claim)
    change(theirs)
    assert not ours.write_computed("a:1", "old", ttl_s=10, tags=("t",), claim=claim)
    found = ours.read("a:1")
    assert found is None or found.value == "new"
    assert ours.write_computed("a:1", "newer", ttl_s=10, tags=("t",), claim=Claim(ours.position()))


def test_a_clear_of_others_does_not_hinder_writes(pair: tuple[SharedLevel, SharedLevel]) -> None:
    """What is set after it stays."""
    ours, theirs = pair
    ours.write("a", 1, ttl_s=10)
    theirs.clear()
    assert ours.write("a", 2, ttl_s=10)
    found = theirs.read("a")
    assert found is not None
    assert found.value == 2


def test_one_has_the_lease(pair: tuple[SharedLevel, SharedLevel], clock: HandClock) -> None:
    """Until it writes, gives it back, or its time is over; asking again prolongs it."""
    ours, theirs = pair
    assert ours.lease("a", "us", seconds=5)
    assert not theirs.lease("a", "them", seconds=5)
    assert theirs.lease("b", "them", seconds=5)
    clock.pass_s(4)
    assert ours.lease("a", "us", seconds=5)
    clock.pass_s(4)
    theirs.release("a", "them")
    assert not theirs.lease("a", "them", seconds=5)
    ours.write_computed("a", 1, ttl_s=10, tags=(), claim=Claim(ours.position(), "us"))
    assert theirs.lease("a", "them", seconds=5)
    theirs.release("a", "them")
    assert ours.lease("a", "us", seconds=5)
    clock.pass_s(5)
    assert theirs.lease("a", "them", seconds=5)


def test_what_cannot_be_packed_is_refused(pair: tuple[SharedLevel, SharedLevel]) -> None:
    """With the reason in the statistics; what was there before is gone."""
    ours, _ = pair
    ours.write("a", 1, ttl_s=10)
    assert not ours.write("a", object(), ttl_s=10)
    assert ours.read("a") is None
    statistics = ours.statistics()
    assert statistics.counts.refused == 1
    assert "object" in statistics.refusal
    assert not ours.write("k" * 5_000, 1, ttl_s=10)
    assert ours.read("k" * 5_000) is None
    assert not ours.remove("\ud800")


def test_many_threads_at_once(level: CacheLevel) -> None:
    """Nobody reads what belongs to another key, and the bounds hold in the end."""
    wrong: list[object] = []

    def work(seed: int) -> None:
        choice = random.Random(seed)
        try:
            for _ in range(300):
                name = f"k{choice.randrange(150)}"
                act = choice.random()
                if act < 0.5:
                    level.write(name, name * choice.randrange(1, 50), ttl_s=5, tags=(name[-1],))
                elif act < 0.9:
                    found = level.read(name)
                    if found is not None and not found.value.startswith(name):
                        wrong.append(found)
                elif act < 0.95:
                    level.remove(name)
                else:
                    level.remove_tag(name[-1])
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert wrong == []
    assert level.statistics().entries <= 100
    level.clear()
    assert (level.statistics().entries, level.statistics().bytes) == (0, 0)
