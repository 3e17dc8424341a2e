"""The executors of this process as metrics: what waits, what runs, what became of it."""

import contextlib
import weakref
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict

from tamis.resilience.executor.alive import Seen, executors
from tamis.resilience.executor.book import ExecutorMetrics
from tamis.resilience.executor.schedule import ExecutorCounts
from tamis.telemetry.metrics import Metrics

RESULTS = ("succeeded", "failed", "crashed", "cancelled", "dropped", "expired", "rejected")
"""Those of the counts that tell how a task ended."""


class ExecutorGauges:
    """Sets the metrics when it is asked to; executors of one name are counted together."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._seen: weakref.WeakKeyDictionary[Seen, ExecutorCounts] = weakref.WeakKeyDictionary()

    def set(self) -> None:
        """As it is now."""
        together: defaultdict[str, list[ExecutorMetrics]] = defaultdict(list)
        for executor, found in _looked_at():
            together[found.name].append(found)
            self._count(executor, found)
        for name, all_found in together.items():
            self._set(name, all_found)

    def _set(self, name: str, found: list[ExecutorMetrics]) -> None:
        for priority in found[0].waiting:
            waiting = sum(one.waiting[priority] for one in found)
            self._metrics.set("tamis_tasks_waiting", waiting, name, priority.name.lower())
        self._metrics.set("tamis_tasks_running", sum(one.running for one in found), name)
        oldest_s = max(one.oldest_waiting_s for one in found)
        self._metrics.set("tamis_tasks_oldest_waiting_seconds", oldest_s, name)

    def _count(self, executor: Seen, found: ExecutorMetrics) -> None:
        before, now = asdict(self._seen.get(executor, ExecutorCounts())), asdict(found.counts)
        self._seen[executor] = found.counts
        for result in RESULTS:
            if now[result] > before[result]:
                self._metrics.add("tamis_tasks_total", now[result] - before[result], found.name, result)


def _looked_at() -> Iterator[tuple[Seen, ExecutorMetrics]]:
    for executor in executors():
        with contextlib.suppress(RuntimeError):  # it changed while it was read: the next look sees it
            yield executor, executor.peek()
