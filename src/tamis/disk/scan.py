"""Reading a journal: every whole frame, and a report of everything else."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tamis.disk.base import ReadFile
from tamis.disk.frame import (
    HEADER_BYTES,
    HEADER_KIND,
    MAGIC,
    MARKER,
    Header,
    decode_header,
    encode_first,
    require_format,
)
from tamis.errors import FormatError

TORN_TAIL: Final = "torn tail"
_SEARCH_BYTES: Final = 1 << 20
_FIRST_BYTES: Final = len(encode_first(bytes(8)))


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
    short.
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
    """One pass over a journal, in order of the file; afterwards `salt`, `next_number` and `torn` are known.

    Holds one frame and one search window in memory. Time is linear in the file's size, also when it is
    damaged. FormatError for a file of a newer format, and for one in which nothing of a journal can be
    recognised.
    """

    def __init__(self, source: ReadFile, path: Path) -> None:
        self.salt: bytes | None = None
        self.torn: Gap | None = None
        self._source, self._path, self._size = source, path, source.size
        self._numbers = _Numbers()

    @property
    def next_number(self) -> int:
        """The number for the next frame."""
        return self._numbers.next

    def __iter__(self) -> Iterator[Frame | Gap]:
        position = 0
        while position < self._size:
            found = self._frame_at(position) or self._search(position + 1)
            if found is None:
                self.torn = self._tail(position)
                yield self.torn
                return
            if found.position > position:
                yield Gap(position, found.position - position, "damaged bytes")
            yield from self._accept(found, after_gap=found.position > position)
            position = found.end

    def _accept(self, found: _Found, *, after_gap: bool) -> Iterator[Frame | Gap]:
        number, kind = found.header.number, found.header.kind
        self.salt = found.header.salt
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

    def _frame_at(self, position: int) -> _Found | None:
        header = decode_header(self._source.read_at(position, HEADER_BYTES))
        if header is None or (self.salt is not None and header.salt != self.salt):
            return None
        start = position + HEADER_BYTES
        if start + header.length > self._size:
            return None
        payload = self._source.read_at(start, header.length)
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
            window = self._source.read_at(start, _SEARCH_BYTES)
            at = window.find(MARKER)
            while at >= 0:
                yield start + at
                at = window.find(MARKER, at + 1)
            start += max(len(window) - len(MARKER) + 1, 1)

    def _tail(self, position: int) -> Gap:
        if position == 0 and not self._resembles():
            raise FormatError(
                f"{self._path} is not a journal of Tamis, or nothing of it is left; check the path"
            )
        return Gap(position, self._size - position, TORN_TAIL)

    def _resembles(self) -> bool:
        """Whether a file without a whole frame may be a journal whose first frame was torn or damaged."""
        start = self._source.read_at(0, _FIRST_BYTES)
        alike = sum(a in (b, 0) for a, b in zip(start, MARKER, strict=False))
        return 2 * alike >= min(len(start), len(MARKER)) or MARKER in start or MAGIC in start


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
