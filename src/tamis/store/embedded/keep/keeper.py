"""Work in the background: jobs that run when they are due, one after the other in each lane."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tamis.clock import Clock
from tamis.errors import TaskCancelledError
from tamis.resilience.executor import Priority, TaskExecutor, TaskHandle

_RETRY_S = 5.0


@dataclass(slots=True)
class Job:
    """Something that is done when `due` says so, where turns are taken by `priority`. `problem` is why the last try
    failed; None when it did not."""

    name: str
    due: Callable[[], bool]
    run: Callable[[], object]
    priority: Priority = Priority.NORMAL
    problem: str | None = None
    not_before: float = 0.0


class Lane:
    """A thread for some jobs. A job that fails is tried again some seconds later; its error stays visible.

    With `turns` a job that is due is done there, when its turn comes: all that is done in the background never takes
    more threads than that executor has.
    """

    def __init__(
        self,
        name: str,
        jobs: Sequence[Job],
        *,
        clock: Clock,
        tick_s: float = 0.25,
        turns: TaskExecutor | None = None,
    ) -> None:
        self.jobs, self._clock, self._tick_s, self._turns = tuple(jobs), clock, tick_s, turns
        self._wake = threading.Event()
        self._stopped = False
        self._turn: TaskHandle[object] | None = None
        self._thread = threading.Thread(target=self._loop, name=f"tamis-store-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look now whether something is due."""
        self._wake.set()

    def stop(self) -> None:
        """End, when the job that runs is done; one that waits for its turn is given up."""
        self._stopped = True
        self._wake.set()
        if (turn := self._turn) is not None:
            turn.cancel()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        while not self._stopped:
            self._wake.wait(self._tick_s)
            self._wake.clear()
            for job in self.jobs:
                if not self._stopped:
                    self._try(job)

    def _try(self, job: Job) -> None:
        now = self._clock.monotonic_s()
        if now < job.not_before:
            return
        try:
            if job.due():
                self._run(job)
                job.problem = None
        except TaskCancelledError:  # given up: this lane is at its end
            return
        except Exception as error:  # the edge: the store goes on, and health tells of it
            job.problem = f"{job.name} failed: {error}"
            job.not_before = now + _RETRY_S

    def _run(self, job: Job) -> None:
        if self._turns is None:
            job.run()
            return
        turn = self._turn = self._turns.enqueue_task(job.run, priority=job.priority, name=job.name)
        if self._stopped:
            turn.cancel()
        try:
            turn.result()
        finally:
            self._turn = None
