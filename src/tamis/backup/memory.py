"""What a machine remembers of its repositories: so that one that shows an older state is not believed.

``backup.json`` in the data folder: for each repository the newest snapshot of this store that was seen, and when things
were done last.
"""

from pathlib import Path
from typing import Final

import msgspec

from tamis.backup.repository import Repository
from tamis.backup.snapshot import Snapshot
from tamis.disk.base import Disk
from tamis.errors import RolledBackError

FILE_NAME: Final = "backup.json"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The newest snapshot of this store in one repository, where that is, and when all of it was read back last
    (UTC ns)."""

    place: str
    store_id: str
    snapshot: str
    number: int
    created_ns: int
    sealed: bool
    verified_ns: int = 0
    verified_whole: bool = True


class _File(msgspec.Struct, frozen=True):
    repositories: dict[str, Seen] = {}


def read_memory(disk: Disk, data: Path) -> dict[str, Seen]:
    """What is remembered, by repository; nothing where it cannot be read."""
    path = data / FILE_NAME
    if not disk.exists(path):
        return {}
    try:
        return msgspec.json.decode(disk.read(path), type=_File).repositories
    except msgspec.MsgspecError:
        return {}


def remember(disk: Disk, data: Path, repository: str, seen: Seen) -> None:
    """Keep what was seen of a repository."""
    known = {**read_memory(disk, data), repository: seen}
    disk.write_whole(data / FILE_NAME, [msgspec.json.encode(_File(known))])


def seen_of(
    repository: Repository,
    name: str,
    snapshot: Snapshot,
    before: Seen | None,
    *,
    verified: tuple[int, bool] | None = None,
) -> Seen:
    """What is to be remembered when this is the newest snapshot. The first counts as read back: each pack was."""
    at_ns, whole = verified or (
        (before.verified_ns, before.verified_whole) if before else (snapshot.created_ns, True)
    )
    return Seen(
        place=repository.name,
        store_id=snapshot.store_id,
        snapshot=name,
        number=snapshot.number,
        created_ns=snapshot.created_ns,
        sealed=repository.config.sealed,
        verified_ns=at_ns,
        verified_whole=whole,
    )


def require_not_older(repository: Repository, snapshots: dict[str, Snapshot], seen: Seen | None) -> None:
    """RolledBackError when the newest snapshot that was seen is gone, and none of this store is newer: somebody put
    an older state of the repository in its place. The newest is never pruned."""
    if seen is None or seen.snapshot in snapshots:
        return
    numbers = [one.number for one in snapshots.values() if one.store_id == seen.store_id]
    if max(numbers, default=0) <= seen.number:
        raise RolledBackError(
            f"{repository.name} lacks the snapshot {seen.snapshot[:16]} (number {seen.number}), the newest that this "
            "machine knows, and has none after it: it shows an older state than before; if that was on purpose, say "
            "--accept-older"
        )
