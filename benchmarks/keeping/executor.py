"""Small tasks enqueued by one thread, two workers, until all are done: tasks a second, the better of five
rounds in turns with `concurrent.futures.ThreadPoolExecutor`, which knows neither priorities nor deadlines nor a limit.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.report import Goal
from tamis.resilience.executor import ExecutorLimits, TaskExecutor

TASKS, ROUNDS, WORKERS = 20_000, 5, 2
RATIO_MIN = 0.5


def measure(work: Path) -> list[Goal]:
    """Tasks a second beside the standard library's."""
    ours, theirs = [], []
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(WORKERS) as pool:
            theirs.append(_rate(lambda: pool.submit(_nothing).add_done_callback))
        limits = ExecutorLimits(waiting_max=TASKS, workers_max=WORKERS)
        with TaskExecutor("bench", limits) as executor:
            ours.append(_rate(lambda: executor.enqueue_task(_nothing).add_done_callback))
    ratio = max(ours) / max(theirs)
    return [
        Goal("tasks through TaskExecutor", f"{max(ours):,.0f} tasks/s", f"{max(theirs):,.0f} tasks/s", ratio,
             f"≥ {RATIO_MIN}", ratio >= RATIO_MIN)
    ]  # fmt: skip


def _rate(submit: Callable[[], Callable[[Callable[[object], None]], None]]) -> float:
    done: list[object] = []
    begin = time.perf_counter()
    for _ in range(TASKS):
        submit()(done.append)
    while len(done) < TASKS:
        time.sleep(0.0005)
    return TASKS / (time.perf_counter() - begin)


def _nothing() -> None:
    return None
