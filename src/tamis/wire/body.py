"""JSON lines that come in pieces, decoded a block at a time as they come."""

from collections.abc import Callable
from dataclasses import replace

import msgspec

from tamis.errors import TooLargeError
from tamis.record.model import Columns
from tamis.wire.arrow_schema import LearnedSchemas
from tamis.wire.base import Decoded, DecodeOptions, Rejections
from tamis.wire.joined import Parts
from tamis.wire.jsonlines import BOM, LineReader, decode, too_long
from tamis.wire.jsonlines_arrow import decode_fast

BLOCK_BYTES = 1 << 22
"""A block has about so many bytes, or so many as the longest line may have."""
_BLANK = b" \t\r\n\0\f\v"


class BodyDecoder:
    """Decodes one body, as `jsonlines.decode` would decode it whole. Not thread-safe.

    It holds the columns of what came, and beside them at most a block. Only a body that is one array over many
    lines is held as it came, up to `WireLimits.array_bytes_max`; TooLargeError beyond. `feed` and `finish`
    raise TooLargeError when there are too many lines. `count` is told the way (``fast``, ``general``) that each
    block took.
    """

    def __init__(
        self, options: DecodeOptions, schemas: LearnedSchemas, *, count: Callable[[str], None]
    ) -> None:
        self._options, self._schemas, self._count = options, schemas, count
        self._block_bytes = max(BLOCK_BYTES, options.limits.line_bytes_max + 2)
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._skipped = 0
        """Bytes of a line that is too long, and was let go."""
        self._whole = False
        self._begun = False
        self._rejections = Rejections(options.limits.rejections_listed_max)
        self._lines = LineReader(options, self._rejections)
        self._parts = Parts()

    def feed(self, piece: bytes) -> None:
        """Take in what came; decode when it makes a block."""
        if self._skipped:
            piece = self._skip(piece)
        self._held.append(piece)
        self._held_bytes += len(piece)
        if self._held_bytes < self._block_bytes:
            return
        if self._whole:
            limit = self._options.limits.array_bytes_max
            if self._held_bytes > limit:
                raise TooLargeError("ingest.document_bytes_max", limit)
            return
        self._cut()

    def finish(self) -> Decoded:
        """The body has ended: all of it."""
        data = self._take()
        if not self._begun:
            return self._decode_whole(data)
        if self._skipped:
            self._reject_long()
        elif data:
            self._decode_lines(data)
        found = self._rejections.result(self._parts.join())
        return replace(found, rest_count=self._lines.rest_count + self._parts.rest_count)

    def _take(self) -> bytes:
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        return data

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes = len(data)

    def _cut(self) -> None:
        """Decode the whole lines of what is held."""
        data = self._take()
        if not self._begun:
            if _is_array(data):
                self._whole = True
                self._hold(data)
                return
            self._begun = True
            data = data.removeprefix(BOM)
        end = data.rfind(b"\n") + 1
        if end:
            self._decode_lines(data[:end])
            data = data[end:]
        if len(data) > self._options.limits.line_bytes_max:
            self._skipped, data = len(data), b""
        self._hold(data)

    def _skip(self, piece: bytes) -> bytes:
        """Let go of a line that is too long; what follows it."""
        end = piece.find(b"\n")
        if end == -1:
            self._skipped += len(piece)
            return b""
        self._skipped += end
        self._reject_long()
        return piece[end + 1 :]

    def _reject_long(self) -> None:
        self._lines.line += 1
        self._lines.count(1)
        reason = too_long(self._options.limits.line_bytes_max, self._skipped)
        self._rejections.add(self._lines.line, reason)
        self._skipped = 0

    def _decode_whole(self, data: bytes) -> Decoded:
        found = decode_fast(data, self._options, self._schemas)
        self._count("general" if found is None else "fast")
        return decode(data, self._options) if found is None else found

    def _decode_lines(self, data: bytes) -> None:
        self._parts.add(self._fast(data) or self._general(data))

    def _general(self, data: bytes) -> Columns:
        self._count("general")
        return self._lines.read(data)[0]

    def _fast(self, data: bytes) -> Columns | None:
        lines = data.count(b"\n") + 1
        if self._lines.filled + lines > self._options.limits.lines_max:
            return None
        found = decode_fast(data, self._options, self._schemas)
        if found is None or not self._lines.admit(found.columns.attributes, found.columns.length):
            return None
        self._rejections.add_all(found.rejected, found.rejected_count, lines_before=self._lines.line)
        self._lines.line += lines - 1
        self._lines.count(found.received)
        self._count("fast")
        return found.columns


def _is_array(data: bytes) -> bool:
    """Whether a body that begins so is one array over many lines: its first line is no value by itself."""
    text = data.removeprefix(BOM)
    if not text[:64].lstrip(_BLANK).startswith(b"["):
        return False
    text = text.lstrip(_BLANK)
    try:
        msgspec.json.decode(text[: text.find(b"\n")] if b"\n" in text else text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return False
