"""One executor for what keeps a process in shape: merging, scrubbing and backups take turns.

::

    for piece in pieces:
        in_turn(partial(copy, piece), Priority.LOW, name="backup")

What is long is cut into steps of some tenths of a second, each in a turn of its own: then what is more important comes
between, and all of it together never takes more than half of the processors from who asks and who sends. Its threads
are nice besides: where the system can, whoever else wants a processor goes first.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from tamis.resilience.executor.limits import ExecutorLimits, Priority
from tamis.resilience.executor.task import current_task
from tamis.resilience.executor.threads import TaskExecutor
from tamis.resilience.executor.workers.thread import ThreadWorker

T = TypeVar("T")

NAME: Final = "background"
WAITING_MAX: Final = 1_000
NICE: Final = 10
"""Searches beside took a third to a sixth of the time that they took without it; see benchmarks/keeping/beside.py."""
AGEING_S: Final = 2.0
"""So long a step waits behind more important ones, and then half as long again, until it goes before them."""

BACKGROUND: Final = TaskExecutor(
    NAME,
    ExecutorLimits(
        waiting_max=WAITING_MAX, workers_max=max(1, (os.cpu_count() or 1) // 2), ageing_s=AGEING_S
    ),
    worker=partial(ThreadWorker, nice=NICE),
)
"""Shared by all that a process does in the background."""


def in_turn(function: Callable[[], T], priority: Priority = Priority.NORMAL, *, name: str) -> T:
    """What `function` returns or raises, done when its turn comes; at once, where this is such a turn already."""
    task = current_task()
    if task is not None and task.executor == NAME:
        return function()
    return BACKGROUND.enqueue_task(function, priority=priority, name=name).result()
