"""The contract of cache levels: each promise of `cache/base.CacheLevel`, kept by every member."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tamis.cache.base import CacheLevel
from tamis.cache.limits import MemoryLimits
from tamis.cache.memory import MemoryLevel
from tests.support.hand_clock import HandClock


@dataclass
class Member:
    """A level of 100 entries or 100,000 bytes at most, on a clock that the test moves."""

    name: str
    make: Callable[[HandClock], CacheLevel]


MEMBERS = [
    Member("memory", lambda clock: MemoryLevel(MemoryLimits(entries_max=100, bytes_max=100_000), clock=clock))
]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=MEMBERS, ids=lambda member: member.name)
def level(request: pytest.FixtureRequest, clock: HandClock) -> Iterator[CacheLevel]:
    made: CacheLevel = request.param.make(clock)
    yield made
    made.close()


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
        thread.join(60)
    assert wrong == []
    assert level.statistics().entries <= 100
    level.clear()
    assert (level.statistics().entries, level.statistics().bytes) == (0, 0)
