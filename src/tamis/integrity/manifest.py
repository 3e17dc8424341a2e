"""The manifest: the list of files that belong together, by which each byte of them can be checked.

Its form is published as JSON Schema (`manifest.schema.json` beside this file). What a signature is made over is the
canonical form: the manifest without its signatures as JSON with sorted keys and no blanks, in UTF-8 (RFC 8785; there
are no fractions in it). However the file itself is laid out, the same list has the same canonical form. What is not
known is refused, because nobody could say what was signed.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from tamis.clock import NS_PER_S
from tamis.errors import ManifestError
from tamis.integrity.chunks import Chunk
from tamis.integrity.digest import sha256_of
from tamis.integrity.paths import require_distinct, require_path

FILE_NAME: Final = "manifest.json"
FORMAT: Final = "tamis-manifest-1"
MANIFEST_BYTES_MAX: Final = 64 << 20
FILES_MAX: Final = 100_000
_FORMAT = re.compile(r"tamis-manifest-\d+")
_DOMAIN = b"tamis manifest\n"
"""Stands before what is signed, so that no signature made for something else fits a manifest."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)]
_Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", description="SHA-256, 64 hex digits")]
_Digest = Annotated[str, msgspec.Meta(pattern="^sha256-[0-9a-f]{64}$", description="SHA-256 of the file")]
_Word = Annotated[str, msgspec.Meta(max_length=100)]
_Sentence = Annotated[str, msgspec.Meta(max_length=1_000)]
_Instant = Annotated[
    str,
    msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", description="UTC, RFC 3339, whole seconds"),
]
_ChunkEntry = tuple[Annotated[int, msgspec.Meta(ge=1, le=16 << 20)], _Hex]


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a file's change log."""

    version: Annotated[_Word, msgspec.Meta(description="the release that brought it")]
    at: _Instant
    text: Annotated[_Sentence, msgspec.Meta(description="what changed")]


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file."""

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=512, description="relative, with slashes")]
    sha256: _Digest
    size: Annotated[_Count, msgspec.Meta(description="bytes")]
    version: Annotated[_Word, msgspec.Meta(description="the release that brought these bytes")]
    required: Annotated[bool, msgspec.Meta(description="without it, what needs it runs in a degraded mode")]
    part: Annotated[
        str, msgspec.Meta(max_length=100, description="what needs it: names the degraded mode")
    ] = ""
    without: Annotated[
        str, msgspec.Meta(max_length=1_000, description="what still works without it, in a sentence")
    ] = ""
    changes: Annotated[
        tuple[Change, ...], msgspec.Meta(max_length=1_000, description="change log, newest first")
    ]
    chunks: Annotated[
        tuple[_ChunkEntry, ...],
        msgspec.Meta(description="length and SHA-256 of each chunk, in order; or none"),
    ]

    def chunk_list(self) -> list[Chunk]:
        """Its chunks with their places."""
        placed, offset = [], 0
        for length, sha256 in self.chunks:
            placed.append(Chunk(offset, length, sha256))
            offset += length
        return placed


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signature by Ed25519 over the canonical form."""

    key: Annotated[
        str, msgspec.Meta(pattern="^[0-9a-f]{16}$", description="begin of the public key's SHA-256")
    ]
    value: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{128}$", description="64 bytes in hex digits")]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files that belong together, at one version of them all."""

    format: Annotated[Literal["tamis-manifest-1"], msgspec.Meta(description="this form of it")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100, description="whose files these are")]
    version: Annotated[int, msgspec.Meta(ge=1, le=(1 << 53) - 1, description="grows with every release")]
    created: _Instant
    expires: Annotated[
        _Instant | None, msgspec.Meta(description="from then on it is not taken from elsewhere any more")
    ] = None
    files: Annotated[tuple[FileEntry, ...], msgspec.Meta(max_length=FILES_MAX, description="the files")]
    signatures: Annotated[
        tuple[Signature, ...], msgspec.Meta(max_length=16, description="who vouches for all of it")
    ] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files)

    def canonical(self) -> bytes:
        """What is signed."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        del plain["signatures"]
        return _DOMAIN + msgspec.json.encode(plain, order="sorted")

    def digest(self) -> str:
        """The SHA-256 of what is signed: two manifests with one digest say the same."""
        return sha256_of(self.canonical())

    def by_path(self) -> dict[str, FileEntry]:
        """Its files by their paths."""
        return {entry.path: entry for entry in self.files}


def parse_manifest(data: bytes, source: str) -> Manifest:
    """The manifest of these bytes, whoever has signed it; ManifestError, which names `source`, when it is none or its
    files could not stand side by side in one folder.
    """
    if len(data) > MANIFEST_BYTES_MAX:
        raise ManifestError(f"{source}: a manifest of over {MANIFEST_BYTES_MAX:,} bytes is not read")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
        _check(manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(f"{source} is no manifest that this release reads: {_why(data, error)}") from None
    except ManifestError as error:
        raise ManifestError(f"{source}: {error}") from None
    return manifest


def print_manifest(manifest: Manifest) -> bytes:
    """The manifest as the bytes of its file: a file a line, so that differences can be read."""
    plain: dict[str, Any] = msgspec.to_builtins(manifest)
    files = [msgspec.json.encode(one) for one in plain.pop("files")]
    head = msgspec.json.encode(plain)[:-1]
    return head + b',"files":[\n' + b",\n".join(files) + b"\n]}\n"


def instant_ns(text: str) -> int:
    """An instant of a manifest in nanoseconds; ManifestError when there is no such day."""
    try:
        return int(datetime.fromisoformat(text).timestamp()) * NS_PER_S
    except ValueError:
        raise ManifestError(f"{text} is no instant") from None


def print_instant(at_ns: int) -> str:
    """An instant as manifests write it."""
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def chunk_entries(chunks: Sequence[Chunk]) -> tuple[tuple[int, str], ...]:
    """Chunks as an entry holds them."""
    return tuple((chunk.length, chunk.sha256) for chunk in chunks)


def _check(manifest: Manifest) -> None:
    for instant in (manifest.created, manifest.expires):
        if instant is not None:
            instant_ns(instant)
    for entry in manifest.files:
        require_path(entry.path)
        if entry.chunks and sum(length for length, _ in entry.chunks) != entry.size:
            raise ManifestError(f"the chunks of {entry.path!r} do not come to its size")
    require_distinct([FILE_NAME, *(entry.path for entry in manifest.files)])


def _why(data: bytes, error: Exception) -> str:
    """The error, or, where that says more, that a newer release wrote it."""
    try:
        head = msgspec.json.decode(data)
        found = head.get("format") if isinstance(head, dict) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if isinstance(found, str) and found != FORMAT and _FORMAT.fullmatch(found):
        return f"it is in the form {found}; this release reads {FORMAT}: take a newer one"
    return str(error)
