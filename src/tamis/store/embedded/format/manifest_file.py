"""The manifest as a file: written whole, twice, each time with a digest of itself."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tamis.disk.base import Disk
from tamis.errors import DamageError, DiskError, FormatError
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest import FORMAT, Manifest
from tamis.store.embedded.format.manifest_v1 import manifest_of_v1

_ADVICE = "`tamis repair` makes it anew from the segments, or takes it from another copy of the folder"


class _File(msgspec.Struct):
    """The file: `sha256` is the digest of the bytes of `manifest`, as they stand in the file."""

    format: int
    sha256: str = ""
    manifest: msgspec.Raw = msgspec.Raw()


@dataclass(frozen=True, slots=True)
class ManifestRead:
    """A manifest; what was damaged (None: nothing); whether one of its two files has to be written anew."""

    manifest: Manifest
    problem: str | None = None
    incomplete: bool = False
    notes: tuple[str, ...] = ()
    """What is not as usual, and no damage."""


def write_manifest(disk: Disk, layout: Layout, manifest: Manifest) -> None:
    """Make a manifest the valid one; when this returns, so it is after a power cut.

    The copy follows the first file: whichever of them is whole describes a store that is all there, because
    nothing that the older one names is removed before both are written.
    """
    data = encode_manifest(manifest)
    disk.write_whole(layout.manifest, [data])
    disk.write_whole(layout.manifest_copy, [data])


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes of the file."""
    raw = msgspec.json.encode(manifest, order="deterministic")
    return msgspec.json.encode(_File(FORMAT, hashlib.sha256(raw).hexdigest(), msgspec.Raw(raw)))


def manifest_exists(disk: Disk, layout: Layout) -> bool:
    """Whether the folder holds a store."""
    return disk.exists(layout.manifest) or disk.exists(layout.manifest_copy)


def refuse_remains(disk: Disk, layout: Layout) -> None:
    """DamageError when a folder without a manifest has what a store leaves: it is no empty place for another."""
    for folder in (layout.segments, layout.journals):
        if disk.exists(folder) and disk.names(folder):
            raise DamageError(
                str(layout.folder), f"there are segments or journals but no manifest; {_ADVICE}"
            )


def refuse_unfinished(disk: Disk, layout: Layout) -> None:
    """FormatError when a backup is not all back in the folder: it would be taken for all there is."""
    if disk.exists(layout.restoring):
        raise FormatError(
            f"{layout.folder}: a restore of a backup into it was interrupted ({layout.restoring.name}); run the same "
            "`tamis backup restore --to` again"
        )


def read_manifest(disk: Disk, layout: Layout) -> ManifestRead:
    """The newest manifest that is whole.

    Raises FormatError when the folder was written by a newer release, DamageError when no manifest is whole.
    """
    first = _read_file(disk, layout.manifest)
    copy = _read_file(disk, layout.manifest_copy)
    whole = [one for one in (first, copy) if isinstance(one, Manifest)]
    damaged = [one for one in (first, copy) if isinstance(one, str)]
    if not whole:
        what = " and ".join(damaged) or "the manifest is missing"
        raise DamageError(str(layout.folder), f"{what}; {_ADVICE}")
    manifest = max(whole, key=lambda one: one.generation)
    if first is None:
        damaged.append(f"{layout.manifest.name} is missing")
    problem = f"{damaged[0]}; the other copy was used, nothing is lost" if damaged else None
    # A copy that is missing or older is what a crash between the two writes leaves: no damage.
    incomplete = first != copy and manifest.format == FORMAT
    missing = f"{layout.manifest_copy.name} is missing; the next start writes it, nothing is lost"
    return ManifestRead(manifest, problem, incomplete, (missing,) if incomplete and copy is None else ())


def _read_file(disk: Disk, path: Path) -> Manifest | str | None:
    """The manifest, or what is wrong with the file, or None when there is none."""
    if not disk.exists(path):
        return None
    try:
        return decode_manifest(path, disk.read(path))
    except DamageError as error:
        return f"{path.name} is damaged ({error.reason})"
    except DiskError as error:
        return str(error)


def decode_manifest(path: Path, data: bytes) -> Manifest:
    """The manifest of a file's bytes."""
    try:
        file = msgspec.json.decode(data, type=_File)
    except msgspec.MsgspecError as error:
        raise DamageError(str(path), str(error)) from error
    if file.format > FORMAT:
        raise FormatError(
            f"{path.parent} was written by a newer release of Tamis (format {file.format}, this one reads up "
            f"to {FORMAT}); use that release or a newer one"
        )
    if file.format == 1:
        return manifest_of_v1(path, data)
    raw = bytes(file.manifest)
    if hashlib.sha256(raw).hexdigest() != file.sha256:
        raise DamageError(str(path), "the digest does not fit")
    try:
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.MsgspecError as error:
        raise DamageError(str(path), str(error)) from error
