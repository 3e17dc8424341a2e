"""Publishing: the manifest of a folder is written, so that others can keep its files."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.disk.real import RealDisk
from tamis.errors import ManifestError
from tamis.integrity.chunks import split_with_bytes
from tamis.integrity.digest import PREFIX
from tamis.integrity.ledger.signing import Signer
from tamis.integrity.manifest import (
    FILE_NAME,
    FORMAT,
    Change,
    FileEntry,
    Manifest,
    chunk_entries,
    parse_manifest,
    print_instant,
    print_manifest,
)
from tamis.integrity.trust import sign_manifest

CHANGES_MAX = 50
"""Lines of its change log that a file keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a manifest says of a file beside its bytes."""

    required: bool = True
    part: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """What is said of a new version: whose files, which release, what changed; for how long it may be taken."""

    name: str
    release: str = ""
    change: str = ""
    valid_s: float | None = None
    only: str = ""
    """With it, only files whose paths begin so are listed."""
    about: Callable[[str], About] = field(default=lambda path: About())


def publish(
    folder: Path,
    edition: Edition,
    *,
    signer: Signer | None = None,
    disk: Disk | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Manifest:
    """Write `manifest.json` for all files of a folder, and return it. Its version is one more than that of the one
    before; when no file has changed since, nor what is said of them, the one before stays.
    """
    disk = disk or RealDisk()
    path = folder / FILE_NAME
    before = parse_manifest(disk.read(path), str(path)) if disk.exists(path) else None
    made = make_manifest(disk, folder, edition, before=before, now_ns=clock.now_ns())
    if signer is not None:
        made = sign_manifest(made, signer)
    disk.write_whole(path, [print_manifest(made)])
    return made


def make_manifest(
    disk: Disk, folder: Path, edition: Edition, *, before: Manifest | None, now_ns: int
) -> Manifest:
    """The manifest of a folder as it is now, unsigned; `before` itself, when it says the same."""
    known = {} if before is None else before.by_path()
    files = tuple(
        _entry(disk, folder, path, edition, known=known, now_ns=now_ns)
        for path in list_files(folder)
        if path.startswith(edition.only)
    )
    expires = None if edition.valid_s is None else print_instant(now_ns + int(edition.valid_s * NS_PER_S))
    if before is not None and (before.files, before.name) == (files, edition.name) and expires is None:
        return before
    made = Manifest(
        format=FORMAT,
        name=edition.name,
        version=1 if before is None else before.version + 1,
        created=print_instant(now_ns),
        expires=expires,
        files=files,
    )
    return parse_manifest(print_manifest(made), str(folder))  # what others would refuse is refused here


def list_files(folder: Path) -> list[str]:
    """The paths of all files under a folder, sorted, without hidden ones and the manifest; ManifestError at a link."""
    found = []
    for place in sorted(folder.rglob("*")):
        path = place.relative_to(folder)
        if any(part.startswith(".") for part in path.parts) or path == Path(FILE_NAME):
            continue
        if place.is_symlink():
            raise ManifestError(f"{place} is a symbolic link; put the file itself there")
        if place.is_file():
            found.append(path.as_posix())
    return found


def _entry(
    disk: Disk, folder: Path, path: str, edition: Edition, *, known: Mapping[str, FileEntry], now_ns: int
) -> FileEntry:
    digest, chunks = hashlib.sha256(), []
    with closing(disk.open_read(folder / path)) as file:
        for chunk, data in split_with_bytes(file):
            digest.update(data)
            chunks.append(chunk)
    about = edition.about(path)
    made = FileEntry(
        path=path,
        sha256=PREFIX + digest.hexdigest(),
        size=chunks[-1].end if chunks else 0,
        version="",
        required=about.required,
        changes=(),
        part=about.part,
        without=about.without,
        chunks=chunk_entries(chunks),
    )
    return _with_log(made, known.get(path), edition, now_ns)


def _with_log(made: FileEntry, before: FileEntry | None, edition: Edition, now_ns: int) -> FileEntry:
    """With its version and change log: those of before, as long as its bytes are the same."""
    if before is not None and before.sha256 == made.sha256:
        return msgspec.structs.replace(made, version=before.version, changes=before.changes)
    text = edition.change or ("changed" if before is not None else "new")
    line = Change(version=edition.release, at=print_instant(now_ns), text=text)
    log = (line, *(before.changes if before is not None else ()))[:CHANGES_MAX]
    return msgspec.structs.replace(made, version=edition.release, changes=log)
