"""Bytes that come in pieces (files, pipes, --follow) to batches of records, with the place to resume at."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tamis.wire.base import Decoded, DecodeOptions, Rejection
from tamis.wire.detect import FORMATS, SAMPLE_BYTES, Format, detect

BATCH_BYTES = 1 << 20
DOCUMENT_BYTES_MAX = 1 << 26
"""A JSON array over many lines is held up to here; a longer one is read as plain text."""


@dataclass(frozen=True, slots=True)
class LineBatch:
    """Records of a run of bytes. Once they are safe, reading may resume at `offset`. Line numbers of rejections
    count from where the decoder began."""

    decoded: Decoded
    offset: int
    format: str


class LineDecoder:
    """Decodes a stream of text. Not thread-safe.

    `format` is a name of `detect.FORMATS`, or ``auto``: found from the first bytes; as long as that is ``plain``
    it is looked for again in each batch. `offset` is where in the file the first byte fed stands.

    `feed` holds back incomplete lines and the last record while it may go on (a stack trace); `flush` gives that
    record up too (call it when nothing has come for a moment), and with `final` the incomplete line.
    """

    def __init__(
        self,
        options: DecodeOptions,
        *,
        format: str = "auto",
        name: str | None = None,
        offset: int = 0,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        self._auto = format == "auto"
        self._options = replace(options, line_as_message=True, keep_unparsed=True) if self._auto else options
        self._format: Format | None = None if self._auto else FORMATS[format]
        self._name = name
        self._offset = offset
        self._batch_bytes = batch_bytes
        self._buffer = bytearray()
        self._dropped = 0
        self._lines = 0

    @property
    def safe_offset(self) -> int:
        """Where the first byte stands that no returned batch holds: reading again from here loses nothing."""
        return self._offset

    @property
    def format_name(self) -> str | None:
        """The format, when it is known."""
        return None if self._format is None else self._format.name

    def feed(self, data: bytes) -> Iterator[LineBatch]:
        """More bytes; the batches that are whole now. Consume it wholly."""
        self._buffer += data
        while len(self._buffer) >= self._batch_bytes:
            end = self._buffer.rfind(b"\n") + 1
            whole = bytes(memoryview(self._buffer)[:end])
            ready = self._ready(whole)
            if ready == 0:
                self._shorten()
                return
            yield self._take(whole[:ready])

    def _ready(self, whole: bytes) -> int:
        """How much of the whole lines can be given out: all but an open record, unless that is too long."""
        limits = self._options.limits
        if not whole:
            return 0
        chosen = self._chosen(whole)
        if chosen.document:
            if len(self._buffer) <= DOCUMENT_BYTES_MAX:
                return 0
            chosen = self._format = FORMATS["plain"]
        held_from = chosen.hold(whole, limits)
        over = len(self._buffer) > self._batch_bytes + max(limits.record_bytes_max, limits.line_bytes_max)
        return len(whole) if held_from == 0 and over else held_from

    def flush(self, *, final: bool = False) -> Iterator[LineBatch]:
        """What is held: all whole lines, and at the end of the stream the last one too."""
        end = len(self._buffer) if final else self._buffer.rfind(b"\n") + 1
        whole = bytes(memoryview(self._buffer)[:end])
        if whole and not final and self._chosen(whole).whole_only:
            whole = whole[: self._ready(whole)]
        if whole:
            yield self._take(whole)

    def _shorten(self) -> None:
        """Keep of a line that is far too long only so much that the decoder rejects it."""
        keep = self._options.limits.line_bytes_max + 1
        limit = DOCUMENT_BYTES_MAX if self._buffer.startswith(b"[") else 2 * keep
        if len(self._buffer) > limit and b"\n" not in self._buffer:
            self._dropped += len(self._buffer) - keep
            del self._buffer[keep:]

    def _chosen(self, whole: bytes) -> Format:
        if self._format is None or (self._auto and self._format.name == "plain"):
            self._format = FORMATS[detect(whole[:SAMPLE_BYTES], self._name)]
        return self._format

    def _take(self, data: bytes) -> LineBatch:
        chosen = self._chosen(data)
        decoded = _renumbered(chosen.decode(data, self._options), self._lines)
        del self._buffer[: len(data)]
        self._lines += data.count(b"\n")
        self._offset += len(data) + self._dropped
        self._dropped = 0
        return LineBatch(decoded, self._offset, chosen.name)


def _renumbered(decoded: Decoded, lines_before: int) -> Decoded:
    if not decoded.rejected or not lines_before:
        return decoded
    rejected = tuple(Rejection(one.line + lines_before, one.reason) for one in decoded.rejected)
    return replace(decoded, rejected=rejected)
