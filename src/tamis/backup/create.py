"""Making a backup: what is new goes into packs, what is known is referred to."""

import hashlib
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

import msgspec

from tamis.backup.contents import Places, left_out, other_items
from tamis.backup.locks import Lock, hold
from tamis.backup.moment import Item, Moment
from tamis.backup.pack import PackBuilder, pack_object
from tamis.backup.repository import Index, Repository
from tamis.backup.snapshot import FORMAT, PROBLEMS_MAX, FileEntry, Snapshot, encode_files
from tamis.clock import Clock
from tamis.disk.base import Disk
from tamis.errors import BackupError, DamageError, DiskError
from tamis.integrity.chunks import split_with_bytes
from tamis.telemetry import status
from tamis.telemetry.status_work import Work
from tamis.version import __version__

WAIT_S: Final = 600.0
TIMEOUT_S: Final = 6 * 3_600.0
PAUSE_S: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions:
    """How a backup is made. `bytes_per_s` 0 reads as fast as it can."""

    why: str = "by hand"
    wait_s: float = WAIT_S
    timeout_s: float = TIMEOUT_S
    bytes_per_s: int = 0


@dataclass(frozen=True, slots=True)
class Created:
    """The snapshot that was made, and what it took. `notes` are what is meant not to be in it."""

    name: str
    snapshot: Snapshot
    read_bytes: int
    notes: tuple[str, ...] = ()


def create(
    repository: Repository,
    moment: Moment,
    places: Places,
    disk: Disk,
    options: CreateOptions | None = None,
) -> Created:
    """Make a snapshot of a store at its moment and of what stands around it.

    A kill at any time leaves packs that the next backup uses, and no snapshot. What is damaged where it is read is
    left out and named in the snapshot. RepositoryBusyError while somebody prunes; BackupError when it takes too long,
    or when this process was taken for dead meanwhile.
    """
    options = options or CreateOptions()
    clock = repository.clock
    with (
        hold(
            repository.target,
            "shared",
            purpose="backup",
            clock=clock,
            wait_s=options.wait_s,
            going_on=repository.going_on,
        ) as lock,
        status.doing("backup", unit="bytes") as work,
    ):
        writer = Writer(repository, repository.load_index())
        before = _newest(repository, moment.store_id)
        reader = _Reader(
            writer, _known(repository, before, writer.index), _Pace(clock, options, repository.going_on), work
        )
        items = [*moment.items, *other_items(disk, places, sealed=repository.config.sealed)]
        work.update(total=sum(item.size or 0 for item in items))
        files = [entry for item in items for entry in reader.take(item)]
        snapshot = _snapshot(moment, files, reader, before, clock=clock, why=options.why)
        name = _finish(repository, writer, lock, snapshot, files)
        work.end(note=name[:16])
    snapshot = repository.snapshot(name)
    return Created(name, snapshot, reader.read_bytes, left_out(disk, places, sealed=repository.config.sealed))


def _newest(repository: Repository, store_id: str) -> tuple[str, Snapshot] | None:
    """The newest snapshot of a store that can be read."""
    found = repository.snapshots({})
    own = [(name, one) for name, one in found.items() if one.store_id == store_id]
    return max(own, key=lambda one: (one[1].number, one[1].created_ns), default=None)


def _known(repository: Repository, before: tuple[str, Snapshot] | None, index: Index) -> dict[str, FileEntry]:
    """The files of the snapshot before, whose content need not be read when its digest is known to be the same."""
    if before is None:
        return {}
    try:
        files = repository.files(before[1], index)
    except DamageError:
        return {}
    return {file.path: file for file in files}


def _snapshot(
    moment: Moment,
    files: list[FileEntry],
    reader: "_Reader",
    before: tuple[str, Snapshot] | None,
    *,
    clock: Clock,
    why: str,
) -> Snapshot:
    """What will be kept, but for the list of files, which is not written yet."""
    return Snapshot(
        format=FORMAT,
        created_ns=max(clock.now_ns(), 0 if before is None else before[1].created_ns + 1),
        host=socket.gethostname(),
        store_id=moment.store_id,
        last_seq=moment.last_seq,
        records=moment.records,
        number=1 if before is None else before[1].number + 1,
        parent="" if before is None else before[0],
        why=why,
        release=__version__,
        files_count=len(files),
        size_bytes=sum(file.size for file in files),
        added_bytes=0,
        catalogue=(),
        catalogue_bytes=0,
        problems=tuple(reader.problems[:PROBLEMS_MAX]),
    )


def _finish(
    repository: Repository, writer: "Writer", lock: Lock, snapshot: Snapshot, files: list[FileEntry]
) -> str:
    """Write the list of files, then the snapshot; look that all it refers to is there, else take it back."""
    listed = encode_files(files)
    catalogue = tuple(writer.add(digest, bytes(data)) for digest, data in _cut(listed))
    writer.flush()
    lock.require()
    name = repository.put_snapshot(
        msgspec.structs.replace(
            snapshot, catalogue=catalogue, catalogue_bytes=len(listed), added_bytes=writer.added_bytes
        )
    )
    gone = _missing(repository, writer.index, files, catalogue)
    if gone:
        repository.remove_snapshot(name)
        raise BackupError(
            f"{repository.name}: {len(gone):,} packs that this backup counted on were removed meanwhile by "
            "somebody who took it for dead; run it again"
        )
    return name


def _cut(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    for chunk, piece in split_with_bytes(data):
        yield bytes.fromhex(chunk.sha256), piece


def _missing(
    repository: Repository, index: Index, files: Iterable[FileEntry], catalogue: Iterable[bytes]
) -> set[str]:
    """Packs that a snapshot needs and that are not there."""
    there = {one.name for one in repository.target.list("packs")}
    needed = {index.places[chunk].pack for file in files for chunk in file.chunks}
    needed |= {index.places[chunk].pack for chunk in catalogue}
    return {pack for pack in needed if pack_object(pack) not in there}


@dataclass(slots=True)
class Writer:
    """Puts chunks that nobody knows yet into packs. Not thread-safe."""

    repository: Repository
    index: Index
    added_bytes: int = 0
    _fresh: set[bytes] = field(default_factory=set)
    _builder: PackBuilder | None = None

    def add(self, sha256: bytes, raw: bytes) -> bytes:
        """Have a chunk kept; what it is called."""
        name = self.repository.secrets.chunk_name(sha256)
        self.put(name, raw)
        return name

    def put(self, name: bytes, raw: bytes) -> None:
        """Have a chunk kept that is called so, unless it is there."""
        if name not in self.index.places and name not in self._fresh:
            if self._builder is None:
                self._builder = PackBuilder(self.repository.secrets)
            self._builder.add(name, raw)
            self._fresh.add(name)
            if self._builder.is_full:
                self.flush()

    def flush(self) -> None:
        """Write the pack that is being filled, and read it back."""
        if self._builder is None:
            return
        pack, self._builder = self._builder.finish(), None
        self.repository.put_pack(pack)
        self.index.add(pack.name, pack.size, pack.chunks)
        self._fresh.clear()
        self.added_bytes += pack.size + len(pack.index)


@dataclass(slots=True)
class _Pace:
    """How fast is read, and for how long at most."""

    clock: Clock
    options: CreateOptions
    going_on: Callable[[], object]
    began_s: float = 0.0
    read: int = 0

    def __post_init__(self) -> None:
        self.began_s = self.clock.monotonic_s()

    def count(self, size: int) -> None:
        """So much more was read: wait when that was too quick; BackupError when it takes too long."""
        self.read += size
        self.going_on()
        passed = self.clock.monotonic_s() - self.began_s
        if passed > self.options.timeout_s:
            raise BackupError(
                f"the backup took longer than {self.options.timeout_s:,.0f} s (backup.timeout_s) and was given up; "
                "the next one goes on with what it wrote"
            )
        if self.options.bytes_per_s:
            self._wait(self.read / self.options.bytes_per_s)

    def _wait(self, until_s: float) -> None:
        while (left := until_s - (self.clock.monotonic_s() - self.began_s)) > 0:
            self.going_on()
            self.clock.sleep(min(left, PAUSE_S))


class _Reader:
    """Reads items that are not known yet, chunk by chunk."""

    def __init__(self, writer: Writer, known: dict[str, FileEntry], pace: _Pace, work: Work) -> None:
        self._writer, self._known, self._pace, self._work = writer, known, pace, work
        self.problems: list[str] = []
        self.read_bytes = 0

    def take(self, item: Item) -> Iterator[FileEntry]:
        """The entry of an item; none when it is damaged where it is."""
        entry = self._unread(item)
        if entry is None and not item.is_aside:
            entry = self._read(item)
        if entry is None and item.is_aside:
            self.problems.append(f"{item.path} is set aside as damaged, and no earlier backup has it")
        if entry is not None:
            yield entry

    def _unread(self, item: Item) -> FileEntry | None:
        """What is known of the same content at the same place."""
        known = self._known.get(item.path)
        places = self._writer.index.places
        if known is None or item.sha256 is None or known.sha256 != item.sha256:
            return None
        if any(chunk not in places for chunk in known.chunks):
            return None
        self._work.advance(known.size, item.path)
        return _entry(item, known.size, known.sha256, known.chunks)

    def _read(self, item: Item) -> FileEntry | None:
        digest, chunks, size = hashlib.sha256(), [], 0
        self._work.advance(0, item.path)
        try:
            with closing(item.open()) as file:
                if item.size is None:
                    self._work.update(total=(self._work.total or 0) + file.size)
                for chunk, data in split_with_bytes(file):
                    raw = bytes(data)
                    digest.update(raw)
                    chunks.append(self._writer.add(bytes.fromhex(chunk.sha256), raw))
                    size += len(raw)
                    self._pace.count(len(raw))
                    self._work.advance(len(raw))
        except DiskError as error:
            self.problems.append(f"{item.path} could not be read: {error}")
            return None
        self.read_bytes += size
        found = digest.digest()
        if item.sha256 is not None and found != item.sha256:
            self.problems.append(
                f"{item.path} is damaged where it stands (its SHA-256 differs), and is left out"
            )
            return None
        return _entry(item, size, found, tuple(chunks))


def _entry(item: Item, size: int, sha256: bytes, chunks: tuple[bytes, ...]) -> FileEntry:
    return FileEntry(item.path, size, sha256, chunks, item.records, item.first_ns, item.last_ns)
