"""Reading a journal: every whole frame, and a report of everything else."""

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tamis.disk.base import ReadFile
from tamis.disk.frame import (
    FIRST_BYTES,
    HEADER_BYTES,
    HEADER_KIND,
    MAGIC,
    MARKER,
    Header,
    decode_header,
    require_format,
)
from tamis.errors import DiskError, FormatError

TORN_TAIL: Final = "torn tail"
UNREADABLE: Final = "unreadable bytes"
DAMAGED: Final = "damaged bytes"
_BLOCK_BYTES: Final = 4_096
_SEARCH_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame: where it begins in the file, what its writer calls it, its bytes, its place in the
    sequence.
    """

    position: int
    kind: int
    payload: bytes
    number: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes that are no whole frame, or (length 0) a place where the sequence of frames breaks.

    `reason` is ``torn tail`` for what stands after the last whole frame: usually a write that a crash cut
    short. It is ``unreadable bytes`` where the device refused to read, which another attempt may change.
    """

    position: int
    length: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Found:
    position: int
    header: Header
    payload: bytes

    @property
    def end(self) -> int:
        return self.position + HEADER_BYTES + len(self.payload)


class Scan:
    """One pass over a journal, in order of the file; afterwards `salt`, `next_number` and `tail` are known.

    Holds one frame and one search window in memory. Time is linear in the file's size, also when it is
    damaged. FormatError for a file of a newer format, and for one in which nothing of a journal can be
    recognised.
    """

    def __init__(self, source: ReadFile, path: Path) -> None:
        self.salt: bytes | None = None
        """The journal's own; None when no frame is whole."""
        self.tail: Gap | None = None
        """What stands after the last whole frame."""
        self._source, self._path, self._size = source, path, source.size
        self._numbers = _Numbers()
        self._unreadable_to = 0

    @property
    def next_number(self) -> int:
        """The number for the next frame."""
        return self._numbers.next

    def __iter__(self) -> Iterator[Frame | Gap]:
        self.salt = self._own_salt()
        position = 0
        for found in self._frames():
            if found.position > position:
                yield self._gap(position, found.position, DAMAGED)
            yield from self._accept(found, after_gap=found.position > position)
            position = found.end
        if position < self._size:
            if position == 0 and not self._resembles():
                raise FormatError(
                    f"{self._path} is not a journal of Tamis, or nothing of it is left; check the path"
                )
            self.tail = self._gap(position, self._size, TORN_TAIL)
            yield self.tail

    def _own_salt(self) -> bytes | None:
        """The first frame's salt. When that is damaged, the salt of most bytes: a payload whose frame is
        damaged may hold frames of another journal, and one of them may come first.
        """
        first = self._frame_at(0)
        if first is not None and first.header.kind == HEADER_KIND:
            return first.header.salt
        counts: Counter[bytes] = Counter()
        for found in self._frames():
            counts[found.header.salt] += found.end - found.position
        return max(counts, key=counts.__getitem__) if counts else None

    def _gap(self, start: int, end: int, reason: str) -> Gap:
        return Gap(start, end - start, UNREADABLE if self._unreadable_to > start else reason)

    def _accept(self, found: _Found, *, after_gap: bool) -> Iterator[Frame | Gap]:
        number, kind = found.header.number, found.header.kind
        if kind == HEADER_KIND:
            require_format(found.payload, self._path)
        verdict = self._numbers.take(number)
        if verdict == "repeated":
            yield Gap(found.position, found.end - found.position, f"frame {number} repeated")
            return
        if verdict == "moved" or (verdict == "skipped" and not after_gap):
            yield Gap(found.position, 0, f"frame {number} out of sequence")
        if kind != HEADER_KIND:
            yield Frame(found.position, kind, found.payload, number)

    def _frames(self) -> Iterator[_Found]:
        """Whole frames of the journal's salt, or while it is unknown of any, from the beginning."""
        position = 0
        while position < self._size:
            found = self._frame_at(position) or self._search(position + 1)
            if found is None:
                return
            yield found
            position = found.end

    def _frame_at(self, position: int) -> _Found | None:
        header = decode_header(self._read(position, HEADER_BYTES))
        if header is None or (self.salt is not None and header.salt != self.salt):
            return None
        start = position + HEADER_BYTES
        if start + header.length > self._size:
            return None
        payload = self._read(start, header.length)
        if len(payload) != header.length or zlib.crc32(payload) != header.payload_crc:
            return None
        return _Found(position, header, payload)

    def _search(self, start: int) -> _Found | None:
        for position in self._markers(start):
            found = self._frame_at(position)
            if found is not None:
                return found
        return None

    def _markers(self, start: int) -> Iterator[int]:
        while start + HEADER_BYTES <= self._size:
            window = self._read(start, _SEARCH_BYTES)
            at = window.find(MARKER)
            while at >= 0:
                yield start + at
                at = window.find(MARKER, at + 1)
            start += max(len(window) - len(MARKER) + 1, 1)

    def _resembles(self) -> bool:
        """Whether a file without a whole frame may be a journal whose first frame was torn or damaged."""
        start = self._read(0, FIRST_BYTES)
        alike = sum(a in (b, 0) for a, b in zip(start, MARKER, strict=False))
        return 2 * alike >= min(len(start), len(MARKER)) or MARKER in start or MAGIC in start

    def _read(self, position: int, length: int) -> bytes:
        """The bytes, with zeros for blocks that the device refuses."""
        try:
            return self._source.read_at(position, length)
        except DiskError:
            end = min(position + length, self._size)
            return b"".join(self._read_block(at, end) for at in range(position, end, _BLOCK_BYTES))

    def _read_block(self, position: int, end: int) -> bytes:
        length = min(_BLOCK_BYTES, end - position)
        try:
            return self._source.read_at(position, length)
        except DiskError:
            self._unreadable_to = max(self._unreadable_to, position + length)
            return bytes(length)


class _Numbers:
    """Which frame numbers were met: one that comes again is not read twice, one that comes late is still
    read.
    """

    def __init__(self) -> None:
        self.next = 0
        self._missing: list[range] = []

    def take(self, number: int) -> str:
        """``expected``, ``skipped`` (some before it are missing), ``moved`` (one of the missing) or
        ``repeated``.
        """
        if number == self.next:
            self.next += 1
            return "expected"
        if number > self.next:
            self._missing.append(range(self.next, number))
            self.next = number + 1
            return "skipped"
        for index, numbers in enumerate(self._missing):
            if number in numbers:
                parts = (range(numbers.start, number), range(number + 1, numbers.stop))
                self._missing[index : index + 1] = [part for part in parts if part]
                return "moved"
        return "repeated"
