"""The repository that the settings describe."""

from pathlib import Path

from tamis.backup.folder import FolderTarget
from tamis.backup.repository import Repository, open_repository
from tamis.backup.retention import Keep
from tamis.backup.unlock import Opener, Passphrase, Provided
from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.errors import BackupError, ConfigError
from tamis.keys import provider_from
from tamis.settings import BackupSettings, KeysSettings


def opener_from(settings: BackupSettings, disk: Disk) -> Opener | None:
    """What the settings say that opens the repository; None: it is not encrypted."""
    if settings.provider == "none":
        return None
    if settings.provider == "passphrase":
        if not settings.passphrase:
            raise ConfigError(
                "backup.passphrase", "", "the settings", "must be set with backup.provider passphrase"
            )
        return Passphrase(settings.passphrase)
    keys = KeysSettings(
        provider=settings.provider,
        file=settings.file.expanduser(),
        variable=settings.variable,
        command=settings.command,
        command_timeout_s=settings.command_timeout_s,
    )
    return Provided(provider_from(keys, disk))


def repository_from(
    settings: BackupSettings,
    disk: Disk,
    *,
    folder: Path | None = None,
    create: bool = False,
    clock: Clock = SYSTEM_CLOCK,
) -> Repository:
    """`open_repository` with what the settings say, in another folder where one is given."""
    target = target_from(settings, disk, folder=folder)
    return open_repository(target, opener_from(settings, disk), clock=clock, create=create)


def target_from(settings: BackupSettings, disk: Disk, *, folder: Path | None = None) -> FolderTarget:
    """Where the settings say that the repository is."""
    place = folder or settings.repository
    if place is None:
        raise BackupError("no repository is named; give one with --repository, or set backup.repository")
    return FolderTarget(disk, place.expanduser().absolute())


def keep_from(settings: BackupSettings) -> Keep:
    """How many snapshots the settings keep."""
    return Keep(
        last=settings.keep_last,
        daily=settings.keep_daily,
        weekly=settings.keep_weekly,
        monthly=settings.keep_monthly,
    )
