"""Servers to back up and repositories to back them up into, in folders of a test."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tamis.backup.contents import Places, places_of
from tamis.backup.create import Created, CreateOptions, create
from tamis.backup.folder import FolderTarget
from tamis.backup.moment import moment_of_folder, moment_of_store
from tamis.backup.repository import Repository, open_repository
from tamis.backup.target import Target
from tamis.backup.unlock import Opener, Provided
from tamis.clock import Clock
from tamis.disk.base import Disk
from tamis.disk.real import RealDisk
from tamis.keys import EnvironmentProvider
from tamis.keys.providers.base import print_key
from tamis.settings import Settings, load_settings
from tamis.store.embedded.face import EmbeddedStore
from tests.support.embedded import HandClock
from tests.support.ledgers import Unsynced

KEY = bytes(range(100, 132))
QUICK = RealDisk(Unsynced())
"""For tests that are not about what a power cut leaves."""


def opener(key: bytes = KEY) -> Opener:
    """What opens the repositories of tests."""
    return Provided(EnvironmentProvider("KEY", {"KEY": print_key(key)}))


def settings_in(home: Path) -> Settings:
    """Settings whose every folder lies in `home`."""
    return load_settings(
        {
            "server.data": str(home / "data"),
            "keys.keyring": str(home / "data/keys"),
            "keys.file": str(home / "config/master.key"),
            "audit.ledger": str(home / "data/audit"),
            "audit.heads": str(home / "state/heads"),
            "audit.signing_key": str(home / "config/audit.key"),
        },
        environ={},
    )


@dataclass
class BackupPlace:
    """A machine's folders in `home`, and a repository in `folder`."""

    home: Path
    folder: Path
    clock: Clock = field(default_factory=HandClock)
    disk: Disk = QUICK
    lock: Opener | None = field(default_factory=opener)
    target: Target | None = None

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def places(self) -> Places:
        return places_of(settings_in(self.home), self.data)

    def open(self, *, create: bool = True) -> Repository:
        target = self.target or FolderTarget(self.disk, self.folder)
        return open_repository(target, self.lock, clock=self.clock, create=create)

    def back_up(
        self,
        store: EmbeddedStore | None = None,
        options: CreateOptions | None = None,
        *,
        going_on: Callable[[], object] = lambda: None,
    ) -> Created:
        """Of a running store, else of the folder at rest."""
        options = options or CreateOptions(wait_s=0)
        repository = self.open()
        repository.going_on = going_on
        if store is None:
            with moment_of_folder(self.disk, self.data) as moment:
                return create(repository, moment, self.places, self.disk, options)
        with moment_of_store(store, self.disk) as moment:
            return create(repository, moment, self.places, self.disk, options)
