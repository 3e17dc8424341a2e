"""A thousand texts in memory, read and set again and again by one thread: nanoseconds an operation, the best of many
rounds in turns with cachetools' TTLCache of the same size. Many threads may use a `MultiLevelCache` at once, and a
TTLCache only under a lock, as its documentation says: that is the yardstick. Without its lock it is told beside.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from cachetools import TTLCache

from benchmarks.report import Goal
from tamis.cache.multilevel import MultiLevelCache

KEYS = [f"key{number}" for number in range(1_000)]
ROUNDS = 150
RATIO_MIN = 3.0


def measure(work: Path) -> list[Goal]:
    """Get, and set in place of another."""
    best: dict[str, float] = {}
    for name, operate in list(rounds().items()) * ROUNDS:
        begin = time.perf_counter()
        operate()
        passed_s = time.perf_counter() - begin
        best[name] = min(best.get(name, passed_s), passed_s)
    return [
        goal for what in ("get", "set") for goal in (_goal(what, best, "locked"), _goal(what, best, "bare"))
    ]


def rounds() -> dict[str, Callable[[], None]]:
    """A thousand operations each."""
    cache, lock = MultiLevelCache(), threading.Lock()
    theirs: TTLCache[str, str] = TTLCache(1_000, 300)
    for key in KEYS:
        cache.set(key, "value")
        theirs[key] = "value"
    return {**_of_ours(cache), **_of_theirs(theirs), **_of_theirs_locked(theirs, lock)}


def _of_ours(cache: MultiLevelCache) -> dict[str, Callable[[], None]]:
    def get() -> None:
        for key in KEYS:
            cache.get(key)

    def set_again() -> None:
        for key in KEYS:
            cache.set(key, "value")

    return {"get": get, "set": set_again}


def _of_theirs(theirs: "TTLCache[str, str]") -> dict[str, Callable[[], None]]:
    def get() -> None:
        for key in KEYS:
            theirs.get(key)

    def set_again() -> None:
        for key in KEYS:
            theirs[key] = "value"

    return {"get bare": get, "set bare": set_again}


def _of_theirs_locked(theirs: "TTLCache[str, str]", lock: threading.Lock) -> dict[str, Callable[[], None]]:
    def get() -> None:
        for key in KEYS:
            with lock:
                theirs.get(key)

    def set_again() -> None:
        for key in KEYS:
            with lock:
                theirs[key] = "value"

    return {"get locked": get, "set locked": set_again}


def _goal(what: str, best: dict[str, float], yardstick: str) -> Goal:
    ours, theirs = (best[name] / len(KEYS) * 1e9 for name in (what, f"{what} {yardstick}"))
    ratio, is_goal = theirs / ours, yardstick == "locked"
    name = f"cache, memory: {what}" + ("" if is_goal else ", beside a TTLCache for one thread only")
    return Goal(
        name, f"{ours:,.0f} ns", f"TTLCache{', locked' if is_goal else ''}: {theirs:,.0f} ns", ratio,
        f"≥ {RATIO_MIN:g}" if is_goal else "", not is_goal or ratio >= RATIO_MIN,
    )  # fmt: skip
