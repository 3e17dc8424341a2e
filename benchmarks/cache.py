"""The memory level beside cachetools' TTLCache: `python -m benchmarks.cache`, with the group `bench` installed."""

import itertools
import threading
import time
from collections.abc import Callable

from cachetools import TTLCache

from tamis.cache.memory import MemoryLevel
from tamis.cache.multilevel import MultiLevelCache

KEYS = [f"key{number}" for number in range(1_000)]
OTHERS = [f"other{number}" for number in range(100_000)]
ROUNDS = 60


def rounds() -> dict[str, Callable[[], object]]:
    """A thousand operations each. TTLCache is bare, and under the lock that its documentation asks for."""
    level, cache, lock = MemoryLevel(), MultiLevelCache(), threading.Lock()
    theirs: TTLCache[str, str] = TTLCache(1_000, 300)
    for key in KEYS:
        level.write(key, "value", ttl_s=300)
        cache.set(key, "value")
        theirs[key] = "value"
    fresh = {name: itertools.cycle(OTHERS) for name in ("level", "cache", "theirs")}

    def locked_get() -> None:
        for key in KEYS:
            with lock:
                theirs.get(key)

    def locked_set() -> None:
        for key in KEYS:
            with lock:
                theirs[key] = "value"

    def bare_set() -> None:
        for key in KEYS:
            theirs[key] = "value"

    def bare_set_new() -> None:
        for _ in KEYS:
            theirs[next(fresh["theirs"])] = "value"

    return {
        "get: memory level": lambda: [level.find(key) for key in KEYS],
        "get: MultiLevelCache": lambda: [cache.get(key) for key in KEYS],
        "get: TTLCache": lambda: [theirs.get(key) for key in KEYS],
        "get: TTLCache, locked": locked_get,
        "set: memory level": lambda: [level.write(key, "value", ttl_s=300) for key in KEYS],
        "set: MultiLevelCache": lambda: [cache.set(key, "value") for key in KEYS],
        "set: TTLCache": bare_set,
        "set: TTLCache, locked": locked_set,
        "set new: memory level": lambda: (
            [level.write(next(fresh["level"]), "value", ttl_s=300) for _ in KEYS]
        ),
        "set new: MultiLevelCache": lambda: [cache.set(next(fresh["cache"]), "value") for _ in KEYS],
        "set new: TTLCache": bare_set_new,
    }


def main() -> None:
    """Print the best of many interleaved rounds, in nanoseconds an operation."""
    best: dict[str, float] = {}
    for name, work in [item for _ in range(ROUNDS) for item in rounds().items()]:
        start_s = time.perf_counter()
        work()
        passed_s = time.perf_counter() - start_s
        best[name] = min(best.get(name, passed_s), passed_s)
    for name, seconds in best.items():
        print(f"{name:28}{seconds / len(KEYS) * 1e9:8.0f} ns")


if __name__ == "__main__":
    main()
