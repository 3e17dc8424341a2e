"""Caches of several processes over one place: they tell each other, and one computes for all."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tamis.cache.base import Found
from tamis.cache.disk import DiskLevel, DiskLimits
from tamis.cache.limits import CacheLimits
from tamis.cache.meter import CacheMeter
from tamis.cache.multilevel import MultiLevelCache
from tamis.cache.open import open_cache
from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import ConfigError
from tamis.resilience.limits import BreakerLimits
from tamis.settings.cache import CacheSettings
from tamis.telemetry.metrics import Metrics
from tests.support.hand_clock import HandClock

SOON_S = 60.0
PATIENT = DiskLimits(timeout_s=SOON_S)
BY_HAND = CacheLimits(follow_interval_s=3_600, wait_s=SOON_S, refresh_share=0.1)
"""Nothing is forgotten before the test says so."""


class Caches:
    """Caches over one folder, as several processes would have them."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder, self._clock = folder, clock
        self.made: list[MultiLevelCache] = []

    def level(self, name: str = "disk") -> DiskLevel:
        return DiskLevel(self.folder / name, PATIENT, name=name, clock=self._clock)

    def make(self, *names: str, **given: Any) -> MultiLevelCache:
        levels = [self.level(name) for name in names or ("disk",)]
        given = {"limits": BY_HAND, "clock": self._clock, **given}
        self.made.append(MultiLevelCache(levels=levels, **given))
        return self.made[-1]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def caches(tmp_path: Path, clock: HandClock) -> Iterator[Caches]:
    made = Caches(tmp_path, clock)
    yield made
    for cache in made.made:
        cache.close()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Caches]:
    """On the machine's clock: for those who really wait."""
    made = Caches(tmp_path, SYSTEM_CLOCK)
    yield made
    for cache in made.made:
        cache.close()


def until(is_so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + SOON_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.002)


def computed(cache: MultiLevelCache) -> dict[str, int]:
    found: dict[str, int] = cache.get_comprehensive_stats()["computed"]
    return found


@pytest.mark.parametrize(
    "change",
    [
        lambda cache: cache.delete("a:1"),
        lambda cache: cache.invalidate_prefix("a:"),
        lambda cache: cache.invalidate_tag("t"),
        lambda cache: cache.clear(),
    ],
    ids=["key", "prefix", "tag", "clear"],
)
def test_what_one_removes_others_forget(caches: Caches, change: Callable[[MultiLevelCache], object]) -> None:
    """From their memory, too, and nothing else with it."""
    ours, theirs = caches.make(), caches.make()
    ours.set("a:1", "old", tags=("t",))
    ours.set("b", "other")
    assert (theirs.get("a:1"), theirs.get("b")) == ("old", "other")
    change(ours)
    assert theirs.get("a:1") == "old"
    theirs.catch_up()
    assert theirs.get("a:1") is None
    assert computed(theirs)["told"] >= 1


def test_what_one_sets_others_get(caches: Caches) -> None:
    """In place of what they had; one's own memory keeps what one set oneself."""
    ours, theirs = caches.make(), caches.make()
    ours.set("a", 1)
    assert theirs.get("a") == 1
    ours.set("a", 2)
    theirs.catch_up()
    assert theirs.get("a") == 2
    told = computed(ours)["told"]
    ours.catch_up()
    assert computed(ours)["told"] == told
    assert ours.get_comprehensive_stats()["levels"]["memory"]["entries"] == 1


def test_a_thread_of_its_own_follows(caches: Caches) -> None:
    """Without anyone who asks for it."""
    ours = caches.make()
    theirs = caches.make(limits=CacheLimits(follow_interval_s=0.005))
    ours.set("a", 1)
    assert theirs.get("a") == 1
    ours.delete("a")
    until(lambda: theirs.get("a") is None)


def test_the_thread_ends_with_its_cache(tmp_path: Path) -> None:
    """When it is closed, and when it is forgotten."""

    def following() -> int:
        return sum(thread.name == "tamis cache follower" for thread in threading.enumerate())

    before = following()
    limits = CacheLimits(follow_interval_s=0.005)
    cache: MultiLevelCache | None = MultiLevelCache(levels=[DiskLevel(tmp_path)], limits=limits)
    assert following() == before + 1
    del cache
    gc.collect()
    until(lambda: following() == before)


def test_what_was_computed_before_a_change_elsewhere_is_kept_nowhere(caches: Caches) -> None:
    """The one who waited gets it; nobody who asks afterwards does."""
    ours, theirs = caches.make(), caches.make()

    def compute() -> str:
        theirs.invalidate_prefix("a")
        ours.catch_up()
        return "old"

    assert ours.get_or_compute("a", compute) == "old"
    assert (ours.get("a"), theirs.get("a")) == (None, None)


@pytest.mark.parametrize("value", [(1, 2), None])
def test_one_process_computes_for_all(live: Caches, value: object) -> None:
    """The others wait, and get what it computed: None, too."""
    opened, results = threading.Event(), list[object]()
    group = [live.make(), live.make()]

    def compute() -> object:
        assert opened.wait(SOON_S)
        return value

    threads = [
        threading.Thread(target=lambda cache=cache: results.append(cache.get_or_compute("a", compute)))
        for cache in group * 3
    ]
    for thread in threads:
        thread.start()
    until(lambda: sum(computed(cache)["computations"] for cache in group) == 1)
    opened.set()
    for thread in threads:
        thread.join(SOON_S)
    assert results == [value] * 6
    assert sum(computed(cache)["computations"] for cache in group) == 1


def test_tasks_of_several_processes_share_one_computation(live: Caches) -> None:
    """As threads do; an error is the caller's own, and another then computes."""
    ours, theirs = live.make(), live.make()
    calls: list[int] = []

    async def compute() -> int:
        calls.append(1)
        await asyncio.sleep(0)
        if len(calls) == 1:
            raise OSError("nobody there")
        return 7

    async def check() -> None:
        asked = [cache.aget_or_compute("a", compute) for cache in (ours, theirs)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert sorted(map(str, found)) == ["7", "nobody there"]
        assert len(calls) == 2
        assert await asyncio.gather(*(cache.aget_or_compute("a", compute) for cache in (ours, theirs))) == [
            7,
            7,
        ]
        assert len(calls) == 2

    asyncio.run(check())


def test_a_cancelled_task_gives_its_lease_back(live: Caches) -> None:
    """Another process computes at once, not only when the lease is over."""
    limits = CacheLimits(lease_s=SOON_S, wait_s=SOON_S)
    ours, theirs = live.make(limits=limits), live.make(limits=limits)

    async def check() -> None:
        begun = asyncio.Event()

        async def hang() -> None:
            begun.set()
            await asyncio.Event().wait()

        async def compute() -> int:
            return 7

        task = asyncio.create_task(ours.aget_or_compute("a", hang))
        await begun.wait()
        task.cancel()
        assert await theirs.aget_or_compute("a", compute) == 7
        assert task.cancelled()

    asyncio.run(check())


def test_a_dead_process_holds_others_up_for_its_lease(live: Caches) -> None:
    """Then one of them computes; one that lives prolongs its lease for as long as it computes."""
    live.level().lease("a", "dead", seconds=0.2)
    ours, theirs = (live.make(limits=CacheLimits(lease_s=0.3, follow_interval_s=0.01)) for _ in range(2))
    assert ours.get_or_compute("a", lambda: 7) == 7
    opened = threading.Event()
    thread = threading.Thread(target=lambda: ours.get_or_compute("b", lambda: opened.wait(SOON_S)))
    thread.start()
    until(lambda: computed(ours)["computations"] == 2)
    waiting = threading.Thread(target=lambda: theirs.get_or_compute("b", lambda: 1 // 0))
    waiting.start()
    waiting.join(1)  # longer than three leases: a mistake would show, a slow machine shows nothing
    assert waiting.is_alive()
    opened.set()
    thread.join(SOON_S)
    waiting.join(SOON_S)
    assert (theirs.get("b"), computed(theirs)["computations"]) == (True, 0)


def test_who_waits_too_long_for_another_process_computes(live: Caches) -> None:
    """And what it computes is kept."""
    live.level().lease("a", "another", seconds=SOON_S)
    ours = live.make(limits=CacheLimits(wait_s=0.05))
    assert ours.get_or_compute("a", lambda: 7) == 7
    assert live.make().get("a") == 7


def test_one_process_refreshes_for_all(caches: Caches, clock: HandClock) -> None:
    """While another does, what is there is good enough."""
    ours, theirs = caches.make(), caches.make()
    ours.get_or_compute("a", lambda: 1, ttl_s=100)
    assert theirs.get("a") == 1
    clock.pass_s(95)
    caches.level().lease("a", "another", seconds=50)
    assert ours.get_or_compute("a", lambda: 1 // 0) == 1
    caches.level().release("a", "another")
    assert theirs.get_or_compute("a", lambda: 2, ttl_s=100) == 2
    clock.pass_s(5)
    assert ours.get("a") == 2
    assert (computed(ours)["computations"], computed(theirs)["refreshes"]) == (1, 1)


def test_an_entry_comes_up_through_all_levels(caches: Caches, clock: HandClock) -> None:
    """From the slowest to all that are faster, for what is left of its time, under its tags."""
    slow = caches.make("slow")
    slow.set("a", {"x": (1,)}, ttl_s=100, tags=("t",))
    clock.pass_s(40)
    both = caches.make("fast", "slow")
    assert both.get("a") == {"x": (1,)}
    fast = caches.level("fast").read("a")
    assert fast is not None
    assert (fast.value, fast.tags) == ({"x": (1,)}, ("t",))
    assert fast.ttl_left_s == pytest.approx(60)
    both.invalidate_tag("t")
    assert caches.level("slow").read("a") is None
    assert caches.level("fast").read("a") is None


def test_what_comes_up_does_not_replace_what_is_newer(caches: Caches, clock: HandClock) -> None:
    """A faster level that changed while a slower one was read keeps its own."""
    theirs = caches.level("fast")

    class Slow(DiskLevel):
        def read(self, key: str) -> Found | None:
            found = super().read(key)
            theirs.remove("a")
            return found

    slow = Slow(caches.folder / "slow", PATIENT, name="slow", clock=clock)
    slow.write("a", "old", ttl_s=100)
    cache = MultiLevelCache(levels=[caches.level("fast"), slow], limits=BY_HAND, clock=clock)
    caches.made.append(cache)
    assert cache.get("a") == "old"
    assert theirs.read("a") is None


def test_a_value_that_only_memory_can_hold_stays_there(caches: Caches) -> None:
    """Nothing is raised; the statistics say why."""
    ours, theirs = caches.make(), caches.make()
    value = object()
    assert ours.set("a", value)
    assert ours.get_or_compute("b", lambda: value) is value
    assert (ours.get("a"), theirs.get("a"), theirs.get("b")) == (value, None, None)
    level = ours.get_comprehensive_stats()["levels"]["disk"]
    assert level["refused"] == 2
    assert "type object" in level["refusal"]
    assert ours.health_check()["status"] == "healthy"


class Hanging(DiskLevel):
    """A level that gives no answer while `opened` is not set."""

    timeout_s = 0.05
    hangs = False
    opened = threading.Event()

    def read(self, key: str) -> Found | None:
        if self.hangs:
            self.opened.wait(SOON_S)
        return super().read(key)


def test_a_level_that_hangs_is_given_up(tmp_path: Path, clock: HandClock) -> None:
    """After its time limit, three times; then its breaker skips it, and health and statistics say so."""
    level = Hanging(tmp_path, PATIENT, clock=clock)
    level.timeout_s = 0.05
    cache = MultiLevelCache(levels=[level], limits=BY_HAND, clock=clock, breaker=BreakerLimits(open_s=10))
    level.hangs = True
    for _ in range(5):
        assert cache.get("a") is None
    found = cache.get_comprehensive_stats()["levels"]["disk"]
    assert found["errors"] == 3
    assert "no answer within 0.05 s" in found["last_error"]
    assert cache.health_check()["levels"]["disk"]["breaker"] == "open"
    level.hangs = False
    level.opened.set()
    level.timeout_s = SOON_S
    clock.pass_s(10)
    cache.set("a", 1)
    cache.set("a", 1)
    assert cache.health_check()["status"] == "healthy"
    cache.close()


def test_settings_say_which_levels_there_are(tmp_path: Path) -> None:
    """Memory alone by default; a folder for each use; a wrong URL is refused, without its password."""
    assert set(open_cache(CacheSettings(), "x").health_check()["levels"]) == {"memory"}
    cache = open_cache(CacheSettings(disk=tmp_path, redis_url="redis://127.0.0.1:1"), "x")
    assert set(cache.health_check()["levels"]) == {"memory", "redis", "disk"}
    cache.set("a", 1)
    assert (tmp_path / "x").is_dir()
    cache.close()
    with pytest.raises(ConfigError) as caught:
        open_cache(CacheSettings(redis_url="http://user:secret@host"), "x")
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="namespace"):
        open_cache(CacheSettings(redis_url="redis://host", redis_namespace="{a}"), "x")


def test_the_numbers_are_those_of_the_specification() -> None:
    """Redis keeps for 3,600 s, the disk 500 MB for 86,400 s; values over 1,024 bytes are compressed."""
    found = CacheSettings()
    assert (found.entries_max, found.ttl_s, found.redis_ttl_s) == (1_000, 300, 3_600)
    assert (found.disk_bytes_max, found.disk_ttl_s, found.compress_bytes) == (500_000_000, 86_400, 1_024)


def test_a_meter_tells_of_each_level(tmp_path: Path) -> None:
    """Counters grow by what happened since the last look, gauges say what is there; a level that is away has errors."""
    metrics, level = Metrics(), DiskLevel(tmp_path, PATIENT)
    cache = MultiLevelCache(levels=[level])
    meter = CacheMeter("test", cache, metrics)
    cache.set("a", 1)
    cache.get("a")
    cache.get("b")
    meter.refresh()
    meter.refresh()
    for where, hits in (("memory", 1), ("disk", 0)):
        assert metrics.value("tamis_cache_reads_total", "test", where, "hit") == hits
        assert metrics.value("tamis_cache_reads_total", "test", where, "miss") == 1
        assert metrics.value("tamis_cache_entries", "test", where) == 1
    cache.delete("a")
    meter.refresh()
    assert metrics.value("tamis_cache_gone_total", "test", "disk", "removed") == 1
    assert metrics.value("tamis_cache_bytes", "test", "disk") == 0
    cache.close()
