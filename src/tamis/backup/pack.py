"""Packs: many chunks in one object, with the list of them at its end and once more in an object beside it.

A pack is a head, sealed chunks, their sealed list, and the length of that (4 bytes). `index/NAME` holds the same list:
it is what is read usually; when it is lost, the pack's own end says as much.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from tamis.backup.sealing import (
    HEAD_BYTES,
    OVERHEAD_BYTES,
    Kind,
    Secrets,
    new_sealer,
    open_object,
    seal_object,
    sealer_of,
)
from tamis.errors import DamageError
from tamis.integrity.chunks import CHUNK_BYTES_MAX

PACK_BYTES: Final = 16 << 20
"""A pack is written when it has so much."""
PACK_BYTES_MAX: Final = 64 << 20
LIST_BYTES_MAX: Final = 16 << 20
CHUNKS_MAX: Final = 1 << 16
NAME_BYTES: Final = 32
_LENGTH: Final = struct.Struct("<I")
_LIST: Final = b"list"


class Stored(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A chunk in a pack: what it is called, where its sealed bytes are, how long it is when opened."""

    name: bytes
    offset: int
    length: int
    raw: int


_decoder = msgspec.msgpack.Decoder(tuple[Stored, ...])


class PackBuilder:
    """A pack that is being filled. Not thread-safe."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets, self._sealer = secrets, new_sealer(secrets, Kind.PACK)
        self._pieces: list[bytes] = []
        self.chunks: list[Stored] = []
        self._size = HEAD_BYTES

    def add(self, name: bytes, raw: bytes) -> Stored:
        """Put a chunk in."""
        sealed = self._sealer.seal(raw, self._size, name)
        stored = Stored(name, self._size, len(sealed), len(raw))
        self._pieces.append(sealed)
        self.chunks.append(stored)
        self._size += len(sealed)
        return stored

    @property
    def is_full(self) -> bool:
        """Whether it is time to write it."""
        return self._size >= PACK_BYTES or len(self.chunks) >= CHUNKS_MAX

    def finish(self) -> "Pack":
        """The whole pack."""
        listed = self._sealer.seal(msgspec.msgpack.encode(self.chunks), self._size, _LIST)
        data = [self._sealer.head, *self._pieces, listed, _LENGTH.pack(len(listed))]
        digest = hashlib.sha256()
        for piece in data:
            digest.update(piece)
        name = digest.hexdigest()
        index = seal_object(self._secrets, Kind.INDEX, msgspec.msgpack.encode(self.chunks), name.encode())
        return Pack(name, data, index, tuple(self.chunks), sum(map(len, data)))


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack that is ready to be kept: its name is the SHA-256 of its bytes."""

    name: str
    data: list[bytes]
    index: bytes
    chunks: tuple[Stored, ...]
    size: int


def pack_object(name: str) -> str:
    """Where a pack is."""
    return f"packs/{name[:2]}/{name}"


def index_object(name: str) -> str:
    """Where the list of a pack is."""
    return f"index/{name}"


def open_index(secrets: Secrets, name: str, data: bytes, *, pack_bytes: int) -> tuple[Stored, ...]:
    """What an index says of a pack of so many bytes. DamageError."""
    raw = open_object(secrets, Kind.INDEX, data, name.encode(), bytes_max=LIST_BYTES_MAX)
    return _checked(raw, pack_bytes)


def open_chunk(secrets: Secrets, head: bytes, stored: Stored, sealed: bytes) -> bytes:
    """A chunk from its sealed bytes and its pack's head; DamageError unless it is the one that it is called."""
    raw = sealer_of(secrets, Kind.PACK, head).open(
        sealed, stored.offset, stored.name, bytes_max=CHUNK_BYTES_MAX
    )
    if len(raw) != stored.raw or secrets.chunk_name(hashlib.sha256(raw).digest()) != stored.name:
        raise DamageError("", "a chunk is not the one that it is called")
    return raw


def list_at_end(secrets: Secrets, data: bytes) -> tuple[Stored, ...]:
    """The list that a whole pack has at its end. DamageError."""
    body, (length,) = (
        data[: -_LENGTH.size],
        _LENGTH.unpack(data[-_LENGTH.size :] if len(data) >= 4 else bytes(4)),
    )
    position = len(body) - length
    if position < HEAD_BYTES or length > LIST_BYTES_MAX:
        raise DamageError("", "it has no list of its chunks")
    raw = sealer_of(secrets, Kind.PACK, data).open(body[position:], position, _LIST, bytes_max=LIST_BYTES_MAX)
    return _checked(raw, len(data))


def open_all(
    secrets: Secrets, data: bytes, chunks: tuple[Stored, ...]
) -> Iterator[tuple[Stored, bytes | None]]:
    """Every chunk of a pack's bytes; None for one that is damaged."""
    for stored in chunks:
        try:
            sealed = data[stored.offset : stored.offset + stored.length]
            yield stored, open_chunk(secrets, data[:HEAD_BYTES], stored, sealed)
        except DamageError:
            yield stored, None


def _checked(raw: bytes, pack_bytes: int) -> tuple[Stored, ...]:
    try:
        chunks = _decoder.decode(raw)
    except msgspec.MsgspecError as error:
        raise DamageError("", f"its list of chunks cannot be read ({error})") from error
    for one in chunks:
        inside = one.offset >= HEAD_BYTES and one.offset + one.length <= pack_bytes
        sized = (
            OVERHEAD_BYTES <= one.length <= CHUNK_BYTES_MAX + OVERHEAD_BYTES
            and 0 < one.raw <= CHUNK_BYTES_MAX
        )
        if len(one.name) != NAME_BYTES or not inside or not sized:
            raise DamageError("", "its list names a chunk that cannot be in it")
    return chunks
