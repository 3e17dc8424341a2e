"""Snapshots: what was backed up at one moment, file by file."""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from tamis.backup.pack import NAME_BYTES
from tamis.errors import DamageError, FormatError, ManifestError
from tamis.integrity.chunks import CHUNK_BYTES_MAX
from tamis.integrity.paths import require_distinct, require_path

FORMAT: Final = 1
SNAPSHOT_BYTES_MAX: Final = 64 << 20
CATALOGUE_BYTES_MAX: Final = 1 << 30
FILE_BYTES_MAX: Final = 1 << 40
PROBLEMS_MAX: Final = 200
SECTIONS: Final = ("data", "keys", "secrets", "audit", "heads", "settings")
"""The first part of every path: what a file belongs to."""
_STORE_ID: Final = re.compile(r"[0-9a-f]{8}")


class FileEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A file: its path (``data/segments/2026-11-21/00000001.parquet``), and its content as names of chunks.

    `sha256` is the digest of the content. `records` says how many a segment has, None for other files; `first_ns` and
    `last_ns` from when to when, so that one day can be fetched without the rest.
    """

    path: str
    size: int
    sha256: bytes
    chunks: tuple[bytes, ...]
    records: int | None = None
    first_ns: int | None = None
    last_ns: int | None = None

    @property
    def section(self) -> str:
        """What it belongs to."""
        return self.path.partition("/")[0]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A backup. `catalogue` are the chunks that hold its list of files.

    `number` counts the snapshots of one store, `parent` is the name of the one before, "" for the first: so a
    machine that knows the newest sees when a repository shows an older state.
    """

    format: int
    created_ns: int
    host: str
    store_id: str
    last_seq: int
    records: int
    number: int
    parent: str
    why: str
    release: str
    files_count: int
    size_bytes: int
    added_bytes: int
    catalogue: tuple[bytes, ...]
    catalogue_bytes: int
    problems: tuple[str, ...] = ()
    """What was damaged or missing where it was made, so that it is not in here."""


_files = msgspec.msgpack.Decoder(tuple[FileEntry, ...])
_snapshots = msgspec.json.Decoder(Snapshot)


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Its bytes, before they are sealed."""
    return msgspec.json.encode(snapshot)


def decode_snapshot(raw: bytes) -> Snapshot:
    """From its bytes. DamageError when it is none, FormatError when a newer release made it."""
    try:
        snapshot = _snapshots.decode(raw)
    except msgspec.MsgspecError as error:
        raise DamageError("", f"it cannot be read ({error})") from error
    if snapshot.format > FORMAT:
        raise FormatError(
            f"the snapshot has format {snapshot.format}, this release reads up to {FORMAT}; use a newer one"
        )
    if not _STORE_ID.fullmatch(snapshot.store_id) or not _are_names(snapshot.catalogue):
        raise DamageError("", "it names a store or chunks that cannot be")
    if (
        not 0
        <= snapshot.catalogue_bytes
        <= min(CATALOGUE_BYTES_MAX, len(snapshot.catalogue) * CHUNK_BYTES_MAX)
    ):
        raise DamageError("", "its list of files is larger than it may be")
    return snapshot


def encode_files(files: Iterable[FileEntry]) -> bytes:
    """The list of files, in order of path, so that what did not change is cut into the same chunks."""
    return msgspec.msgpack.encode(sorted(files, key=lambda file: file.path))


def decode_files(raw: bytes) -> tuple[FileEntry, ...]:
    """The list again. DamageError when a path leaves its folder, or sizes cannot be true: nothing of it is used."""
    try:
        files = _files.decode(raw)
    except msgspec.MsgspecError as error:
        raise DamageError("", f"its list of files cannot be read ({error})") from error
    try:
        for file in files:
            require_path(file.path)
            if file.section not in SECTIONS or "/" not in file.path:
                raise ManifestError(f"the path {file.path!r} belongs to nothing that a backup has")
            _require_size(file)
        require_distinct(file.path for file in files)
    except ManifestError as error:
        raise DamageError("", f"its list of files is refused: {error}") from error
    return files


def _require_size(file: FileEntry) -> None:
    least, most = len(file.chunks), len(file.chunks) * CHUNK_BYTES_MAX
    if not least <= file.size <= min(most, FILE_BYTES_MAX) or len(file.sha256) != NAME_BYTES:
        raise ManifestError(f"{file.path!r} cannot have {file.size:,} bytes in {len(file.chunks):,} chunks")
    if not _are_names(file.chunks):
        raise ManifestError(f"{file.path!r} names a chunk that cannot be")


def _are_names(chunks: Iterable[bytes]) -> bool:
    return all(len(name) == NAME_BYTES for name in chunks)
