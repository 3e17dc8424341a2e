"""Work that waits its turn: the most important first, and no more of it than fits.

One queue and one set of rules (`book`, `schedule`); threads do the work (`threads`), in place or each with a process
of its own (`workers`), or an event loop does (`coroutines`).
"""

from tamis.resilience.executor.book import Drained, ExecutorMetrics, Rejection
from tamis.resilience.executor.limits import DropPolicy, ExecutorLimits, Priority
from tamis.resilience.executor.task import TaskHandle, current_task
from tamis.resilience.executor.threads import TaskExecutor

__all__ = [
    "Drained",
    "DropPolicy",
    "ExecutorLimits",
    "ExecutorMetrics",
    "Priority",
    "Rejection",
    "TaskExecutor",
    "TaskHandle",
    "current_task",
]
