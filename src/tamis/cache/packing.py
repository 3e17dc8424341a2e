"""Values as bytes for the levels outside of this process: msgpack with types and versions, checked, never pickle.

::

    version (1 byte) | flags (1 byte; 1: zstd) | CRC-32 of key and body (4 bytes, big-endian) | body
    body: msgpack [tags, value]

What msgpack has no word for (tuples, sets, times, classes that the cache was told of) is an extension type. Bytes that
come back are not trusted: sizes are bounded before and after decompression, nothing is made that was not asked for, and
an instance of a class passes msgspec's check of its fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from zlib import crc32

import msgspec

from tamis.cache.extensions import Kind, RefusedError, Shapes
from tamis.cache.limits import require_whole
from tamis.disk.rotated import zstd_module

VERSION: Final = 1
PLAIN: Final = 0
ZSTD: Final = 1
HEAD_BYTES: Final = 6
WINDOW_LOG_MAX: Final = 23
"""A frame that asks for more memory than 8 MiB to be decompressed is not one of ours."""
KEY_BYTES_MAX: Final = 4_096
TAGS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class PackingLimits:
    """Values of more than `compress_bytes` are compressed; larger than `value_bytes_max` none is kept or read."""

    compress_bytes: int = 1_024
    value_bytes_max: int = 8 * 1024 * 1024

    def __post_init__(self) -> None:
        require_whole(self, "compress_bytes", least=0)
        require_whole(self, "value_bytes_max")


class UnreadableError(ValueError):
    """Bytes that are no entry, or none of this key or release."""


class Packer:
    """Packs and unpacks entries. `kinds` are the classes (structs of msgspec, dataclasses) whose instances it takes,
    by the names that stand for them. Thread-safe.
    """

    def __init__(
        self, limits: PackingLimits | None = None, kinds: Mapping[str, Kind] = MappingProxyType({})
    ) -> None:
        self.limits = limits or PackingLimits()
        self._shapes = Shapes(kinds)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(ext_hook=self._shapes.restore).decode
        try:
            self._zstd: Any = zstd_module()
        except ImportError:
            self._zstd = None

    def key(self, key: str) -> bytes:
        """A key, a prefix or a tag as bytes; `RefusedError` when it is none that a level takes."""
        try:
            data = key.encode()
        except UnicodeEncodeError:
            raise RefusedError("a key or tag that is not valid Unicode") from None
        if len(data) > KEY_BYTES_MAX:
            raise RefusedError(f"a key or tag of {len(data):,} bytes; {KEY_BYTES_MAX:,} are the most")
        return data

    def pack(self, key: bytes, value: Any, tags: tuple[str, ...]) -> bytes:
        """An entry; `RefusedError` says why it cannot be one."""
        if len(tags) > TAGS_MAX:
            raise RefusedError(f"{len(tags)} tags; {TAGS_MAX} are the most")
        try:
            body = self._encode([tags, self._shapes.plain(value)])
        except (UnicodeEncodeError, OverflowError, RecursionError) as error:
            raise RefusedError(f"a value that msgpack has no word for: {error}") from error
        if len(body) > self.limits.value_bytes_max:
            raise RefusedError(
                f"a value of {len(body):,} bytes; {self.limits.value_bytes_max:,} are the most"
            )
        flags = PLAIN
        if len(body) > self.limits.compress_bytes and self._zstd is not None:
            packed = self._zstd.compress(body)
            if len(packed) < len(body):
                body, flags = packed, ZSTD
        return bytes((VERSION, flags)) + _check(key, body) + body

    def unpack(self, key: bytes, data: bytes) -> tuple[Any, tuple[str, ...]]:
        """Value and tags; `UnreadableError` when they are not there whole, or not such as `pack` makes."""
        if len(data) < HEAD_BYTES or data[0] != VERSION:
            raise UnreadableError("not an entry of this release")
        flags, body = data[1], data[HEAD_BYTES:]
        if data[2:HEAD_BYTES] != _check(key, body):
            raise UnreadableError("damaged, or another key's")
        body = self._expand(body, flags)
        try:
            found = self._decode(body)
        except (msgspec.DecodeError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise UnreadableError(f"not readable: {error}") from error
        if not (isinstance(found, list) and len(found) == 2 and _are_texts(found[0])):
            raise UnreadableError("not an entry")
        return found[1], tuple(found[0])

    def _expand(self, body: bytes, flags: int) -> bytes:
        most = self.limits.value_bytes_max
        if flags == ZSTD and self._zstd is not None:
            options = {self._zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX}
            reader = self._zstd.ZstdDecompressor(options=options)
            try:
                body = reader.decompress(body, max_length=most + 1)
            except (self._zstd.ZstdError, EOFError) as error:
                raise UnreadableError(f"not readable: {error}") from error
            if len(body) <= most and (not reader.eof or reader.unused_data):
                raise UnreadableError("cut, or longer than it says")
        elif flags != PLAIN:
            raise UnreadableError("packed in a way that is not known here")
        if len(body) > most:
            raise UnreadableError(f"over value_bytes_max = {most:,}")
        return body


def _check(key: bytes, body: bytes) -> bytes:
    return crc32(body, crc32(key)).to_bytes(4, "big")


def _are_texts(tags: Any) -> bool:
    return isinstance(tags, list) and len(tags) <= TAGS_MAX and all(isinstance(tag, str) for tag in tags)
