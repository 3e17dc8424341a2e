"""Content-defined chunks: where a file is cut depends on the bytes around the cut alone, so that what was put
in, taken out or changed in one place leaves all other chunks as they were.

for chunk in split(file):
    chunk.offset, chunk.length, chunk.sha256

FastCDC (Xia et al., "The Design of Fast Content-Defined Chunking", 2020) by the library pyfastcdc, which the extra
``server`` brings; it is imported at first use. Where the cuts are is no promise between releases: chunks are
compared by their digests, and one that was cut otherwise merely travels again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

from tamis.disk.base import Disk, ReadFile
from tamis.errors import MissingExtraError
from tamis.integrity.digest import sha256_of

if TYPE_CHECKING:
    from pyfastcdc import FastCDC
    from typing_extensions import Buffer

    Data: TypeAlias = "Buffer | Readable | ReadFile"

CHUNK_BYTES_MIN: Final = 16 << 10
CHUNK_BYTES_USUAL: Final = 64 << 10
CHUNK_BYTES_MAX: Final = 256 << 10
"""No chunk is longer; but for the last of a file none is shorter than CHUNK_BYTES_MIN. On average one has the
sum of usual and least, 80 KiB: small enough that a change of one byte sends little, large enough that the list
of chunks is a thousandth of the file.
"""


class Readable(Protocol):
    """A stream of bytes, as `open(path, "rb")` gives one."""

    def read(self, size: int, /) -> bytes:
        """At most so many of the next bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of bytes of a file. `sha256` is 64 hex digits."""

    offset: int
    length: int
    sha256: str

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.offset + self.length


def split(data: "Data") -> Iterator[Chunk]:
    """The chunks of bytes, of a stream or of an open file, in order, without a gap; none where there is no byte.

    Streams and files are read piece by piece: memory for two chunks, however large they are.
    """
    for chunk, _ in split_with_bytes(data):
        yield chunk


def split_with_bytes(data: "Data") -> Iterator[tuple[Chunk, memoryview]]:
    """`split`, each chunk with its bytes. They are good until the next one is asked for: copy what is to stay."""
    cutter = _make_cutter()
    if hasattr(data, "read_at"):
        pieces = cutter.cut_stream(_Stream(cast(ReadFile, data)))
    elif hasattr(data, "read"):
        pieces = cutter.cut_stream(cast(Readable, data))
    else:
        pieces = cutter.cut_buf(memoryview(data).cast("B"))
    for piece in pieces:
        yield Chunk(piece.offset, piece.length, sha256_of(piece.data)), piece.data


def split_file(disk: Disk, path: Path) -> list[Chunk]:
    """The chunks of a file."""
    file = disk.open_read(path)
    try:
        return list(split(file))
    finally:
        file.close()


class _Stream:
    """A file of the disk as the stream that the library reads."""

    def __init__(self, file: ReadFile) -> None:
        self._file, self._position = file, 0

    def read(self, size: int, /) -> bytes:
        data = self._file.read_at(self._position, size)
        self._position += len(data)
        return data


def _make_cutter() -> "FastCDC":
    """A new one each time: one does not serve two threads."""
    try:
        from pyfastcdc import FastCDC
    except ImportError as error:
        raise MissingExtraError("server", "cutting files into chunks") from error
    return FastCDC(CHUNK_BYTES_USUAL, min_size=CHUNK_BYTES_MIN, max_size=CHUNK_BYTES_MAX)
