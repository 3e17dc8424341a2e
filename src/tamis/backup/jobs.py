"""What is being done about backups, and what was of late: for whoever asked."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from tamis.clock import Clock

JOBS_MAX: Final = 50
WAITING_MAX: Final = 10
State = Literal["waiting", "running", "done", "failed"]


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it stands: times in UTC ns, `result` by kind, `error` a sentence."""

    id: int
    kind: str
    why: str
    state: State
    asked_ns: int
    began_ns: int | None = None
    ended_ns: int | None = None
    error: str = ""
    result: dict[str, Any] | None = None


@dataclass(slots=True, eq=False)
class Job:
    """Something to do: `work` gives its result."""

    view: JobView
    work: Callable[[], dict[str, Any]]
    ended: threading.Event = field(default_factory=threading.Event)


class JobBook:
    """Jobs that wait, one after the other, and the last ones that ended. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._shown: deque[Job] = deque(maxlen=JOBS_MAX)
        self._count = 0

    def add(self, kind: str, why: str, work: Callable[[], dict[str, Any]]) -> Job | None:
        """Have something done; one of its kind and reason that waits already stands for it. None: too many wait."""
        with self._lock:
            for job in self._waiting:
                if (job.view.kind, job.view.why) == (kind, why) and kind != "restore":
                    return job
            if len(self._waiting) >= WAITING_MAX:
                return None
            self._count += 1
            view = JobView(id=self._count, kind=kind, why=why, state="waiting", asked_ns=self._clock.now_ns())
            job = Job(view, work)
            self._waiting.append(job)
            self._shown.append(job)
            return job

    def take(self) -> Job | None:
        """The next one."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def change(self, job: Job, **changes: Any) -> None:
        """Say how it stands now."""
        with self._lock:
            job.view = msgspec.structs.replace(job.view, **changes)

    def views(self) -> list[JobView]:
        """The last ones, newest first."""
        with self._lock:
            return [job.view for job in reversed(self._shown)]
