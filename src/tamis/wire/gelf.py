"""GELF, Graylog's extended log format, version 1.1: objects of JSON, alone, behind a NUL each, or in datagrams.

https://go2docs.graylog.org/current/getting_in_log_data/gelf.html. A datagram may be compressed, and one of
several that make a message together: two bytes of mark, eight of message id, its place, and how many there are.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import msgspec

from tamis.errors import TooLargeError, WireError
from tamis.record.model import Columns
from tamis.wire.arrivals import Arrival, Arrived
from tamis.wire.base import Bytes, Decoded, DecodeOptions, Rejections
from tamis.wire.compressed import inflate
from tamis.wire.joined import Parts
from tamis.wire.jsonbody import read_document
from tamis.wire.rows import Row, RowReader

CHUNKS_MAX = 128
CHUNKS_TIMEOUT_S = 5.0
CHUNK_MARK = b"\x1e\x0f"
_CHUNK_HEAD = 12
_OBJECT_BYTES = 200
WHAT = "a GELF message"
MESSAGE, FULL = "short_message", "full_message"
_OWN = {"version", "host", MESSAGE, "timestamp", "level"}
_DROPPED = frozenset({"version"})
_RATIO_MAX = 500.0
_LINE = re.compile(rb"[^\r\n]+")
BLOCK_RECORDS, BLOCK_BYTES = 10_000, 1 << 22
"""So many messages, or bytes of them, are held as Python objects at a time."""
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode = msgspec.json.Decoder().decode


def decode_messages(arrivals: Sequence[Arrival], options: DecodeOptions) -> Decoded:
    """A record of each message: plain, or compressed by gzip, zlib or zstd. What is none is rejected, with its place
    among the messages for a line.
    """
    arrived = Arrived(arrivals)
    rejections = Rejections(options.limits.rejections_listed_max)
    rows: list[Row] = []
    for at, message in enumerate(arrived.messages):
        try:
            if at in arrived.cut:
                raise WireError(f"over listener.message_bytes_max by {arrived.cut[at]:,} bytes")
            row = _row(unpack(message, options.limits.line_bytes_max))
        except WireError as error:
            rejections.add(at + 1, str(error)[:200])
            continue
        row.setdefault("timestamp", arrived.received[at])
        row.setdefault("host", arrived.peers[at])
        rows.append(row)
    return _decoded(rows, rejections, options)


def decode_body(body: Bytes, options: DecodeOptions) -> Decoded:
    """What a client posts: one message, or several on a line each; compressed or not, whatever a header says of it."""
    plain = unpack(bytes(body), options.limits.array_bytes_max)
    rejections = Rejections(options.limits.rejections_listed_max)
    reader, parts = RowReader(options), Parts()
    rows: list[Row] = []
    size = 0
    for at, line in enumerate(_bodies(plain, options)):
        try:
            if len(line) > options.limits.line_bytes_max:
                raise WireError(
                    f"over line_bytes_max = {options.limits.line_bytes_max:,}: {len(line):,} bytes"
                )
            row = _row(line)
        except WireError as error:
            rejections.add(at + 1, str(error)[:200])
            continue
        row.setdefault("timestamp", options.now_ns)
        rows.append(row)
        size += len(line)
        if len(rows) >= BLOCK_RECORDS or size > BLOCK_BYTES:
            _add_part(rows, reader, parts)
            rows, size = [], 0
    _add_part(rows, reader, parts)
    found = rejections.result(parts.join())
    return replace(found, rest_count=reader.rest_count + parts.rest_count)


def _add_part(rows: list[Row], reader: RowReader, parts: Parts) -> None:
    if rows:
        reader.expect(len(rows))
        parts.add(reader.columns(rows))


def _bodies(plain: bytes, options: DecodeOptions) -> Iterable[bytes]:
    """One object over many lines, or one a line; TooLargeError when these are too many."""
    limits = options.limits
    if not plain.strip():
        raise WireError(f"not {WHAT}: the body is empty; post one object, or one a line")
    head, _, rest = plain.strip().partition(b"\n")
    if rest and len(head) <= limits.line_bytes_max:
        try:
            _decode(head)
        except _NO_JSON:
            return [plain]
    if plain.count(b"\n") + plain.count(b"\r") >= limits.lines_max:
        count = sum(1 for _ in islice(_filled(plain), limits.lines_max + 1))
        if count > limits.lines_max:
            raise TooLargeError("ingest.lines_max", limits.lines_max)
    return _filled(plain)


def _filled(plain: bytes) -> Iterator[bytes]:
    """The lines that are not blank, one at a time."""
    return (found[0] for found in _LINE.finditer(plain) if found[0].strip())


def _decoded(rows: list[Row], rejections: Rejections, options: DecodeOptions) -> Decoded:
    if not rows:
        return rejections.result(Columns(length=0, timestamp=[]))
    reader = RowReader(options, rows_expected=len(rows))
    columns = reader.columns(rows)
    found = rejections.result(columns)
    return Decoded(
        columns, found.received, found.rejected, found.rejected_count, rest_count=reader.rest_count
    )


def unpack(message: bytes, bytes_max: int) -> bytes:
    """A message without its compression; WireError, and TooLargeError beyond `bytes_max`."""
    if message[:2] == b"\x1f\x8b":
        encoding = "gzip"
    elif message[:4] == b"\x28\xb5\x2f\xfd":
        encoding = "zstd"
    elif message[:1] == b"\x78" and len(message) > 1 and (message[0] << 8 | message[1]) % 31 == 0:
        encoding = "deflate"
    else:
        return message
    try:
        return b"".join(inflate([message], encoding, bytes_max=bytes_max, ratio_max=_RATIO_MAX))
    except TooLargeError as error:
        if error.limit_name != "server.decompressed_bytes_max":
            raise
        raise TooLargeError("listener.message_bytes_max", bytes_max) from None


def _row(message: bytes) -> Row:
    """A message as a row, fields named without their underscore."""
    try:
        given: Any = _decode(message)
    except _NO_JSON:
        given = read_document(message.strip(b"\0"), WHAT)
    if not isinstance(given, dict):
        raise WireError(f"not {WHAT}: it is no object")
    text = given.pop(MESSAGE, None)
    if text is None:
        text = given.get(FULL)
    if text is None:
        raise WireError(f"not {WHAT}: it has no {MESSAGE}")
    row: Row = {"message": text if isinstance(text, str) else str(text)}
    for name in ("timestamp", "host", "level"):
        if given.get(name) is not None:
            row[name] = given[name]
    for key, value in given.items():
        if key in _OWN or value is None:
            continue
        name = key[1:] if key[:1] == "_" and key[1:] and key[1:] not in row and key[1:] not in given else key
        row[name] = value
    return row


@dataclass(slots=True)
class _Open:
    """A message of which chunks are missing."""

    chunks: list[bytes | None]
    began_s: float
    missing: int
    size: int


class Chunks:
    """Puts chunked messages together. Not thread-safe.

    At most `bytes_max` wait; for more the oldest make room. `lost` are those that will not become whole, to be
    taken by whoever counts them: peer and reason.
    """

    def __init__(self, bytes_max: int, *, timeout_s: float = CHUNKS_TIMEOUT_S) -> None:
        self._bytes_max, self._timeout_s = bytes_max, timeout_s
        self._open: OrderedDict[tuple[str, bytes], _Open] = OrderedDict()
        self.held_bytes = 0
        self.lost: list[tuple[str, str]] = []

    def add(self, datagram: bytes, peer: str, *, now_s: float) -> bytes | None:
        """The message that this datagram is, or makes whole; None: more of it is to come, or it is no chunk."""
        if datagram[:2] != CHUNK_MARK:
            return datagram
        self.expire(now_s)
        wrong = self._wrong(datagram, peer)
        if wrong is not None:
            self.lost.append((peer, wrong))
            return None
        key, place, count = (peer, datagram[2:10]), datagram[10], datagram[11]
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = _Open([None] * count, now_s, count, 0)
            self.held_bytes += _OBJECT_BYTES + 8 * count
        if found.chunks[place] is None:
            part = datagram[_CHUNK_HEAD:]
            found.chunks[place] = part
            found.missing -= 1
            found.size += len(part)
            self.held_bytes += len(part) + _OBJECT_BYTES
        if not found.missing:
            self._forget(key)
            return b"".join(part for part in found.chunks if part)
        self._make_room()
        return None

    def _wrong(self, datagram: bytes, peer: str) -> str | None:
        """Why a chunk cannot be taken."""
        if len(datagram) < _CHUNK_HEAD:
            return "a chunk without its head"
        place, count = datagram[10], datagram[11]
        if not 0 < count <= CHUNKS_MAX or place >= count:
            return f"chunk {place} of {count}: there may be 1 to {CHUNKS_MAX}"
        found = self._open.get((peer, datagram[2:10]))
        if found is not None and len(found.chunks) != count:
            return f"chunk {place} of {count}, of a message of {len(found.chunks)}"
        return None

    def expire(self, now_s: float) -> None:
        """Give up what did not become whole in time."""
        while self._open:
            key, found = next(iter(self._open.items()))
            if now_s - found.began_s < self._timeout_s:
                return
            self._give_up(key, f"{self._timeout_s:g} s went by")

    def end(self) -> None:
        """Give up all."""
        while self._open:
            self._give_up(next(iter(self._open)), "the server stopped")

    def _make_room(self) -> None:
        while self.held_bytes > self._bytes_max and self._open:
            self._give_up(next(iter(self._open)), "there was no more room")

    def _give_up(self, key: tuple[str, bytes], why: str) -> None:
        found = self._forget(key)
        count = len(found.chunks)
        self.lost.append((key[0], f"{count - found.missing} of {count} chunks came, and {why}"))

    def _forget(self, key: tuple[str, bytes]) -> _Open:
        found = self._open.pop(key)
        came = len(found.chunks) - found.missing
        self.held_bytes -= found.size + _OBJECT_BYTES * (1 + came) + 8 * len(found.chunks)
        return found
