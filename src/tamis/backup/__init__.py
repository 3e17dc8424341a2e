"""Copies of a server: made while it runs, only what is new, encrypted, verified; and brought back.

target = FolderTarget(RealDisk(), Path("/mnt/backups"))
repository = open_repository(target, Passphrase("correct horse battery staple"), create=True)
with moment_of_folder(RealDisk(), data) as moment:
    made = create(repository, moment, places_of(settings, data), RealDisk())
assert verify(repository).is_whole
restore_folder(repository, made.name, Path("/var/lib/tamis-again"), RealDisk())
"""

from tamis.backup.bring_back import Asked, restore_into, restore_to
from tamis.backup.contents import Places, places_of
from tamis.backup.create import Created, CreateOptions, create
from tamis.backup.folder import FolderTarget
from tamis.backup.moment import moment_of_folder, moment_of_store
from tamis.backup.prune import Pruned, prune
from tamis.backup.repository import Repository, open_repository
from tamis.backup.resolved import repository_from
from tamis.backup.restore import Restored, Span, restore_folder
from tamis.backup.retention import Keep
from tamis.backup.snapshot import Snapshot
from tamis.backup.source import RepositorySource
from tamis.backup.target import Target
from tamis.backup.unlock import Passphrase, Provided
from tamis.backup.verify import Report, verify

__all__ = [
    "Asked",
    "CreateOptions",
    "Created",
    "FolderTarget",
    "Keep",
    "Passphrase",
    "Places",
    "Provided",
    "Pruned",
    "Report",
    "Repository",
    "RepositorySource",
    "Restored",
    "Snapshot",
    "Span",
    "Target",
    "create",
    "moment_of_folder",
    "moment_of_store",
    "open_repository",
    "places_of",
    "prune",
    "repository_from",
    "restore_folder",
    "restore_into",
    "restore_to",
    "verify",
]
