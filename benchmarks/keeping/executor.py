"""Small tasks enqueued by one thread, two workers, until all are done: processor time of the whole process for each
task, the better of five rounds in turns with `concurrent.futures.ThreadPoolExecutor`, which knows neither priorities
nor deadlines nor a limit.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.report import Goal
from tamis.resilience.executor import ExecutorLimits, TaskExecutor

TASKS, ROUNDS, WORKERS = 20_000, 5, 2
RATIO_MAX = 4.0


def measure(work: Path) -> list[Goal]:
    """What a task costs beside the standard library's."""
    ours, theirs = [], []
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(WORKERS) as pool:
            theirs.append(_spent_us(lambda: pool.submit(_nothing).add_done_callback))
        limits = ExecutorLimits(waiting_max=TASKS, workers_max=WORKERS)
        with TaskExecutor("bench", limits) as executor:
            ours.append(_spent_us(lambda: executor.enqueue_task(_nothing).add_done_callback))
    ratio = min(ours) / min(theirs)
    return [
        Goal("a task through TaskExecutor, processor time", f"{min(ours):.1f} µs", f"{min(theirs):.1f} µs", ratio,
             f"≤ {RATIO_MAX:g}", ratio <= RATIO_MAX)
    ]  # fmt: skip


def _spent_us(submit: Callable[[], Callable[[Callable[[object], None]], None]]) -> float:
    done: list[object] = []
    begin = time.process_time()
    for _ in range(TASKS):
        submit()(done.append)
    while len(done) < TASKS:
        time.sleep(0.0005)
    return (time.process_time() - begin) / TASKS * 1e6


def _nothing() -> None:
    return None
