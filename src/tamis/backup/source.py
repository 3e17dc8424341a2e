"""A repository as a source of files: what is damaged in a data folder is mended from its backups."""

import threading
from collections.abc import Mapping
from functools import cached_property

from tamis.backup.repository import Index, Repository
from tamis.backup.snapshot import FileEntry
from tamis.errors import AbsentError, BackupError, DamageError, DiskError, SourceError


class RepositorySource:
    """`integrity.Source` over the snapshots of one store (None: of all): the newest content of each path of a data
    folder, as ``segments/2026-11-21/00000012.parquet``. The repository is read at the first question; what is backed
    up later is not seen. Thread-safe."""

    is_local = True

    def __init__(self, repository: Repository, *, store_id: str | None = None) -> None:
        self._repository, self._store_id = repository, store_id
        self._lock = threading.Lock()
        self.name = f"backups in {repository.name}"

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
        index, position = self._known[1], 0
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
        data = b"".join(self._repository.chunks(wanted, index))
        return data[skip : skip + length]

    def _entry(self, path: str) -> FileEntry:
        try:
            with self._lock:
                files = self._known[0]
        except (BackupError, DiskError, DamageError) as error:
            raise SourceError(self.name, path, str(error)) from error
        entry = files.get(f"data/{path}")
        if entry is None:
            raise AbsentError(self.name, path, "no snapshot has it")
        return entry

    @cached_property
    def _known(self) -> tuple[Mapping[str, FileEntry], Index]:
        """The newest entry of each path whose chunks are all there, and where chunks are."""
        index = self._repository.load_index()
        files: dict[str, FileEntry] = {}
        for snapshot in self._repository.snapshots({}).values():
            if self._store_id is not None and snapshot.store_id != self._store_id:
                continue
            try:
                listed = self._repository.files(snapshot, index)
            except DamageError:
                continue
            whole = (one for one in listed if all(chunk in index.places for chunk in one.chunks))
            files.update((one.path, one) for one in whole)
        return files, index
