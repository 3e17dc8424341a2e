"""Bringing a backup back into a folder of its own."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from tamis.backup.locks import hold_to_read
from tamis.backup.remade import REMADE, Lost, remake
from tamis.backup.repository import Index, Repository
from tamis.backup.restored import FILE_NAME
from tamis.backup.snapshot import FileEntry
from tamis.disk.base import Disk
from tamis.disk.real import sweep_temporary
from tamis.disk.space import require_space
from tamis.errors import BackupError, DamageError, FormatError
from tamis.integrity.digest import pieces_of
from tamis.store.embedded.format.layout import SEGMENT_SUFFIX, Layout
from tamis.store.embedded.format.manifest import Manifest
from tamis.store.embedded.format.manifest_file import decode_manifest, write_manifest
from tamis.telemetry import status

MANIFEST: Final = "data/manifest.json"
SEGMENTS: Final = "data/segments/"
_FOLDERS: Final = {"data": "", "keys": "keys", "audit": "audit", "heads": "audit-heads"}
"""Where each section goes; the others go into `restored`."""
_REST: Final = "restored"
_SEGMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}/\d{8,}")
RESERVE_BYTES: Final = 64 << 20


@dataclass(slots=True)
class Restored:
    """What came back, and what did not."""

    folder: Path
    snapshot: str
    files: int = 0
    bytes: int = 0
    lost: list[Lost] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Span:
    """Which records are wanted: `start_ns` <= timestamp < `end_ns`; None is open."""

    start_ns: int | None = None
    end_ns: int | None = None

    def meets(self, file: FileEntry) -> bool:
        """Whether a file may hold some of them. What came back once says nothing of a part."""
        if file.path == f"data/{FILE_NAME}":
            return False
        if file.first_ns is None or file.last_ns is None:
            return True
        if self.start_ns is not None and file.last_ns < self.start_ns:
            return False
        return self.end_ns is None or file.first_ns < self.end_ns


class _Mark(msgspec.Struct, frozen=True):
    snapshot: str
    repository: str


def restore_folder(
    repository: Repository,
    name: str,
    folder: Path,
    disk: Disk,
    *,
    sections: Iterable[str] | None = None,
    span: Span | None = None,
    wait_s: float = 600.0,
) -> Restored:
    """Bring a snapshot back into an empty folder, or go on where a restore of the same one was interrupted.

    Room is looked for first (NoSpaceError). Each file is compared with its digest; what is damaged in the repository
    is left out and named, the rest comes back. A mark goes last: until then no server opens the folder. `span` leaves
    out segments without a record in it.
    """
    restored = lay_out(repository, name, folder, disk, sections=sections, span=span, wait_s=wait_s)
    finish(folder, disk)
    return restored


def finish(folder: Path, disk: Disk) -> None:
    """All that was wanted is in the folder: it is a store from now on."""
    disk.remove(Layout(folder).restoring)


def lay_out(
    repository: Repository,
    name: str,
    folder: Path,
    disk: Disk,
    *,
    sections: Iterable[str] | None = None,
    span: Span | None = None,
    wait_s: float = 600.0,
) -> Restored:
    """As `restore_folder`, but the mark stays for what has to be done to the store yet. What an interrupted try did to
    it is taken back."""
    with hold_to_read(
        repository.target,
        purpose="restore",
        clock=repository.clock,
        wait_s=wait_s,
        going_on=repository.going_on,
    ):
        snapshot = repository.snapshot(name)
        index = repository.load_index()
        files = [
            one for one in repository.files(snapshot, index) if sections is None or one.section in sections
        ]
        wanted = [one for one in files if span is None or span.meets(one)]
        manifest = _manifest(repository, files, index)
        if isinstance(manifest, Manifest) and span is not None:
            manifest = _only(manifest, frozenset(one.path for one in wanted))
        _begin(repository, name, folder, disk)
        job = _Job(repository, index, folder, disk, Restored(folder, name))
        job.restored.notes.extend(snapshot.problems)
        job.clear(wanted)
        needed = sum(one.size for one in wanted if not job.is_there(one))
        require_space(disk, folder, needed, RESERVE_BYTES)
        with status.doing("restore", total=sum(one.size for one in wanted), unit="bytes") as work:
            for one in wanted:
                repository.going_on()
                if one.path != MANIFEST:
                    job.bring_back(one)
                work.advance(one.size, one.path)
        if isinstance(manifest, Manifest):
            write_manifest(disk, Layout(folder), manifest)
        elif manifest is not None:
            remake(folder, snapshot, job.restored.lost, disk, repository.clock)
            job.restored.lost.append(manifest)
            job.restored.notes.append(REMADE)
        return job.restored


def _manifest(repository: Repository, files: Iterable[FileEntry], index: Index) -> Manifest | Lost | None:
    """The store's manifest, or why it is lost; None where none is wanted. Refused when it names what does not belong to
    a store."""
    entry = next((one for one in files if one.path == MANIFEST), None)
    if entry is None:
        return None
    try:
        data = b"".join(repository.chunks(entry.chunks, index))
    except DamageError as error:
        return Lost(MANIFEST, f"{error.path} {error.reason}".strip())
    manifest = decode_manifest(Path(MANIFEST), data)
    aside = [loss.segment for loss in manifest.losses if loss.segment is not None]
    for segment in (*manifest.segments, *aside):
        if not _SEGMENT.fullmatch(segment.name):
            raise DamageError(MANIFEST, f"it names the segment {segment.name[:100]!r}, which cannot be one")
    return manifest


def _only(manifest: Manifest, paths: frozenset[str]) -> Manifest:
    """The manifest without the segments that are not brought back."""
    kept = tuple(one for one in manifest.segments if f"{SEGMENTS}{one.name}{SEGMENT_SUFFIX}" in paths)
    return msgspec.structs.replace(manifest, segments=kept)


def _begin(repository: Repository, name: str, folder: Path, disk: Disk) -> None:
    """The folder is empty, or holds what an interrupted restore of the same snapshot left."""
    mark = _Mark(name, repository.config.id)
    if disk.exists(folder) and not _is_empty(folder, disk):
        if not disk.exists(Layout(folder).restoring):
            raise BackupError(f"{folder} is not empty; name a new folder, or restore into its server")
        try:
            found = msgspec.json.decode(disk.read(Layout(folder).restoring), type=_Mark)
        except msgspec.MsgspecError as error:
            raise FormatError(
                f"{Layout(folder).restoring} cannot be read ({error}); name a new folder"
            ) from error
        if found != mark:
            raise BackupError(
                f"in {folder} a restore of the snapshot {found.snapshot[:16]} was interrupted; go on with that one, or "
                "name a new folder"
            )
    disk.create_folder(folder)
    disk.write_whole(Layout(folder).restoring, [msgspec.json.encode(mark)])


def _is_empty(folder: Path, disk: Disk) -> bool:
    """Whether nothing is in a folder but what a kill left of the very first write."""
    if all(name.startswith(".tamis-") and name.endswith(".tmp") for name in disk.names(folder)):
        sweep_temporary(disk, folder)
    return not disk.names(folder)


@dataclass(frozen=True, slots=True)
class _Job:
    """One restore."""

    repository: Repository
    index: Index
    folder: Path
    disk: Disk
    restored: Restored

    def place(self, file: FileEntry) -> Path:
        """Where a file goes. Its path was checked when the list was read."""
        section, _, rest = file.path.partition("/")
        if section in _FOLDERS:
            return self.folder / _FOLDERS[section] / rest
        return self.folder / _REST / rest

    def clear(self, wanted: Iterable[FileEntry]) -> None:
        """Remove what a store made of an interrupted restore: it begins from the snapshot's files again."""
        layout = Layout(self.folder)
        for path in (layout.manifest, layout.manifest_copy):
            self.disk.remove(path)
        places = {self.place(file) for file in wanted}
        for inside in (layout.segments, layout.journals, layout.quarantine):
            for path in sorted(inside.rglob("*")):
                if path not in places and (path.is_file() or path.is_symlink()):
                    self.disk.remove(path)

    def is_there(self, file: FileEntry) -> bool:
        """Whether an interrupted restore brought it back already."""
        path = self.place(file)
        if path.is_symlink() or not self.disk.exists(path) or self.disk.size(path) != file.size:
            return False
        digest = hashlib.sha256()
        with closing(self.disk.open_read(path)) as opened:
            for piece in pieces_of(opened):
                digest.update(piece)
        return digest.digest() == file.sha256

    def bring_back(self, file: FileEntry) -> None:
        """Write a file, safe on return; one whose chunks are damaged is left out and named."""
        if not self.is_there(file):
            path = self.place(file)
            self.disk.create_folder(path.parent)
            self.disk.remove(path)
            try:
                self._write(file, path)
            except DamageError as error:
                self.disk.remove(path)
                reason = f"{error.path} {error.reason}".strip()
                self.restored.lost.append(Lost(file.path, reason, file.records, file.first_ns, file.last_ns))
                return
        self.restored.files += 1
        self.restored.bytes += file.size

    def _write(self, file: FileEntry, path: Path) -> None:
        digest, size = hashlib.sha256(), 0
        with closing(self.disk.open_append(path)) as out:
            for raw in self._chunks(file):
                digest.update(raw)
                size += len(raw)
                out.append([raw])
            out.sync()
        if digest.digest() != file.sha256 or size != file.size:
            raise DamageError("", "its chunks are whole, but do not make the file that was backed up")

    def _chunks(self, file: FileEntry) -> Iterator[bytes]:
        left = file.size
        for raw in self.repository.chunks(file.chunks, self.index):
            left -= len(raw)
            if left < 0:
                raise DamageError("", "it becomes larger than it says")
            yield raw
