"""Bytes as they come, cut into blocks of whole records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from tamis.wire.detect import DOCUMENT_BYTES_MAX

BLOCK_BYTES = 1 << 20
"""A block is sent when it has about so many bytes (its records take up to four times as much on the way)."""
RECORD_BYTES_MAX = 1 << 21
"""A record without an end is cut here: at its last line, or, when it is one line, so that it is refused."""

WholeRecords = Callable[[bytes], int]
"""How many of these bytes (whole lines) are records that no later line can belong to."""


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes [`start`, `end`) of a source (as decompressed); `data` begins with line `first_line`.

    `data` is shorter than the range only where a line was too long to be kept.
    """

    data: bytes
    start: int
    end: int
    first_line: int


class Cutter:
    """Cuts one source. `offset` and `line` say where its first byte stands.

    `document`: the source is one value, which is cut nowhere unless it has more than `DOCUMENT_BYTES_MAX`.
    """

    def __init__(
        self, whole_records: WholeRecords, *, offset: int = 0, line: int = 1, document: bool = False
    ) -> None:
        self._whole_records = whole_records
        self._document = document
        self._held = bytearray()
        self._start, self._line = offset, line
        self._skipped = 0
        """Bytes of the held line that were let go."""

    @property
    def offset(self) -> int:
        """Where the next byte to feed stands."""
        return self._start + len(self._held) + self._skipped

    @property
    def start(self) -> int:
        """Where the first byte stands that is in no block yet."""
        return self._start

    def feed(self, piece: bytes) -> Iterator[Block]:
        """Take bytes in; the blocks that are full."""
        if self._skipped:
            end = piece.find(b"\n")
            if end == -1:
                self._skipped += len(piece)
                return
            self._skipped += end
            piece = piece[end:]
        self._held += piece
        if self._document and len(self._held) < DOCUMENT_BYTES_MAX:
            return
        self._document = False  # it is too large to be held: lines are what can be had
        while len(self._held) >= BLOCK_BYTES:
            size = self._size(BLOCK_BYTES)
            if not size and len(self._held) < RECORD_BYTES_MAX:
                return
            size = size or self._held.rfind(b"\n") + 1
            if not size:
                self._skipped = len(self._held) - RECORD_BYTES_MAX
                del self._held[RECORD_BYTES_MAX:]
                return
            yield self._take(size)

    def flush(self, *, lines: bool = False) -> Block | None:
        """What is held and whole; with `lines` also the last record, although more lines might belong to it."""
        if self._document:
            return self._take(len(self._held)) if lines and _is_whole(bytes(self._held)) else None
        size = self._held.rfind(b"\n") + 1
        size = size if lines or not size else self._whole_records(bytes(self._held[:size]))
        return self._take(size) if size else None

    def finish(self) -> Block | None:
        """All that is held: the source has ended, with or without a newline."""
        return self._take(len(self._held)) if self._held else None

    def _size(self, wanted: int) -> int:
        """How much to take: whole records of about `wanted` bytes, all that are whole if one is larger."""
        for most in (wanted, len(self._held)):
            lines = self._held.rfind(b"\n", 0, most) + 1
            size = self._whole_records(bytes(self._held[:lines])) if lines else 0
            if size:
                return size
        return 0

    def _take(self, size: int) -> Block:
        data = bytes(self._held[:size])
        del self._held[:size]
        skipped, self._skipped = (self._skipped, 0) if self._skipped else (0, 0)
        block = Block(data, self._start, self._start + size + skipped, self._line)
        self._start = block.end
        self._line += data.count(b"\n")
        return block


def _is_whole(text: bytes) -> bool:
    """Whether a document has come to its end."""
    if not text.rstrip().endswith((b"]", b"}")):
        return False
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
