"""`BackupWork`: what is done about the backups of one server, and what it remembers of its repository."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tamis.backup.bring_back import Asked, restore_into
from tamis.backup.contents import places_of
from tamis.backup.create import CreateOptions, create
from tamis.backup.memory import Seen, read_memory, remember, require_not_older, seen_of
from tamis.backup.moment import moment_of_store
from tamis.backup.prune import prune
from tamis.backup.repository import Repository
from tamis.backup.resolved import keep_from, repository_from, target_from
from tamis.backup.retention import kept
from tamis.backup.snapshot import Snapshot
from tamis.backup.verify import verify
from tamis.clock import Clock
from tamis.disk.base import Disk
from tamis.errors import BackupError, RepositoryBusyError
from tamis.settings import Settings
from tamis.store.embedded.face import EmbeddedStore

_LOG = logging.getLogger("tamis.server")


class BackupWork:
    """For one thread; what it gives are results as answers have them. `going_on` is called now and then, and raises to
    call off what runs. `seen` is the newest snapshot of this store that is known."""

    def __init__(
        self,
        store: EmbeddedStore,
        settings: Settings,
        data: Path,
        *,
        disk: Disk,
        clock: Clock,
        going_on: Callable[[], object],
    ) -> None:
        self._store, self._settings, self._data = store, settings, data
        self._disk, self._clock, self._going_on = disk, clock, going_on
        self.seen: Seen | None = self._seen_in_place()

    def snapshots(self) -> dict[str, Any]:
        """What the repository has: snapshots, oldest first, and what is wrong with others by name."""
        problems: dict[str, str] = {}
        repository = self._repository()
        found = repository.snapshots(problems)
        require_not_older(repository, found, self.seen)
        return {"snapshots": [shown(name, one) for name, one in found.items()], "problems": problems}

    def create(self, why: str) -> dict[str, Any]:
        """Make a backup, then forget what the settings no longer keep."""
        backup = self._settings.backup
        repository = self._repository(make=self.seen is None)
        require_not_older(repository, repository.snapshots({}), self._seen_of(repository))
        options = CreateOptions(
            why=why, wait_s=backup.wait_s, timeout_s=backup.timeout_s, bytes_per_s=backup.bytes_per_s
        )
        with moment_of_store(self._store, self._disk) as moment:
            made = create(repository, moment, places_of(self._settings, self._data), self._disk, options)
        self._remember(repository, seen_of(repository, made.name, made.snapshot, self.seen))
        pruned = self._prune(repository)
        return {**shown(made.name, made.snapshot), "notes": list(made.notes), "pruned": pruned}

    def verify(self) -> dict[str, Any]:
        """Read all of the repository back."""
        repository = self._repository()
        seen = self._seen_of(repository)
        report = verify(repository, wait_s=self._settings.backup.wait_s)
        require_not_older(repository, repository.snapshots({}), seen)
        if seen is not None:
            now_ns = self._clock.now_ns()
            checked = msgspec.structs.replace(seen, verified_ns=now_ns, verified_whole=report.is_whole)
            self._remember(repository, checked)
        if not report.is_whole:
            _LOG.warning("the repository of backups is damaged: %s", report.findings[0].problem)
        return {"whole": report.is_whole, **msgspec.to_builtins(report)}

    def restore(self, asked: Asked) -> dict[str, Any]:
        """Bring records back into the store."""
        repository = self._repository()
        name, done = restore_into(repository, asked, self._store, self._data, self._disk, clock=self._clock)
        return {"snapshot": name, **msgspec.to_builtins(done)}

    def _repository(self, *, make: bool = False) -> Repository:
        """`make`: one that was never seen there may be made. A folder that is empty although one was seen in it is a
        disk that is not there."""
        opened = repository_from(self._settings.backup, self._disk, create=make, clock=self._clock)
        opened.going_on = self._going_on
        return opened

    def _prune(self, repository: Repository) -> dict[str, Any] | None:
        """Forget what the settings no longer keep of this store; others' backups are theirs."""
        keep, found = keep_from(self._settings.backup), repository.snapshots({})
        ours = {name: one for name, one in found.items() if one.store_id == self._store.store_id}
        if len(kept(ours, keep)) == len(ours):
            return None
        stores, wait_s = (self._store.store_id,), self._settings.backup.wait_s
        try:
            done: dict[str, Any] = msgspec.to_builtins(prune(repository, keep, stores=stores, wait_s=wait_s))
        except BackupError as error:
            if not isinstance(error, RepositoryBusyError):
                _LOG.warning("old backups stay: %s", error)
            return {"put_off": str(error)}
        return done

    def _remember(self, repository: Repository, seen: Seen) -> None:
        self.seen = seen
        remember(self._disk, self._data, repository.config.id, seen)

    def _seen_of(self, repository: Repository) -> Seen | None:
        """What is remembered of a repository."""
        self.seen = read_memory(self._disk, self._data).get(repository.config.id)
        return self.seen

    def _seen_in_place(self) -> Seen | None:
        """What is remembered of the repository that was last in its place."""
        place = target_from(self._settings.backup, self._disk).name
        known = read_memory(self._disk, self._data).values()
        ours = [one for one in known if (one.place, one.store_id) == (place, self._store.store_id)]
        return max(ours, key=lambda one: one.created_ns, default=None)


def shown(name: str, snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as answers have it."""
    made: dict[str, Any] = msgspec.to_builtins(snapshot)
    for inner in ("catalogue", "catalogue_bytes", "format"):
        made.pop(inner)
    return {"name": name, **made}
