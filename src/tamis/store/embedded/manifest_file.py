"""The manifest as a file: written whole, twice, each time with a digest of itself."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tamis.disk.base import Disk
from tamis.errors import DamageError, DiskError, FormatError
from tamis.store.embedded.layout import Layout
from tamis.store.embedded.manifest import FORMAT, Manifest
from tamis.store.embedded.manifest_v1 import manifest_of_v1


class _File(msgspec.Struct):
    """The file: `sha256` is the digest of the bytes of `manifest`, as they stand in the file."""

    format: int
    sha256: str = ""
    manifest: msgspec.Raw = msgspec.Raw()


@dataclass(frozen=True, slots=True)
class ManifestRead:
    """A manifest and what was wrong with a copy of it (None: nothing)."""

    manifest: Manifest
    problem: str | None = None


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


def read_manifest(disk: Disk, layout: Layout) -> ManifestRead:
    """The newest manifest that is whole.

    Raises FormatError when the folder was written by a newer release, DamageError when no manifest is whole.
    """
    found: list[Manifest] = []
    problems: list[str] = []
    for path in (layout.manifest, layout.manifest_copy):
        if not disk.exists(path):
            problems.append(f"{path.name} is missing")
            continue
        try:
            found.append(decode_manifest(path, disk.read(path)))
        except DamageError as error:
            problems.append(f"{path.name} is damaged ({error.reason})")
        except DiskError as error:
            problems.append(str(error))
    if not found:
        raise DamageError(str(layout.folder), f"{' and '.join(problems)}; restore one of them from a backup")
    manifest = max(found, key=lambda one: one.generation)
    if not problems or manifest.format < FORMAT:
        return ManifestRead(manifest)
    return ManifestRead(manifest, f"{problems[0]}; its copy was used, nothing is lost")


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
