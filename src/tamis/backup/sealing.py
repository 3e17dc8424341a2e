"""How objects of a repository are sealed: compressed, encrypted, and bound to what they are.

::

    magic "tamis backup\n" 13 | version 1 | kind 1 | sealed 1 | salt 16        the head of every object
    piece | tag 16                                                             as many as there are

A piece begins with one byte that says how it is packed (0 as it is, 1 zstd). In a repository with keys it is
encrypted with AES-256-GCM under a key of its own object, made of the repository's secret, the kind and the salt by
HKDF-SHA-256; its nonce is the piece's position in the object. Associated data are the head and what the piece is
called, so that none can stand in for another. Without keys the tag is the first half of SHA-256 over the same: it
shows damage, not intent.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from tamis.disk.rotated import zstd_module
from tamis.errors import DamageError, DecryptionError, FormatError, MissingExtraError
from tamis.keys.cipher import derive, make_cipher, unseal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC: Final = b"tamis backup\n"
VERSION: Final = 1
SALT_BYTES: Final = 16
HEAD_BYTES: Final = len(MAGIC) + 3 + SALT_BYTES
TAG_BYTES: Final = 16
OVERHEAD_BYTES: Final = 1 + TAG_BYTES
"""How much longer a sealed piece may be than what is in it."""
LEVEL: Final = 3
_WORTH: Final = 0.97
"""What compresses to no less than this part of itself is kept as it is: Parquet, mostly."""
_PLAIN, _ZSTD = b"\0", b"\1"


class Kind(IntEnum):
    """What an object is."""

    PACK = 1
    INDEX = 2
    SNAPSHOT = 3


class Secrets:
    """The secret of a repository at work; None is a repository without keys. Shows nothing of it."""

    def __init__(self, secret: bytes | None) -> None:
        self._secret = secret
        self._names = b"" if secret is None else derive(secret, "backup names")

    def __repr__(self) -> str:
        return f"Secrets(sealed={self.sealed})"

    @property
    def sealed(self) -> bool:
        """Whether objects are encrypted."""
        return self._secret is not None

    def chunk_name(self, sha256: bytes) -> bytes:
        """What a chunk with this digest is called: nobody without the secret sees whether a known text is there."""
        if self._secret is None:
            return sha256
        return hmac.digest(self._names, sha256, "sha256")

    def cipher(self, kind: Kind, salt: bytes) -> "AESGCM | None":
        """The cipher of one object."""
        if self._secret is None:
            return None
        return make_cipher(derive(self._secret, f"backup {kind.name.lower()} {salt.hex()}"))


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals and opens the pieces of one object."""

    head: bytes
    cipher: "AESGCM | None"

    def seal(self, raw: bytes, position: int, called: bytes) -> bytes:
        """A piece as it stands at a position of the object."""
        packed = pack_bytes(raw)
        bound_to = self.head + called
        if self.cipher is None:
            return packed + _check(bound_to, packed)
        return self.cipher.encrypt(_nonce(position), packed, bound_to)

    def open(self, sealed: bytes, position: int, called: bytes, *, bytes_max: int) -> bytes:
        """What is in a piece; DamageError when anything is not as it was sealed, or larger than it may be."""
        bound_to = self.head + called
        if len(sealed) < OVERHEAD_BYTES:
            raise DamageError("", "a piece is cut short")
        if self.cipher is None:
            packed, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
            if not hmac.compare_digest(_check(bound_to, packed), tag):
                raise DamageError("", "a piece is not what was written")
        else:
            try:
                packed = unseal(self.cipher, _nonce(position), sealed, bound_to=bound_to)
            except DecryptionError as error:
                raise DamageError("", "a piece is not what was encrypted, or not in its place") from error
        return unpack_bytes(packed, bytes_max)


def new_sealer(secrets: Secrets, kind: Kind) -> Sealer:
    """For a new object."""
    salt = os.urandom(SALT_BYTES)
    head = MAGIC + bytes((VERSION, kind, secrets.sealed)) + salt
    return Sealer(head, secrets.cipher(kind, salt))


def sealer_of(secrets: Secrets, kind: Kind, head: bytes) -> Sealer:
    """For an object with this head. DamageError when it is none of this kind, FormatError for a newer release's."""
    if len(head) < HEAD_BYTES or not head.startswith(MAGIC):
        raise DamageError("", "it is no object of a repository")
    version, found, sealed = head[len(MAGIC) : len(MAGIC) + 3]
    if version > VERSION:
        raise FormatError(
            f"the repository was written by a newer release (format {version}, this one reads up to {VERSION}); "
            "use that release or a newer one"
        )
    if found != kind or bool(sealed) != secrets.sealed:
        raise DamageError("", f"it is no {kind.name.lower()} of this repository")
    head = bytes(head[:HEAD_BYTES])
    return Sealer(head, secrets.cipher(kind, head[-SALT_BYTES:]))


def seal_object(secrets: Secrets, kind: Kind, raw: bytes, called: bytes) -> bytes:
    """An object of one piece."""
    sealer = new_sealer(secrets, kind)
    return sealer.head + sealer.seal(raw, HEAD_BYTES, called)


def open_object(secrets: Secrets, kind: Kind, data: bytes, called: bytes, *, bytes_max: int) -> bytes:
    """What is in an object of one piece."""
    return sealer_of(secrets, kind, data).open(data[HEAD_BYTES:], HEAD_BYTES, called, bytes_max=bytes_max)


def pack_bytes(raw: bytes) -> bytes:
    """Compressed where that is worth it, behind a byte that says so."""
    packed = _zstd().compress(raw, LEVEL)
    if len(packed) < len(raw) * _WORTH:
        return _ZSTD + bytes(packed)
    return _PLAIN + raw


def unpack_bytes(packed: bytes, bytes_max: int) -> bytes:
    """The bytes again. However little there is of what was compressed, no more than `bytes_max` come of it."""
    how, rest = packed[:1], packed[1:]
    if how == _PLAIN and len(rest) <= bytes_max:
        return rest
    if how != _ZSTD:
        raise DamageError("", "a piece is packed in a way that nobody knows, or larger than it may be")
    zstd = _zstd()
    opened = zstd.ZstdDecompressor()
    try:
        raw: bytes = opened.decompress(rest, max_length=bytes_max + 1)
    except zstd.ZstdError as error:
        raise DamageError("", f"a piece cannot be decompressed ({error})") from error
    if len(raw) > bytes_max:
        raise DamageError("", f"a piece becomes larger than {bytes_max:,} bytes")
    if not opened.eof or opened.unused_data:
        raise DamageError("", "a piece does not end where its compressed bytes do")
    return raw


def _check(bound_to: bytes, packed: bytes) -> bytes:
    return hashlib.sha256(bound_to + packed).digest()[:TAG_BYTES]


def _nonce(position: int) -> bytes:
    return position.to_bytes(12, "big")


def _zstd() -> Any:
    try:
        return zstd_module()
    except ImportError as error:
        raise MissingExtraError("zstd", "a backup") from error
