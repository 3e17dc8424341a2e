"""A repository as a source of files: what is damaged in a data folder is mended from its backups."""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from tamis.backup.repository import Index, Repository
from tamis.backup.resolved import repository_from
from tamis.backup.snapshot import FileEntry, Snapshot
from tamis.backup.unlock import CONFIG
from tamis.disk.base import Disk
from tamis.errors import AbsentError, BackupError, DamageError, DiskError, SourceError, TamisError
from tamis.integrity.sources.base import Source
from tamis.integrity.sources.opened import open_source
from tamis.settings import Settings


class RepositorySource:
    """`integrity.Source` over the snapshots of one store (None: of all): the newest content of each path of a data
    folder, as ``segments/2026-11-21/00000012.parquet``. The repository is read at the first question; what is backed
    up later is not seen. Thread-safe.

    `opened` gives the repository when it is needed: one whose disk is away, or that nothing opens, is a SourceError.
    """

    is_local = True

    def __init__(self, opened: Callable[[], Repository], name: str, *, store_id: str | None = None) -> None:
        self._opened, self._store_id = opened, store_id
        self._lock = threading.Lock()
        self.name = f"backups in {name}"

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return self._entry(path).size

    def read(self, path: str, *, start: int, length: int) -> bytes:
        """Exactly `length` bytes of a file from `start` on."""
        entry = self._entry(path)
        if start < 0 or start + length > entry.size:
            raise AbsentError(self.name, path, f"it ends at byte {entry.size:,}")
        try:
            return self._read(entry, start, length)
        except DamageError as error:
            raise AbsentError(self.name, path, f"it is damaged there: {error.reason}") from error
        except (BackupError, DiskError) as error:
            raise SourceError(self.name, path, str(error)) from error

    def close(self) -> None:
        """Nothing is held."""

    def _read(self, entry: FileEntry, start: int, length: int) -> bytes:
        (_, index, repository), position = self._known, 0
        wanted: list[bytes] = []
        skip = 0
        for name in entry.chunks:
            place = index.places.get(name)
            if place is None:
                raise DamageError("", f"the chunk {name.hex()[:16]} is missing")
            end = position + place.stored.raw
            if end > start and position < start + length:
                skip = start - position if not wanted else skip
                wanted.append(name)
            position = end
        data = b"".join(repository.chunks(wanted, index))
        return data[skip : skip + length]

    def _entry(self, path: str) -> FileEntry:
        try:
            with self._lock:
                files = self._known[0]
        except TamisError as error:
            raise SourceError(self.name, path, str(error)) from error
        entry = files.get(f"data/{path}")
        if entry is None:
            raise AbsentError(self.name, path, "no snapshot has it")
        return entry

    @cached_property
    def _known(self) -> tuple[Mapping[str, FileEntry], Index, Repository]:
        """The newest entry of each path whose chunks are all there, where chunks are, and the repository."""
        repository = self._opened()
        index, snapshots = repository.load_index(), repository.snapshots({})
        stores = {one.store_id for one in snapshots.values()}
        if self._store_id is None and len(stores) > 1:
            raise BackupError(
                f"it has backups of the stores {', '.join(sorted(stores))}, and nobody said of which"
            )
        files: dict[str, FileEntry] = {}
        for snapshot in snapshots.values():
            if self._store_id in (None, snapshot.store_id):
                files.update(_whole(repository, snapshot, index))
        return files, index, repository


def _whole(repository: Repository, snapshot: Snapshot, index: Index) -> dict[str, FileEntry]:
    """The files of a snapshot that are all there, by path."""
    try:
        listed = repository.files(snapshot, index)
    except DamageError:
        return {}
    return {one.path: one for one in listed if all(chunk in index.places for chunk in one.chunks)}


def sources_from(
    places: Sequence[str], settings: Settings, disk: Disk, *, store_id: str | None = None
) -> list[Source]:
    """What texts name to mend from (see `integrity.sources.opened`), repositories of backups among them, and at the
    end the settings' own repository."""
    found: list[Source] = []
    for place in places:
        path = Path(place).expanduser()
        if "://" not in place and disk.exists(path / CONFIG):
            found.append(_repository_source(settings, disk, path, store_id))
        else:
            found.append(open_source(place, disk))
    own = settings.backup.repository
    if own is not None:
        found.append(_repository_source(settings, disk, own, store_id))
    return found


def _repository_source(settings: Settings, disk: Disk, folder: Path, store_id: str | None) -> Source:
    def opened() -> Repository:
        return repository_from(settings.backup, disk, folder=folder)

    return RepositorySource(opened, str(folder), store_id=store_id)
