"""Packing: everything that a storage keeps, with its manifest, as a folder or an archive to be carried elsewhere."""

import hashlib
import io
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final, cast

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import AppendFile, Disk, ReadFile
from tamis.disk.real import RealDisk
from tamis.disk.space import require_space
from tamis.errors import AbsentError, DiskError, SourceError, UnmendedError
from tamis.integrity.digest import PREFIX
from tamis.integrity.ledger.signing import Signer
from tamis.integrity.manifest import FILE_NAME, FileEntry, Manifest, print_manifest
from tamis.integrity.report import StorageReport
from tamis.integrity.sources import ArchiveSource
from tamis.integrity.storage import StorageManager
from tamis.integrity.trust import sign_manifest
from tamis.telemetry.status import BOARD, StatusBoard
from tamis.telemetry.status_work import Work

_MODE: Final = 0o644


class KeptSource:
    """`Source` over the whole files of a storage, wherever each of them lies, and its manifest."""

    is_local = True

    def __init__(self, manager: StorageManager, manifest: bytes, disk: Disk) -> None:
        self._manager, self._manifest, self._disk = manager, manifest, disk
        self.name = f"storage {manager.folder}"

    def size(self, path: str) -> int:
        """Bytes of a file."""
        if path == FILE_NAME:
            return len(self._manifest)
        return self._disk.size(self._place(path))

    def read(self, path: str, *, start: int, length: int) -> bytes:
        """Exactly `length` bytes of a file from `start` on."""
        if path == FILE_NAME:
            data = self._manifest[start : start + length]
        else:
            try:
                with closing(self._disk.open_read(self._place(path))) as file:
                    data = file.read_at(start, length)
            except DiskError as error:
                raise SourceError(self.name, path, str(error)) from error
        if len(data) < length:
            raise AbsentError(self.name, path, f"it ends at byte {start + len(data):,}")
        return data

    def close(self) -> None:
        """Nothing is held."""

    def _place(self, path: str) -> Path:
        try:
            return self._manager.place(path)
        except UnmendedError as error:
            raise AbsentError(self.name, path, str(error)) from error


def pack(
    manager: StorageManager,
    target: Path,
    *,
    signer: Signer | None = None,
    disk: Disk | None = None,
    clock: Clock = SYSTEM_CLOCK,
    board: StatusBoard = BOARD,
) -> Manifest:
    """Put all files and their manifest, with one more signature where there is a `signer`, into a folder, or into an
    archive where `target` ends in ``.tar``; either is a mirror for another storage. A folder that was packed before
    gets what is new. UnmendedError, and nothing is written, when not everything is whole here.
    """
    disk = disk or RealDisk()
    report = manager.verify(full=True)
    manifest = manager.manifest
    if manifest is None or not report.is_whole:
        wrong = tuple(one.path for one in report.findings) or (FILE_NAME,)
        said = "; ".join(one.sentence for one in report.findings) or "there is no manifest"
        raise UnmendedError(wrong, f"only what is whole is packed: {said}")
    if signer is not None:
        manifest = sign_manifest(manifest, signer)
    source = KeptSource(manager, print_manifest(manifest), disk)
    if target.suffix == ".tar":
        _pack_archive(disk, target, source, manifest, board=board)
    else:
        _pack_folder(disk, target, source, clock=clock, board=board)
    return manifest


def _pack_folder(
    disk: Disk, target: Path, source: KeptSource, *, clock: Clock, board: StatusBoard
) -> StorageReport:
    disk.create_folder(target)
    with StorageManager(target, [source], disk=disk, clock=clock, board=board) as packed:
        return packed.update()


def _pack_archive(
    disk: Disk, target: Path, source: KeptSource, manifest: Manifest, *, board: StatusBoard
) -> None:
    """Under a temporary name first: an archive of this name is always a whole one."""
    disk.create_folder(target.parent)
    require_space(disk, target.parent, manifest.size + source.size(FILE_NAME))
    part = target.with_name(f".tamis-{manifest.digest()[:32]}.part")
    disk.remove(part)
    with (
        closing(disk.open_append(part)) as file,
        board.doing("pack files", total=manifest.size, unit="bytes") as work,
    ):
        with tarfile.open(fileobj=cast(Any, _Written(file)), mode="w|", format=tarfile.PAX_FORMAT) as archive:
            data = source.read(FILE_NAME, start=0, length=source.size(FILE_NAME))
            archive.addfile(_entry(FILE_NAME, len(data)), io.BytesIO(data))
            for entry in manifest.files:
                _add(archive, disk, source, entry=entry, work=work)
        file.sync()
    disk.replace(part, target)
    ArchiveSource(disk, target).size(FILE_NAME)


def _add(archive: tarfile.TarFile, disk: Disk, source: KeptSource, *, entry: FileEntry, work: Work) -> None:
    with closing(disk.open_read(source._place(entry.path))) as file:
        reader = _Read(file, work)
        archive.addfile(_entry(entry.path, entry.size), reader)  # type: ignore[arg-type]  # it only reads
    if PREFIX + reader.digest.hexdigest() != entry.sha256:
        raise UnmendedError((entry.path,), f"{entry.path} was changed while it was packed")


def _entry(path: str, size: int) -> tarfile.TarInfo:
    """The same for the same file, whoever packs it and when."""
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, _MODE
    return info


class _Written:
    """A file of the disk as the archive writes it."""

    def __init__(self, file: AppendFile) -> None:
        self._file = file

    def write(self, data: bytes, /) -> int:
        self._file.append([data])
        return len(data)


class _Read:
    """A file of the disk as the archive reads it, its bytes summed up on the way."""

    def __init__(self, file: ReadFile, work: Work) -> None:
        self._file, self._work, self._position = file, work, 0
        self.digest = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        data = self._file.read_at(self._position, size)
        self._position += len(data)
        self.digest.update(data)
        self._work.advance(len(data))
        return data
