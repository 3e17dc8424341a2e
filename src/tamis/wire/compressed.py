"""Compressed bodies and files, with bounded output: gzip, deflate, zstd, xz, bzip2."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from tamis.errors import TooLargeError, WireError

OUTPUT_BYTES = 1 << 18
"""At most this much is decompressed at a time."""
READ_BYTES = 1 << 18
RATIO_FREE_BYTES = 1 << 20
"""Output up to here is never called a bomb, whatever its ratio."""
XZ_MEMORY_MAX = 1 << 28

_MAGIC = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\x00", "xz"), (b"BZh", "bzip2"))
_NAMES = {"x-gzip": "gzip", "gz": "gzip", "zst": "zstd", "bz2": "bzip2", "lzma": "xz"}


class _Decompressor(Protocol):
    """One stream; made anew for each member or frame."""

    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Zlib:
    """zlib's object with the face of the others."""

    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)
        self.eof = False
        self.needs_input = True
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        output = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.eof = self._inner.eof
        self.unused_data = self._inner.unused_data
        self.needs_input = not self._inner.unconsumed_tail and len(output) < max_length
        return output


def _zstd(_: bytes) -> _Decompressor:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
    except ImportError:
        from backports import zstd  # type: ignore[no-redef,unused-ignore]  # below 3.14
    decompressor: _Decompressor = zstd.ZstdDecompressor()
    return decompressor


def _deflate(head: bytes) -> _Decompressor:
    """zlib's wrapper as the RFC says, or the bare stream that some send."""
    wrapped = len(head) > 1 and head[0] & 15 == 8 and (head[0] << 8 | head[1]) % 31 == 0
    return _Zlib(15 if wrapped else -15)


_MAKERS: dict[str, Callable[[bytes], Any]] = {
    "gzip": lambda _: _Zlib(31),
    "deflate": _deflate,
    "zstd": _zstd,
    "xz": lambda _: lzma.LZMADecompressor(memlimit=XZ_MEMORY_MAX),
    "bzip2": lambda _: bz2.BZ2Decompressor(),
}

ENCODINGS = ("gzip", "deflate", "zstd")
"""What an HTTP body may be encoded in."""


def inflate(
    chunks: Iterable[bytes], encoding: str, *, bytes_max: int | None = None, ratio_max: float | None = None
) -> Iterator[bytes]:
    """Decompress a stream, a bounded piece at a time; ``identity`` and "" pass through.

    Raises TooLargeError when the output passes `bytes_max`, or `ratio_max` times the input; WireError when
    the bytes are not `encoding`, or end early. What was whole before has been yielded by then.
    """
    name = encoding.strip().lower()
    name = _NAMES.get(name, name)
    meter = Meter(bytes_max, ratio_max)
    if name in ("", "identity"):
        for chunk in chunks:
            yield meter.count(chunk)
        return
    if name not in _MAKERS:
        raise WireError(f"encoding {encoding!r} is not known; use {', '.join(_MAKERS)} or identity")
    stream = Inflater(name, meter)
    for chunk in chunks:
        yield from stream.feed(chunk)
    stream.finish()


class Meter:
    """Counts what goes in and out, and stops what passes a limit."""

    def __init__(self, bytes_max: int | None = None, ratio_max: float | None = None) -> None:
        self._bytes_max = bytes_max
        self._ratio_max = ratio_max
        self.bytes_in = 0
        self.bytes_out = 0

    def count(self, output: bytes) -> bytes:
        """The output, when it is within the limits."""
        self.bytes_out += len(output)
        if self._bytes_max is not None and self.bytes_out > self._bytes_max:
            raise TooLargeError("server.decompressed_bytes_max", self._bytes_max)
        if self._ratio_max is not None and self.bytes_out > max(
            RATIO_FREE_BYTES, self.bytes_in * self._ratio_max
        ):
            raise TooLargeError("server.decompress_ratio_max", int(self._ratio_max))
        return output


class Inflater:
    """Decompresses one stream that comes in pieces: members and frames one after the other are one stream."""

    def __init__(self, name: str, meter: Meter) -> None:
        self._name = name
        self._meter = meter
        self._inner: _Decompressor | None = None
        self._held = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What can be decompressed now."""
        self._meter.bytes_in += len(chunk)
        pending = self._held + chunk
        self._held = b""
        while pending or (self._inner is not None and not self._inner.needs_input):
            if self._inner is None:
                pending = pending.lstrip(b"\0")  # padding between and after members
                if not pending:
                    return
                self._inner = _MAKERS[self._name](pending)
            output = self._decompress(self._inner, pending)
            pending = b""
            if self._inner.eof:
                pending, self._inner = self._inner.unused_data, None
            if output:
                yield self._meter.count(output)

    def _decompress(self, inner: _Decompressor, data: bytes) -> bytes:
        try:
            return inner.decompress(data, OUTPUT_BYTES)
        except Exception as error:  # each library has its own error class; zstd's is not imported here
            if isinstance(error, MemoryError):
                raise
            raise WireError(f"not {self._name}, or damaged: {error}") from error

    def finish(self) -> None:
        """The stream has ended: WireError when it was cut."""
        if self._inner is not None:
            raise WireError(f"the {self._name} stream ends early")


def encoding_of(head: bytes) -> str:
    """The compression that a file's first bytes show; "" for none."""
    return next((name for magic, name in _MAGIC if head.startswith(magic)), "")


def read_file(path: Path, *, offset: int = 0) -> Iterator[bytes]:
    """A file's bytes in pieces, decompressed by what its first bytes show (never by its name).

    `offset` counts decompressed bytes to leave out.
    """
    with path.open("rb") as file:
        head = file.read(READ_BYTES)
        encoding = encoding_of(head)
        if not encoding:
            file.seek(offset)
            yield from iter(lambda: file.read(READ_BYTES), b"")
            return
        chunks = _chained(head, iter(lambda: file.read(READ_BYTES), b""))
        for piece in inflate(chunks, encoding):
            if offset < len(piece):
                yield piece[offset:]
            offset = max(0, offset - len(piece))


def _chained(head: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest
