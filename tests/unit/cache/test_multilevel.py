"""What people do with a cache."""

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tamis.cache.base import Found
from tamis.cache.limits import CacheLimits, MemoryLimits
from tamis.cache.memory import MemoryLevel
from tamis.cache.multilevel import MultiLevelCache
from tamis.clock import SYSTEM_CLOCK
from tamis.errors import ConfigError
from tamis.resilience.executor import TaskExecutor
from tests.support.hand_clock import HandClock

SOON_S = 20.0


class Slower(MemoryLevel):
    """A level below memory that fails while `is_away`."""

    name = "slower"

    def __init__(self, clock: HandClock) -> None:
        super().__init__(MemoryLimits(ttl_s=3_600), clock=clock)
        self.is_away = False

    def look(self) -> None:
        if self.is_away:
            raise ConnectionRefusedError("nobody there")

    def read(self, key: str) -> Found | None:
        self.look()
        return super().read(key)

    def write(self, key: str, value: Any, *, ttl_s: float, tags: tuple[str, ...] = ()) -> bool:
        self.look()
        return super().write(key, value, ttl_s=ttl_s, tags=tags)

    def remove(self, key: str) -> bool:
        self.look()
        return super().remove(key)

    def clear(self) -> int:
        self.look()
        return super().clear()

    def check(self) -> None:
        self.look()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def cache(clock: HandClock) -> MultiLevelCache:
    return MultiLevelCache(clock=clock)


def computed(cache: MultiLevelCache) -> dict[str, int]:
    found: dict[str, int] = cache.get_comprehensive_stats()["computed"]
    return found


def until(is_so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + SOON_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)


async def auntil(is_so: Callable[[], bool]) -> None:
    """The same on a loop, which goes on meanwhile."""
    end = time.monotonic() + SOON_S
    while not is_so():
        assert time.monotonic() < end
        await asyncio.sleep(0.001)


def test_the_numbers_are_those_of_the_specification() -> None:
    """1,000 entries for 300 s."""
    assert (MemoryLimits().entries_max, MemoryLimits().ttl_s) == (1_000, 300)


@pytest.mark.parametrize(
    "wrong", [{"entries_max": 0}, {"bytes_max": 1.5}, {"ttl_s": 0}, {"ttl_s": float("nan")}]
)
def test_a_wrong_memory_limit_is_refused(wrong: Any) -> None:
    """With the name of what is wrong."""
    with pytest.raises(ConfigError) as caught:
        MemoryLimits(**wrong)
    assert caught.value.key in wrong


@pytest.mark.parametrize("wrong", [{"negative_ttl_s": 0}, {"refresh_share": 1}, {"wait_s": -1}])
def test_a_wrong_cache_limit_is_refused(wrong: Any) -> None:
    """With the name of what is wrong."""
    with pytest.raises(ConfigError) as caught:
        CacheLimits(**wrong)
    assert caught.value.key in wrong


def test_get_set_delete_clear(cache: MultiLevelCache, clock: HandClock) -> None:
    """As a dictionary, with time."""
    assert cache.get("a") is None
    assert cache.set("a", 1)
    cache.set("b", 2, ttl_s=10)
    assert (cache.get("a"), cache.get("b"), cache.get("c", 3)) == (1, 2, 3)
    clock.pass_s(10)
    assert (cache.get("a"), cache.get("b")) == (1, None)
    clock.pass_s(290)
    assert cache.get("a") is None
    cache.set("a", 1)
    assert cache.delete("a")
    assert not cache.delete("a")
    cache.set("a", 1)
    assert cache.clear() == 1
    assert cache.get("a") is None


def test_the_least_recently_used_makes_room(clock: HandClock) -> None:
    """A read counts as use."""
    cache = MultiLevelCache(MemoryLimits(entries_max=2), clock=clock)
    cache.set("a", 1)
    cache.set("b", 2)
    cache.get("a")
    cache.set("c", 3)
    assert [cache.get(name) for name in "abc"] == [1, None, 3]


def test_bytes_are_bounded_whatever_the_values_are() -> None:
    """Nested values, structs and buffers are counted with what they hold."""

    class Row(msgspec.Struct):
        text: str

    cache = MultiLevelCache(MemoryLimits(bytes_max=50_000))
    for number in range(100):
        cache.set(f"a{number}", {"rows": [Row("x" * 4_000)]})
    stats = cache.get_comprehensive_stats()["levels"]["memory"]
    assert 9 <= stats["entries"] <= 12
    assert stats["bytes"] <= 50_000
    assert not cache.set("large", [Row("x" * 60_000)])
    assert cache.get_comprehensive_stats()["levels"]["memory"]["refused"] == 1


def test_that_there_is_nothing_is_kept_too(cache: MultiLevelCache, clock: HandClock) -> None:
    """For a shorter time, and `get` gives the default meanwhile."""
    calls: list[int] = []
    for _ in range(3):
        assert cache.get_or_compute("a", lambda: calls.append(1)) is None
    assert cache.get("a", "default") == "default"
    assert len(calls) == 1
    clock.pass_s(30)
    cache.get_or_compute("a", lambda: calls.append(1))
    assert len(calls) == 2


def test_invalidation(cache: MultiLevelCache) -> None:
    """By prefix and by tag; wrong times and tags are refused."""
    for name in ("q:1", "q:2", "u:1"):
        cache.set(name, name, tags=["all", name[-1]])
    assert cache.invalidate_prefix("q:") == 2
    assert cache.invalidate_tag("1") == 1
    assert cache.invalidate_tag("all") == 0
    with pytest.raises(ValueError, match="ttl_s = 0"):
        cache.set("a", 1, ttl_s=0)
    with pytest.raises(TypeError, match="not one text"):
        cache.set("a", 1, tags="all")


def test_one_computes_for_many_threads(cache: MultiLevelCache) -> None:
    """Eight threads ask at once: one computation, eight results."""
    opened, results = threading.Event(), list[int]()

    def compute() -> int:
        assert opened.wait(SOON_S)
        return 7

    threads = [
        threading.Thread(target=lambda: results.append(cache.get_or_compute("a", compute))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    until(lambda: cache.get_comprehensive_stats()["levels"]["memory"]["misses"] == 8)
    opened.set()
    for thread in threads:
        thread.join(SOON_S)
    assert results == [7] * 8
    assert computed(cache)["computations"] == 1
    assert cache.get("a") == 7


def test_a_failure_reaches_all_who_wait_and_is_not_kept(cache: MultiLevelCache) -> None:
    """The next one computes again."""
    with pytest.raises(ZeroDivisionError):
        cache.get_or_compute("a", lambda: 1 // 0)
    assert cache.get_or_compute("a", lambda: 2) == 2
    assert computed(cache)["errors"] == 1


def test_a_computation_may_ask_for_its_own_key(cache: MultiLevelCache) -> None:
    """It does not wait for itself."""
    assert cache.get_or_compute("a", lambda: cache.get_or_compute("a", lambda: 3) + 1) == 4
    assert computed(cache)["alone"] == 1


def test_who_waits_too_long_computes_alone() -> None:
    """A computation that hangs does not take everyone with it."""
    cache, opened = MultiLevelCache(limits=CacheLimits(wait_s=0.02)), threading.Event()
    hanging = threading.Thread(target=lambda: cache.get_or_compute("a", lambda: opened.wait(SOON_S)))
    hanging.start()
    until(lambda: computed(cache)["computations"] == 1)
    assert cache.get_or_compute("a", lambda: 7) == 7
    opened.set()
    hanging.join(SOON_S)


@pytest.mark.parametrize(
    "change",
    [
        lambda cache: cache.delete("a"),
        lambda cache: cache.invalidate_prefix("a"),
        lambda cache: cache.invalidate_tag("t"),
        lambda cache: cache.clear(),
        lambda cache: cache.set("a", "new"),
    ],
    ids=["delete", "prefix", "tag", "clear", "set"],
)
@pytest.mark.parametrize("has_lower", [False, True])
def test_what_was_computed_before_a_change_is_not_kept(
    change: Any, has_lower: bool, clock: HandClock
) -> None:
    """The one who waited gets it; nobody who asks afterwards does, from no level."""
    levels = [Slower(clock)] if has_lower else []
    cache = MultiLevelCache(clock=clock, levels=levels)

    def compute() -> str:
        change(cache)
        return "old"

    assert cache.get_or_compute("a", compute, tags=("t",)) == "old"
    assert cache.get("a") in (None, "new")
    for level in levels:
        found = level.read("a")
        assert found is None or found.value == "new"


def test_an_entry_is_computed_anew_before_it_is_over(cache: MultiLevelCache, clock: HandClock) -> None:
    """In the last tenth of its time, by one who asks; a failure leaves what is there, and is not tried at once."""
    cache.get_or_compute("a", lambda: 1)
    clock.pass_s(269)
    assert cache.get_or_compute("a", lambda: 2) == 1
    clock.pass_s(1)
    failures: list[int] = []

    def fail() -> int:
        failures.append(1)
        raise OSError("nobody there")

    for _ in range(3):
        assert cache.get_or_compute("a", fail) == 1
    assert len(failures) == 1
    clock.pass_s(15)
    assert cache.get_or_compute("a", lambda: 3) == 3
    clock.pass_s(200)
    assert cache.get("a") == 3
    assert computed(cache)["refreshes"] == 1
    assert computed(cache)["refresh_errors"] == 1


def test_an_executor_computes_anew_in_the_background(clock: HandClock) -> None:
    """Who asks gets what is there at once; a closed executor changes nothing."""
    executor, opened = TaskExecutor("refresh"), threading.Event()
    cache = MultiLevelCache(clock=clock, refresher=executor.enqueue_task)

    def compute() -> int:
        assert opened.wait(SOON_S)
        return 2

    cache.set("a", 1)
    clock.pass_s(299)
    assert [cache.get_or_compute("a", compute) for _ in range(3)] == [1, 1, 1]
    opened.set()
    executor.drain(SOON_S)
    assert cache.get("a") == 2
    assert computed(cache)["computations"] == 1
    clock.pass_s(299)
    assert cache.get_or_compute("a", compute) == 2
    assert computed(cache)["refresh_errors"] == 1


def test_one_computes_for_many_tasks(cache: MultiLevelCache, clock: HandClock) -> None:
    """By asyncio too; one that is cancelled leaves it to another; early refresh has a task of its own."""

    async def check() -> None:
        opened, calls = asyncio.Event(), list[int]()

        async def compute() -> int:
            calls.append(1)
            await opened.wait()
            return 7

        tasks = [asyncio.create_task(cache.aget_or_compute("a", compute)) for _ in range(5)]
        await auntil(lambda: len(calls) == 1)
        tasks[0].cancel()
        tasks[1].cancel()
        await auntil(lambda: len(calls) == 2)
        opened.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results[:2]] == [asyncio.CancelledError] * 2
        assert results[2:] == [7, 7, 7]
        assert len(calls) == 2

        async def fail() -> int:
            await asyncio.sleep(0)
            raise OSError("nobody there")

        failed = await asyncio.gather(
            *(cache.aget_or_compute("b", fail) for _ in range(3)), return_exceptions=True
        )
        assert [type(error) for error in failed] == [OSError] * 3
        clock.pass_s(299)
        assert await cache.aget_or_compute("a", compute) == 7
        await auntil(lambda: computed(cache)["refreshes"] == 1)
        clock.pass_s(100)
        assert cache.get("a") == 7

        async def nested() -> int:
            return 1 + await cache.aget_or_compute("c", compute)

        assert await cache.aget_or_compute("c", nested) == 8

    asyncio.run(check())
    gc.collect()


def test_threads_and_tasks_share_one_computation(cache: MultiLevelCache) -> None:
    """A task waits for a thread's computation without holding its loop."""
    opened = threading.Event()
    thread = threading.Thread(target=lambda: cache.get_or_compute("a", lambda: opened.wait(SOON_S)))
    thread.start()
    until(lambda: computed(cache)["computations"] == 1)

    async def never() -> bool:
        raise AssertionError("the thread computes already")

    async def check() -> None:
        waiting = asyncio.create_task(cache.aget_or_compute("a", never))
        await asyncio.sleep(0)
        opened.set()
        assert await waiting is True

    asyncio.run(check())
    thread.join(SOON_S)
    assert computed(cache)["shared"] == 1


def test_an_entry_comes_up_from_a_slower_level(clock: HandClock) -> None:
    """For what is left of its time, with its tags; each level has its own time where none is given."""
    slower = Slower(clock)
    cache = MultiLevelCache(clock=clock, levels=[slower])
    cache.set("a", 1, tags=("t",))
    cache.set("b", 2, ttl_s=400)
    clock.pass_s(390)
    assert (cache.get("b"), cache.get_or_compute("a", lambda: 3)) == (2, 1)
    assert computed(cache)["promotions"] == 1
    clock.pass_s(10)
    assert cache.get("b") is None
    slower.is_away = True
    assert cache.get("a") == 1
    slower.is_away = False
    assert cache.invalidate_tag("t") == 1
    assert cache.get("a") is None


def test_a_level_that_is_away_is_skipped(clock: HandClock) -> None:
    """Nothing is raised; its breaker ends the trying; what it missed it does not give when it is back."""
    slower = Slower(clock)
    cache = MultiLevelCache(clock=clock, levels=[slower])
    cache.set("a", "stale")
    assert cache.health_check()["status"] == "healthy"
    slower.is_away = True
    cache.delete("a")
    for _ in range(10):
        assert cache.get("a") is None
    cache.set("b", 2)
    assert cache.get("b") == 2
    health = cache.health_check()
    assert health["status"] == "degraded"
    assert health["levels"]["slower"] == {
        "ok": False,
        "error": "ConnectionRefusedError: nobody there",
        "breaker": "open",
    }
    assert cache.get_comprehensive_stats()["levels"]["slower"]["errors"] == 3
    slower.is_away = False
    clock.pass_s(60)
    assert cache.get("a") is None


def test_warm_up_fills_and_drives_nothing_out(clock: HandClock) -> None:
    """What is in use stays, and it ends when the memory is full."""
    cache = MultiLevelCache(MemoryLimits(entries_max=3), clock=clock)
    cache.set("a", "in use")
    assert cache.warm_up((name, name) for name in "abcd") == 2
    assert [cache.get(name) for name in "abcd"] == ["in use", "b", "c", None]
    assert cache.warm_up({"e": 1}) == 0


def test_statistics(cache: MultiLevelCache) -> None:
    """Counts of each level and of what was computed, as JSON."""
    cache.set("a", 1)
    cache.get("a")
    cache.get("b")
    stats = msgspec.json.decode(msgspec.json.encode(cache.get_comprehensive_stats()))
    assert stats["levels"]["memory"]["hit_rate"] == 0.5
    assert stats["levels"]["memory"]["entries"] == 1
    cache.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_goes_on_alone(cache: MultiLevelCache) -> None:
    """A computation of the parent's is not waited for in the child."""
    opened = threading.Event()
    thread = threading.Thread(target=lambda: cache.get_or_compute("a", lambda: opened.wait(SOON_S)))
    thread.start()
    until(lambda: computed(cache)["computations"] == 1)
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(20)
            os._exit(0 if cache.get_or_compute("a", lambda: 7) == 7 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    opened.set()
    thread.join(SOON_S)


def test_readers_do_not_disturb_what_makes_room() -> None:
    """Reads move entries while writes look for those whose time is over: nothing is raised or miscounted."""
    level = MemoryLevel(MemoryLimits(entries_max=400), clock=SYSTEM_CLOCK)
    interval_s, stop = sys.getswitchinterval(), threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        while not stop.is_set():
            for number in range(0, 2_000, 7):
                level.read(str(number))

    def write() -> None:
        try:
            for number in range(30_000):
                level.write(str(number % 2_000), number, ttl_s=1e-4 if number % 3 else 100.0)
                if number % 500 == 0:
                    level.remove_prefix("19")
        except BaseException as error:  # told below: a thread's error reaches nobody by itself
            failures.append(error)

    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=read) for _ in range(3)]
    writer = threading.Thread(target=write)
    try:
        for thread in (*threads, writer):
            thread.start()
        writer.join()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval_s)
    assert failures == []
    assert level.statistics().entries <= 400
    level.clear()
    assert (level.statistics().entries, level.statistics().bytes) == (0, 0)
