"""`BackupDesk`: the backups of one server, made when they are due or asked for, by a thread of their own."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from tamis.backup.bring_back import Asked, forget_copy, restore_into
from tamis.backup.contents import places_of
from tamis.backup.create import Created, CreateOptions, create
from tamis.backup.jobs import Job, JobBook, JobView
from tamis.backup.memory import Seen, read_memory, remember, require_not_older, seen_of
from tamis.backup.moment import moment_of_store
from tamis.backup.prune import prune
from tamis.backup.repository import Repository
from tamis.backup.resolved import keep_from, repository_from, target_from
from tamis.backup.retention import kept
from tamis.backup.schedule import Due, Rhythm, next_due
from tamis.backup.verify import verify
from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.disk.real import RealDisk
from tamis.errors import BackupError, RepositoryBusyError, TamisError
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
        self._store, self._settings, self._data = store, settings, data
        self._metrics, self._clock, self._disk = metrics, clock, disk or RealDisk()
        self.jobs = JobBook(clock)
        self._ended, self._wake = threading.Event(), threading.Event()
        self._failures = self._failed_ns = 0
        self.last_error = ""
        self._seen: Seen | None = None
        self._due: dict[str, Due | None] = {}
        self._thread = threading.Thread(target=self._run, name="tamis-backup", daemon=True)

    @property
    def is_possible(self) -> bool:
        """Whether there is a repository to back up into, and something to back up."""
        repository = self._settings.backup.repository
        return repository is not None and self._data is not None and isinstance(self._store, EmbeddedStore)

    def start(self) -> None:
        """Begin to keep the schedule."""
        if self.is_possible:
            assert self._data is not None
            forget_copy(self._data)
            self._remember_seen()
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
        return self._asked("create", why, lambda: self._create(why))

    def ask_verify(self, why: str) -> JobView:
        """Have every byte of the repository read back."""
        return self._asked("verify", why, self._verify)

    def ask_restore(self, asked: Asked, why: str) -> JobView:
        """Have records of a backup brought back into the store."""
        return self._asked("restore", why, lambda: self._restore(asked))

    def _asked(self, kind: str, why: str, work: Callable[[], dict[str, Any]]) -> JobView:
        if not self.is_possible:
            raise BackupError("no repository is named: set backup.repository, and start the server again")
        job = self.jobs.add(kind, why, work)
        if job is None:
            raise BackupError(
                "too much waits to be done about backups already; try again when some of it is done"
            )
        self._wake.set()
        return job.view

    # told

    def snapshots(self) -> dict[str, Any]:
        """What the repository has: snapshots by name, oldest first, and what is wrong with others."""
        if not self.is_possible:
            return {"snapshots": [], "problems": {}}
        problems: dict[str, str] = {}
        found = self._repository().snapshots(problems)
        require_not_older(self._repository(), found, self._seen)
        return {"snapshots": [shown(name, one) for name, one in found.items()], "problems": problems}

    def state(self) -> dict[str, Any]:
        """How backups stand: where they go, when the next is due, the newest, what is wrong."""
        seen, repository = self._seen, self._settings.backup.repository
        return {
            "repository": None if repository is None else str(repository),
            "possible": self.is_possible,
            "newest_at_ns": None if seen is None else seen.created_ns,
            "newest": None if seen is None else seen.snapshot,
            "verified_ns": None if seen is None or not seen.verified_ns else seen.verified_ns,
            "next_ns": _at(self._due.get("create")),
            "next_verify_ns": _at(self._due.get("verify")),
            "last_error": self.last_error,
            "problems": list(self.problems()),
        }

    def problems(self) -> tuple[str, ...]:
        """What is wrong with backups, in sentences: too old, failed, damaged."""
        if not self.is_possible:
            return ()
        found = []
        age_s = self._age_s()
        late_s = self._settings.backup.late_s
        if self._settings.backup.interval_s and late_s and (age_s is None or age_s > late_s):
            since = (
                "no backup was made yet"
                if age_s is None
                else f"the newest backup is {age_s / 3_600:,.1f} h old"
            )
            found.append(f"{since}; at most {late_s / 3_600:,.1f} h are wanted (backup.late_s)")
        if self.last_error:
            found.append(f"the last backup failed: {self.last_error}")
        if self._seen is not None and not self._seen.verified_whole:
            found.append("the repository of backups is damaged: `tamis backup verify` says what it hits")
        return tuple(found)

    def _age_s(self) -> float | None:
        return None if self._seen is None else (self._clock.now_ns() - self._seen.created_ns) / NS_PER_S

    # the thread

    def _run(self) -> None:
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
        backup, seen, now_ns = self._settings.backup, self._seen, self._clock.now_ns()
        rhythm = Rhythm(interval_s=backup.interval_s, jitter_s=backup.jitter_s)
        self._due["create"] = next_due(
            rhythm,
            now_ns=now_ns,
            last_ns=None if seen is None else seen.created_ns,
            failures=self._failures,
            failed_ns=self._failed_ns,
        )
        rhythm = Rhythm(interval_s=backup.verify_interval_s, jitter_s=backup.jitter_s)
        last_ns = None if seen is None else seen.verified_ns or seen.created_ns
        self._due["verify"] = None if seen is None else next_due(rhythm, now_ns=now_ns, last_ns=last_ns)

    def _enqueue_due(self) -> None:
        now_ns = self._clock.now_ns()
        for kind, work in (("create", lambda: self._create("schedule")), ("verify", self._verify)):
            due = self._due.get(kind)
            if due is not None and due.at_ns <= now_ns:
                self._due[kind] = None
                self.jobs.add(kind, "schedule", work)
                self._wake.set()

    def _do(self, job: Job) -> None:
        began_ns = self._clock.now_ns()
        self.jobs.change(job, state="running", began_ns=began_ns)
        changes: dict[str, Any]
        try:
            changes = {"state": "done", "result": job.work()}
        except _StoppingError as error:
            changes = {"state": "failed", "error": str(error)}
        except Exception as error:  # the thread's edge: whoever asked is told, and the schedule tries again
            changes = {"state": "failed", "error": str(error) or type(error).__name__}
            if not isinstance(error, TamisError):
                _LOG.exception("%s of a backup failed", job.view.kind)
        self._count(job.view.kind, changes)
        seconds = (self._clock.now_ns() - began_ns) / NS_PER_S
        self._metrics.set("tamis_backup_last_seconds", seconds, job.view.kind)
        self.jobs.change(job, ended_ns=self._clock.now_ns(), **changes)
        job.ended.set()

    def _count(self, kind: str, changes: dict[str, Any]) -> None:
        failed = changes["state"] == "failed"
        self._metrics.add("tamis_backup_runs_total", 1, kind, "failed" if failed else "done")
        if kind != "create" or self._ended.is_set():
            return
        self.last_error = changes.get("error", "")
        self._failures = self._failures + 1 if failed else 0
        self._failed_ns = self._clock.now_ns()
        if failed:
            _LOG.warning("a backup failed, and is tried again: %s", self.last_error)

    def _tell(self) -> None:
        """Metrics and the status board follow."""
        age_s = self._age_s()
        if self._seen is not None and age_s is not None:
            self._metrics.set("tamis_backup_newest_timestamp_seconds", self._seen.created_ns / NS_PER_S)
            self._metrics.set("tamis_backup_age_seconds", age_s)
        problems = self.problems()
        self._metrics.set("tamis_backup_problems", len(problems))
        if problems:
            status.degrade(STATUS_NAME, "; ".join(problems))
        else:
            status.mend(STATUS_NAME)

    # the work

    def _repository(self, *, make: bool = False) -> Repository:
        """`make`: one that was never seen there may be made. A folder that is empty although one was seen in it is a
        disk that is not there."""
        opened = repository_from(self._settings.backup, self._disk, create=make, clock=self._clock)
        opened.going_on = self._going_on
        return opened

    def _create(self, why: str) -> dict[str, Any]:
        store, data, backup = self._store, self._data, self._settings.backup
        assert isinstance(store, EmbeddedStore)
        assert data is not None
        repository = self._repository(make=self._seen is None)
        require_not_older(repository, repository.snapshots({}), self._remember_seen(repository))
        options = CreateOptions(
            why=why,
            wait_s=backup.wait_s,
            timeout_s=backup.timeout_s,
            bytes_per_s=backup.bytes_per_s,
        )
        with moment_of_store(store, self._disk) as moment:
            made = create(repository, moment, places_of(self._settings, data), self._disk, options)
        self._note(repository, made)
        self._metrics.add("tamis_backup_added_bytes_total", made.snapshot.added_bytes)
        return {
            **shown(made.name, made.snapshot),
            "notes": list(made.notes),
            "pruned": self._prune(repository),
        }

    def _note(self, repository: Repository, made: Created) -> None:
        assert self._data is not None
        self._seen = seen_of(repository, made.name, made.snapshot, self._seen)
        remember(self._disk, self._data, repository.config.id, self._seen)

    def _prune(self, repository: Repository) -> dict[str, Any] | None:
        """Forget what the settings no longer keep of this store; others' backups are theirs."""
        keep, found = keep_from(self._settings.backup), repository.snapshots({})
        ours = {name: one for name, one in found.items() if one.store_id == self._store.store_id}
        if len(kept(ours, keep)) == len(ours):
            return None
        try:
            done = prune(
                repository, keep, stores=(self._store.store_id,), wait_s=self._settings.backup.wait_s
            )
        except RepositoryBusyError as error:
            return {"put_off": str(error)}
        return msgspec.to_builtins(done)  # type: ignore[no-any-return]

    def _verify(self) -> dict[str, Any]:
        repository = self._repository()
        seen = self._remember_seen(repository)
        report = verify(repository, wait_s=self._settings.backup.wait_s, cancelled=self._ended.is_set)
        self._going_on()
        require_not_older(repository, repository.snapshots({}), seen)
        if seen is not None and self._data is not None:
            checked = msgspec.structs.replace(
                seen, verified_ns=self._clock.now_ns(), verified_whole=report.is_whole
            )
            self._seen = checked
            remember(self._disk, self._data, repository.config.id, checked)
        if not report.is_whole:
            _LOG.warning("the repository of backups is damaged: %s", report.findings[0].problem)
        return {"whole": report.is_whole, **msgspec.to_builtins(report)}

    def _restore(self, asked: Asked) -> dict[str, Any]:
        assert isinstance(self._store, EmbeddedStore)
        assert self._data is not None
        name, done = restore_into(
            self._repository(),
            asked,
            self._store,
            self._data,
            self._disk,
            clock=self._clock,
        )
        return {"snapshot": name, **msgspec.to_builtins(done)}

    def _remember_seen(self, repository: Repository | None = None) -> Seen | None:
        """What is remembered of the repository; before it was opened, of the one in its place."""
        assert self._data is not None
        known = read_memory(self._disk, self._data)
        if repository is not None:
            self._seen = known.get(repository.config.id)
        else:
            place = target_from(self._settings.backup, self._disk).name
            ours = [
                one for one in known.values() if (one.place, one.store_id) == (place, self._store.store_id)
            ]
            self._seen = max(ours, key=lambda one: one.created_ns, default=None)
        return self._seen

    def _going_on(self) -> None:
        if self._ended.is_set():
            raise _StoppingError("the server stops; what was written is used by the next backup")


def shown(name: str, snapshot: Any) -> dict[str, Any]:
    """A snapshot as answers have it."""
    made: dict[str, Any] = msgspec.to_builtins(snapshot)
    for inner in ("catalogue", "catalogue_bytes", "format"):
        made.pop(inner)
    return {"name": name, **made}


def _at(due: Due | None) -> int | None:
    return None if due is None else due.at_ns
