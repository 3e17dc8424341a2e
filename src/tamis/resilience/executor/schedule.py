"""Which task is next, which has to go: the executor's decisions, with no lock, no clock and no thread in here."""

import heapq
import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from tamis.resilience.executor.limits import DropPolicy, ExecutorLimits, Priority


class Ending(Enum):
    """How a task that ran ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    CRASH = "crash"
    """It took its worker with it."""


class Waiting(NamedTuple):
    """A task that waits. Numbers rise in the order of arrival."""

    number: int
    priority: Priority
    since_s: float
    deadline_s: float


class Admission(NamedTuple):
    """What became of a newcomer: its number, or None when it was rejected; and whom it drove out."""

    number: int | None
    dropped: tuple[int, ...] = ()


@dataclass(slots=True)
class ExecutorCounts:
    """What happened since the start.

    accepted = succeeded + failed + crashed + cancelled + dropped + expired + those waiting and running, where a
    running task whose deadline passed is among the expired already.
    """

    accepted: int = 0
    rejected: int = 0
    """Newcomers for whom nobody made room, or who came after the end."""
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    crashed: int = 0
    cancelled: int = 0
    dropped: int = 0
    """Waiting tasks that made room for others, or were still there at the end."""
    expired: int = 0
    """Tasks whose deadline passed, waiting or running."""
    late: int = 0
    """Those of the expired that ran on and came back; nobody waited for it any more."""
    waited_s: float = 0.0
    """How long started tasks waited, together."""
    waited_s_max: float = 0.0
    ran_s: float = 0.0
    """How long tasks that came back ran, together."""

    def copy(self) -> "ExecutorCounts":
        """The counts as they are now."""
        return replace(self)


class TaskSchedule:
    """The waiting and the running, by number. Every method is told what time it is, on a clock that never goes
    back. Not thread-safe. Each takes constant time but for deadlines (logarithmic) and what it returns.
    """

    __slots__ = ("_deadlines", "_expired", "_number", "_queues", "_running", "counts", "limits", "waiting")

    def __init__(self, limits: ExecutorLimits) -> None:
        self.limits, self.counts = limits, ExecutorCounts()
        self.waiting: dict[int, Waiting] = {}
        # One queue for each priority, oldest first: dictionaries, so that any may leave from the middle.
        self._queues: dict[Priority, dict[int, Waiting]] = {priority: {} for priority in Priority}
        self._running: dict[int, float] = {}
        self._expired: set[int] = set()
        self._deadlines: list[tuple[float, int]] = []
        self._number = 0

    @property
    def running(self) -> int:
        """Workers that are busy, those with an expired task included."""
        return len(self._running)

    def enqueue(self, priority: Priority, now_s: float, *, deadline_s: float = math.inf) -> Admission:
        """A task comes. `expire` first, so that it takes no place from what cannot run any more."""
        dropped: tuple[int, ...] = ()
        if len(self.waiting) >= self.limits.waiting_max:
            dropped = self._makes_room(priority)
            if not dropped:
                self.counts.rejected += 1
                return Admission(None)
        for number in dropped:
            self.drop(number)
        self._number += 1
        task = Waiting(self._number, priority, now_s, deadline_s)
        self.waiting[task.number] = self._queues[priority][task.number] = task
        if deadline_s < math.inf:
            self._remember(deadline_s, task.number)
        self.counts.accepted += 1
        return Admission(task.number, dropped)

    def take(self, now_s: float) -> int | None:
        """The task whose turn it is, if one waits and a worker is free; it runs from now on."""
        if not self.waiting or len(self._running) >= self.limits.workers_max:
            return None
        heads = [next(iter(queue.values())) for queue in self._queues.values() if queue]
        task = min(heads, key=lambda head: (self._rank(head, now_s), head.number))
        self._leave(task)
        self._running[task.number] = now_s
        waited_s = now_s - task.since_s
        self.counts.started += 1
        self.counts.waited_s += waited_s
        self.counts.waited_s_max = max(self.counts.waited_s_max, waited_s)
        return task.number

    def finish(self, number: int, ending: Ending, now_s: float) -> bool:
        """A running task came back; False when its deadline had passed, so that nobody waits for it."""
        self.counts.ran_s += now_s - self._running.pop(number)
        if number in self._expired:
            self._expired.remove(number)
            self.counts.late += 1
            return False
        if ending is Ending.SUCCESS:
            self.counts.succeeded += 1
        elif ending is Ending.FAILURE:
            self.counts.failed += 1
        elif ending is Ending.CRASH:
            self.counts.crashed += 1
        else:
            self.counts.cancelled += 1
        return True

    def cancel(self, number: int) -> bool:
        """Take a waiting task out; False when it does not wait (any more)."""
        task = self.waiting.get(number)
        if task is None:
            return False
        self._leave(task)
        self.counts.cancelled += 1
        return True

    def drop(self, number: int) -> None:
        """Take a waiting task out for the sake of others, or because it is the end."""
        self._leave(self.waiting[number])
        self.counts.dropped += 1

    def refuse(self) -> None:
        """A task came after the end."""
        self.counts.rejected += 1

    def expire(self, now_s: float) -> list[int]:
        """Tasks whose deadline is past, in its order: the waiting will not run, the running are not waited for."""
        found = []
        while self._deadlines and self._deadlines[0][0] <= now_s:
            _, number = heapq.heappop(self._deadlines)
            task = self.waiting.get(number)
            if task is not None:
                self._leave(task)
            elif number in self._running:
                self._expired.add(number)
            else:
                continue
            self.counts.expired += 1
            found.append(number)
        return found

    def next_deadline_s(self) -> float:
        """When the next task that is still here expires; infinite where none does."""
        while self._deadlines:
            deadline_s, number = self._deadlines[0]
            if number in self.waiting or number in self._running:
                return deadline_s
            heapq.heappop(self._deadlines)
        return math.inf

    def waiting_by_priority(self) -> dict[Priority, int]:
        """How many wait, by the priority they came with."""
        return {priority: len(queue) for priority, queue in self._queues.items()}

    def oldest_waiting_s(self, now_s: float) -> float:
        """How long the oldest waits; 0 where none does."""
        oldest = next(iter(self.waiting.values()), None)
        return 0.0 if oldest is None else now_s - oldest.since_s

    def _rank(self, task: Waiting, now_s: float) -> int:
        # The head of a queue has waited longest of it, so it has risen as far as any: looking at heads is enough.
        ageing_s = self.limits.ageing_s
        if ageing_s is None or task.priority <= Priority.HIGH:
            return task.priority
        return max(task.priority - int((now_s - task.since_s) / ageing_s), Priority.HIGH)

    def _makes_room(self, newcomer: Priority) -> tuple[int, ...]:
        if self.limits.drop is DropPolicy.LOW:
            for priority in reversed(Priority):
                if priority > newcomer and (queue := self._queues[priority]):
                    return (next(reversed(queue)),)
            return ()
        may_go = [queue for priority, queue in self._queues.items() if priority >= newcomer and queue]
        if self.limits.drop is DropPolicy.OLDEST:
            return (min(next(iter(queue)) for queue in may_go),) if may_go else ()
        return tuple(sorted(number for queue in may_go for number in queue))

    def _remember(self, deadline_s: float, number: int) -> None:
        # Most tasks are done long before their deadline: what they left here goes when it outweighs the rest.
        if len(self._deadlines) > 2 * (len(self.waiting) + len(self._running)) + 64:
            self._deadlines = [
                item for item in self._deadlines if item[1] in self.waiting or item[1] in self._running
            ]
            heapq.heapify(self._deadlines)
        heapq.heappush(self._deadlines, (deadline_s, number))

    def _leave(self, task: Waiting) -> None:
        del self.waiting[task.number], self._queues[task.priority][task.number]
