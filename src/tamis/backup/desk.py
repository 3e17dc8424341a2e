"""`BackupDesk`: the backups of one server, made when they are due or asked for, by a thread of their own."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tamis.backup.bring_back import Asked, forget_copy
from tamis.backup.jobs import Job, JobBook, JobView
from tamis.backup.schedule import Due, Rhythm, next_due
from tamis.backup.work import BackupWork
from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.disk.real import RealDisk
from tamis.errors import BackupError, TamisError
from tamis.resilience.executor.background import NICE
from tamis.resilience.executor.workers.thread import give_way
from tamis.settings import Settings
from tamis.store.base import Store
from tamis.store.embedded.face import EmbeddedStore
from tamis.telemetry import status
from tamis.telemetry.metrics import Metrics

_LOG = logging.getLogger("tamis.server")
TICK_S: Final = 5.0
STATUS_NAME: Final = "backups"


class _StoppingError(BackupError):
    """The server stops."""


class BackupDesk:
    """Makes, verifies and prunes backups by the settings' schedule, and what is asked for beside it. `start` begins,
    `stop` ends; thread-safe. Without a repository in the settings, or a folder with a store, it does nothing."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        data: Path | None,
        *,
        metrics: Metrics,
        clock: Clock = SYSTEM_CLOCK,
        disk: Disk | None = None,
    ) -> None:
        self._settings, self._data = settings.backup, data
        self._metrics, self._clock = metrics, clock
        self.jobs = JobBook(clock)
        self._ended, self._wake = threading.Event(), threading.Event()
        self._failures = self._failed_ns = 0
        self.last_error = ""
        self._due: dict[str, Due | None] = {}
        self._work: BackupWork | None = None
        if self._settings.repository is not None and data is not None and isinstance(store, EmbeddedStore):
            self._work = BackupWork(
                store, settings, data, disk=disk or RealDisk(), clock=clock, going_on=self._going_on
            )
        self._thread = threading.Thread(target=self._run, name="tamis-backup", daemon=True)

    @property
    def is_possible(self) -> bool:
        """Whether there is a repository to back up into, and something to back up."""
        return self._work is not None

    def start(self) -> None:
        """Begin to keep the schedule."""
        if self._work is not None and self._data is not None:
            forget_copy(self._data)
            self._thread.start()

    def stop(self) -> None:
        """Call off what runs, and end. Idempotent."""
        self._ended.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        status.mend(STATUS_NAME)

    # asked for

    def ask_backup(self, why: str) -> JobView:
        """Have a backup made."""
        work = self._required()
        return self._asked("create", why, lambda: work.create(why))

    def ask_verify(self, why: str) -> JobView:
        """Have every byte of the repository read back."""
        return self._asked("verify", why, self._required().verify)

    def ask_restore(self, asked: Asked, why: str) -> JobView:
        """Have records of a backup brought back into the store."""
        work = self._required()
        return self._asked("restore", why, lambda: work.restore(asked))

    def _required(self) -> BackupWork:
        if self._work is None:
            raise BackupError("no repository is named: set backup.repository, and start the server again")
        return self._work

    def _asked(self, kind: str, why: str, work: Callable[[], dict[str, Any]]) -> JobView:
        job = self.jobs.add(kind, why, work)
        if job is None:
            raise BackupError(
                "too much waits to be done about backups already; try again when some of it is done"
            )
        self._wake.set()
        return job.view

    # told

    def snapshots(self) -> dict[str, Any]:
        """What the repository has: snapshots, oldest first, and what is wrong with others by name."""
        return {"snapshots": [], "problems": {}} if self._work is None else self._work.snapshots()

    def state(self) -> dict[str, Any]:
        """How backups stand: where they go, when the next is due, the newest, what is wrong."""
        repository, seen = self._settings.repository, None if self._work is None else self._work.seen
        return {
            "repository": None if repository is None else str(repository),
            "possible": self.is_possible,
            "newest": None if seen is None else seen.snapshot,
            "newest_at_ns": None if seen is None else seen.created_ns,
            "verified_ns": None if seen is None else seen.verified_ns,
            "next_ns": _at(self._due.get("create")),
            "next_verify_ns": _at(self._due.get("verify")),
            "last_error": self.last_error,
            "problems": list(self.problems()),
        }

    def problems(self) -> tuple[str, ...]:
        """What is wrong with backups, in sentences: too old, failed, damaged."""
        if self._work is None:
            return ()
        found, age_s, late_s = [], self._age_s(), self._settings.late_s
        if self._settings.interval_s and late_s and (age_s is None or age_s > late_s):
            since = (
                "no backup was made yet"
                if age_s is None
                else f"the newest backup is {age_s / 3_600:,.1f} h old"
            )
            found.append(f"{since}; at most {late_s / 3_600:,.1f} h are wanted (backup.late_s)")
        if self.last_error:
            found.append(f"the last backup failed: {self.last_error}")
        if self._work.seen is not None and not self._work.seen.verified_whole:
            found.append("the repository of backups is damaged: `tamis backup verify` says what it hits")
        return tuple(found)

    def _age_s(self) -> float | None:
        seen = None if self._work is None else self._work.seen
        return None if seen is None else (self._clock.now_ns() - seen.created_ns) / NS_PER_S

    # the thread

    def _run(self) -> None:
        give_way(NICE)
        self._plan()
        while not self._ended.is_set():
            job = self.jobs.take()
            if job is not None:
                self._do(job)
                self._plan()
            else:
                self._enqueue_due()
                self._tell()
                self._wake.wait(TICK_S)
                self._wake.clear()

    def _plan(self) -> None:
        """Say anew when things are due."""
        settings, seen, now_ns = self._settings, self._required().seen, self._clock.now_ns()
        self._due["create"] = next_due(
            Rhythm(interval_s=settings.interval_s, jitter_s=settings.jitter_s),
            now_ns=now_ns,
            last_ns=None if seen is None else seen.created_ns,
            failures=self._failures,
            failed_ns=self._failed_ns,
        )
        rhythm = Rhythm(interval_s=settings.verify_interval_s, jitter_s=settings.jitter_s)
        if seen is not None:
            self._due["verify"] = next_due(rhythm, now_ns=now_ns, last_ns=seen.verified_ns)

    def _enqueue_due(self) -> None:
        now_ns, work = self._clock.now_ns(), self._required()
        for kind, run in (("create", lambda: work.create("schedule")), ("verify", work.verify)):
            due = self._due.get(kind)
            if due is not None and due.at_ns <= now_ns:
                self._due[kind] = None
                self.jobs.add(kind, "schedule", run)
                self._wake.set()

    def _do(self, job: Job) -> None:
        began_ns = self._clock.now_ns()
        self.jobs.change(job, state="running", began_ns=began_ns)
        changes: dict[str, Any]
        try:
            changes = {"state": "done", "result": job.work()}
        except Exception as error:  # the thread's edge: whoever asked is told, and the schedule tries again
            changes = {"state": "failed", "error": str(error) or type(error).__name__}
            if not isinstance(error, TamisError):
                _LOG.exception("%s of a backup failed", job.view.kind)
        ended_ns = self._clock.now_ns()
        self._count(job.view.kind, (ended_ns - began_ns) / NS_PER_S, changes)
        self.jobs.change(job, ended_ns=ended_ns, **changes)
        job.ended.set()

    def _count(self, kind: str, seconds: float, changes: dict[str, Any]) -> None:
        failed = changes["state"] == "failed"
        self._metrics.add("tamis_backup_runs_total", 1, kind, "failed" if failed else "done")
        self._metrics.set("tamis_backup_last_seconds", seconds, kind)
        if kind != "create" or self._ended.is_set():
            return
        self.last_error = changes.get("error", "")
        self._failures, self._failed_ns = self._failures + 1 if failed else 0, self._clock.now_ns()
        if failed:
            _LOG.warning("a backup failed, and is tried again: %s", self.last_error)
        else:
            self._metrics.add("tamis_backup_added_bytes_total", changes["result"]["added_bytes"])

    def _tell(self) -> None:
        """Metrics and the status board follow."""
        age_s, problems = self._age_s(), self.problems()
        if age_s is not None:
            newest_s = self._clock.now_ns() / NS_PER_S - age_s
            self._metrics.set("tamis_backup_newest_timestamp_seconds", newest_s)
            self._metrics.set("tamis_backup_age_seconds", age_s)
        self._metrics.set("tamis_backup_problems", len(problems))
        _show(problems)

    def _going_on(self) -> None:
        if self._ended.is_set():
            raise _StoppingError("the server stops; what was written is used by the next backup")


def _show(problems: tuple[str, ...]) -> None:
    """On the status board."""
    if problems:
        status.degrade(STATUS_NAME, "; ".join(problems))
    else:
        status.mend(STATUS_NAME)


def _at(due: Due | None) -> int | None:
    return None if due is None else due.at_ns
