"""A cache in /metrics: brought up to date when somebody asks."""

import threading
from typing import Final

from tamis.cache.multilevel import MultiLevelCache
from tamis.telemetry.metrics import Metrics

READS: Final = {"hits": "hit", "misses": "miss"}
GONE: Final = ("expired", "evicted", "removed", "refused", "unreadable")


class CacheMeter:
    """Adds to the counters what a cache counted since the last time, and says how large its levels are. Thread-safe."""

    def __init__(self, name: str, cache: MultiLevelCache, metrics: Metrics) -> None:
        self._name, self._cache, self._metrics = name, cache, metrics
        self._last: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Bring the metrics up to date; asks each level, for its time limit at most."""
        levels = self._cache.get_comprehensive_stats()["levels"]
        with self._lock:
            for level, found in levels.items():
                self._metrics.add(
                    "tamis_cache_errors_total", self._more(level, "errors", found), self._name, level
                )
                if "error" in found:
                    continue
                self._metrics.set("tamis_cache_entries", found["entries"], self._name, level)
                self._metrics.set("tamis_cache_bytes", found["bytes"], self._name, level)
                for count, result in READS.items():
                    more = self._more(level, count, found)
                    self._metrics.add("tamis_cache_reads_total", more, self._name, level, result)
                for reason in GONE:
                    more = self._more(level, reason, found)
                    self._metrics.add("tamis_cache_gone_total", more, self._name, level, reason)

    def _more(self, level: str, count: str, found: dict[str, int]) -> int:
        value = found.get(count, 0)
        more = value - self._last.get((level, count), 0)
        self._last[level, count] = value
        return max(more, 0)
