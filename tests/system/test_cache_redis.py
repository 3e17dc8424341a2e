"""Caches over a real Redis: killed and back, held, cut, slow, full, hostile; and over several processes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tamis.cache.limits import CacheLimits
from tamis.cache.multilevel import MultiLevelCache
from tamis.cache.redis import RedisLevel, RedisLimits
from tamis.resilience.limits import BreakerLimits
from tests.support.parts import program
from tests.support.redis_server import Line, RedisServer, running_redis

WAIT_S = 60.0
PATIENT = RedisLimits(timeout_s=WAIT_S)
SOON_BACK = BreakerLimits(open_s=0.05, half_open_call_s=WAIT_S)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(program("redis-server"), tmp_path) as running:
        yield running


@pytest.fixture
def line(server: RedisServer) -> Iterator[Line]:
    made = Line(server.socket)
    yield made
    made.close()


def cache_of(url: str, limits: RedisLimits = PATIENT, *, space: str = "test") -> MultiLevelCache:
    level = RedisLevel(url, limits, namespace=space)
    return MultiLevelCache(
        limits=CacheLimits(follow_interval_s=0.01, wait_s=WAIT_S), levels=[level], breaker=SOON_BACK
    )


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def is_well(cache: MultiLevelCache) -> bool:
    return bool(cache.health_check()["status"] == "healthy")


def test_a_killed_server_costs_entries_and_nothing_else(server: RedisServer) -> None:
    """Callers go on without it; when it is back, empty, it is used again, and all memories forget what they had."""
    ours, theirs = cache_of(server.url), cache_of(server.url)
    ours.set("a", 1)
    assert theirs.get("a") == 1
    server.kill()
    assert ours.get_or_compute("b", lambda: 2) == 2
    for _ in range(5):
        assert ours.get("c") is None
    assert not is_well(ours)
    ours.delete("a")
    assert ours.get("a") is None
    server.start()
    until(lambda: theirs.get("a") is None)

    def works() -> bool:
        ours.set("d", 4)
        return RedisLevel(server.url, PATIENT, namespace="test").read("d") is not None

    until(works)
    until(lambda: is_well(ours) and theirs.get("d") == 4)
    ours.close()
    theirs.close()


def test_a_server_that_restarts_with_old_entries_gives_none_that_was_removed(server: RedisServer) -> None:
    """What was removed while it was away is not in it when it is asked again."""
    ours = cache_of(server.url)
    ours.set("a", "old")
    server.hold()
    quick = cache_of(server.url, RedisLimits(timeout_s=0.05))
    quick.delete("a")
    server.go_on()
    until(lambda: is_well(quick))
    assert quick.get("a") is None
    until(lambda: ours.get("a") is None)
    ours.close()
    quick.close()


@pytest.mark.parametrize("trouble", ["hold", "drip", "cut"])
def test_a_bad_line_costs_no_more_than_the_limit(line: Line, trouble: str) -> None:
    """Held, a byte at a time, or cut in the middle: the answer is that there is nothing, and after three the level is
    left alone; once the line is good again so is the level."""
    cache = cache_of(line.url, RedisLimits(timeout_s=0.3))
    cache.set("a", "x" * 900)
    until(lambda: RedisLevel(line.url, PATIENT, namespace="test").read("a") is not None)
    cache._memory.clear()
    if trouble == "hold":
        line.hold()
    elif trouble == "drip":
        line.drip_s = 0.02
    else:
        line.cut()
        line.hold()
    began_s = time.monotonic()
    for _ in range(20):
        assert cache.get("a") in (None, "x" * 900)
    # 20 calls that each waited for all the bytes would take minutes.
    assert time.monotonic() - began_s < WAIT_S / 2
    line.drip_s = 0.0
    line.flow()
    until(lambda: is_well(cache) and cache.get("b") is None and cache._lower.errors["redis"] >= 0)
    cache.close()


def test_what_others_write_into_redis_is_checked(server: RedisServer) -> None:
    """Wrong bytes, wrong types, another key's entry: a miss each, counted, and removed."""
    from redis import Redis

    level = RedisLevel(server.url, PATIENT, namespace="test")
    with Redis.from_url(server.url) as raw:
        for wrong in (b"", b"garbage", b"\x80\x04K\x01.", b"\x01\x01" + bytes(100)):
            level.write("a", 1, ttl_s=60)
            raw.hset("{test}:values", "ka", wrong)
            assert level.read("a") is None
        level.write("a", 1, ttl_s=60)
        level.write("b", 2, ttl_s=60)
        raw.hset("{test}:values", "kb", raw.hget("{test}:values", "ka") or b"")
        assert level.read("b") is None
        assert level.statistics().counts.unreadable == 5
        raw.delete("{test}:values")
        raw.set("{test}:values", "not a hash")
    cache = MultiLevelCache(levels=[level])
    assert cache.get("a") is None
    assert cache.health_check()["status"] == "degraded"
    cache.close()
    level.close()


@pytest.mark.parametrize("part", ["values", "names", "ends", "used", "touched", "meta"])
def test_a_part_that_redis_dropped_takes_the_rest_with_it(server: RedisServer, part: str) -> None:
    """Then nothing is given that an invalidation could not find any more, and memories forget."""
    from redis import Redis

    level = RedisLevel(server.url, PATIENT, namespace="test")
    level.write("a", 1, ttl_s=60, tags=("t",))
    with Redis.from_url(server.url) as raw:
        raw.delete(f"{{test}}:{part}")
        assert level.write("b", 2, ttl_s=60)
        assert level.read("a") is None
        assert level.remove_tag("t") == 0
        assert level.statistics().entries == 1
        level.clear()
        assert level.statistics().bytes == 0
    level.close()


def test_a_full_server_is_left_alone(tmp_path: Path) -> None:
    """What it refuses to keep stays in memory, and its breaker opens."""
    with running_redis(program("redis-server"), tmp_path, "--maxmemory", "1mb") as server:
        cache = cache_of(server.url)
        for number in range(20):
            cache.set(f"k{number}", os.urandom(200_000))
        assert cache.get("k19") is not None
        assert "maxmemory" in cache.get_comprehensive_stats()["levels"]["redis"]["last_error"]
        cache.close()


CHILD = """
import os, sys, time
from pathlib import Path
from tamis.cache.disk import DiskLevel, DiskLimits
from tamis.cache.limits import CacheLimits
from tamis.cache.multilevel import MultiLevelCache
from tamis.cache.redis import RedisLevel, RedisLimits

url, folder, what = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
levels = [DiskLevel(folder / "disk", DiskLimits(timeout_s=60))]
if url:
    levels.insert(0, RedisLevel(url, RedisLimits(timeout_s=60)))
limits = CacheLimits(wait_s=60, lease_s=1 if what == "hang" else 30, follow_interval_s=0.01)
cache = MultiLevelCache(levels=levels, limits=limits)

def compute():
    with (folder / "computed").open("a") as file:
        file.write("x")
    time.sleep(0.15)
    return 42

if what == "hang":
    cache.get_or_compute("hung", lambda: (print("begun", flush=True), time.sleep(600)))
elif what == "write":
    for number in range(10**9):
        if number == os.getpid() % 100:  # the moment is left to chance
            print("begun", flush=True)
        cache.set(f"k{number % 50}", str(number) * 100, tags=(str(number % 7),))
else:
    for number in range(3):
        assert cache.get_or_compute(f"asked{number}", compute) == 42
cache.close()
"""


def child(url: str, folder: Path, what: str, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CHILD, url, str(folder), what], text=True, **more)


@pytest.mark.parametrize("has_redis", [True, False])
def test_one_of_many_processes_computes(server: RedisServer, tmp_path: Path, has_redis: bool) -> None:
    """Three ask for three values: three computations, through Redis or the disk alone."""
    children = [child(server.url if has_redis else "", tmp_path, "ask") for _ in range(3)]
    assert [one.wait(WAIT_S) for one in children] == [0] * 3
    assert (tmp_path / "computed").read_text() == "x" * 3


@pytest.mark.parametrize("has_redis", [pytest.param(True, marks=pytest.mark.full), False])
def test_a_killed_process_leaves_no_one_waiting_and_nothing_broken(
    server: RedisServer, tmp_path: Path, has_redis: bool
) -> None:
    """Killed while it computes, or while it writes: others compute, read and write as before."""
    url = server.url if has_redis else ""
    for what in ("hang", "write"):
        victim = child(url, tmp_path, what, stdout=subprocess.PIPE)
        assert victim.stdout is not None
        assert victim.stdout.readline() == "begun\n"
        victim.kill()
        victim.wait(WAIT_S)
        victim.stdout.close()
        assert child(url, tmp_path, "ask").wait(WAIT_S) == 0
    other = cache_of(server.url, space="tamis") if has_redis else None
    if other is not None:
        assert other.get_or_compute("hung", lambda: 7) == 7
        other.close()
