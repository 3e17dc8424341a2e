"""Loki's push, in JSON and in protobuf packed by snappy (grafana/loki, pkg/push/push.proto)."""

import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import msgspec
import numpy as np

from tamis.errors import TooLargeError, WireError
from tamis.wire.base import Bytes, Decoded, DecodeOptions, Rejections
from tamis.wire.gathered import Gathered, Places
from tamis.wire.joined import Parts
from tamis.wire.jsonbody import WHOLE_BYTES_MAX, check_count, read_document, read_layer, read_value, size_of
from tamis.wire.loki_together import entries_together
from tamis.wire.protobuf import fields_with_ends, messages_in, read_fields, signed
from tamis.wire.rows import Row, RowReader
from tamis.wire.snappy import unpack

BLOCK_RECORDS, BLOCK_BYTES = 10_000, 1 << 22
"""So many entries, or bytes of them, are held as Python objects at a time."""
TOGETHER_MIN = 32
"""Fewer entries of a stream are read sooner one by one."""
RESERVED = frozenset({"timestamp", "message"})
WHAT = "a push to Loki"
_LEVELS = (("streams",), ("values",))
_NS = 1_000_000_000
_LABEL = re.compile(r'\s*([A-Za-z_][\w.:-]*)\s*=\s*("(?:[^"\\]|\\.)*"|`[^`]*`)\s*(?:,|$)', re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MALFORMED = (WireError, ValueError, TypeError)
Labels = Mapping[str, Any]
Spans: TypeAlias = "array[int]"


class _Push(msgspec.Struct):
    streams: list[msgspec.Raw] | None = None


class _Stream(msgspec.Struct):
    stream: msgspec.Raw = msgspec.Raw(b"null")
    values: list[msgspec.Raw] | None = None


def decode_json(body: Bytes, options: DecodeOptions) -> Decoded:
    """The entries of a push in JSON. WireError when it is none: nothing of it is kept then.

    An entry that is broken is rejected alone, so are those of a stream whose labels are; its
    line is its place in the push. TooLargeError: too many.
    """
    entries = _Entries(options)
    for stream in _streams(bytes(body), options):
        try:
            given, around = _json_labels(stream.get("stream"), options)
        except WireError as error:
            values = _list(stream, "values")
            if not values:
                raise
            entries.reject_all(values, str(error))
            continue
        labels = _labels(given)
        for value in _list(stream, "values"):
            is_raw = isinstance(value, msgspec.Raw)
            if entries.admit(around + (memoryview(value).nbytes if is_raw else size_of(value))):
                try:
                    entries.add(labels, *_json_entry(read_value(value, "an entry") if is_raw else value))
                except _MALFORMED as error:
                    entries.reject(str(error)[:200])
    return entries.finish()


def _streams(body: bytes, options: DecodeOptions) -> Iterator[dict[str, Any]]:
    """The streams; those of a large push only on the outside, what is inside is read when its turn has come."""
    if len(body) <= WHOLE_BYTES_MAX:
        push = read_document(body, WHAT)
    else:
        check_count(body, _LEVELS, WHAT, of="lists", count_max=options.limits.lines_max)
        push = read_layer(body, _Push, WHAT)
    if push.get("streams") is None:
        raise WireError(f"not {WHAT}: it has no list of streams")
    for stream in _list(push, "streams"):
        if isinstance(stream, msgspec.Raw):
            yield read_layer(stream, _Stream, WHAT)
        elif isinstance(stream, dict):
            yield stream
        else:
            raise WireError(f"not {WHAT}: a stream is an object")


def _json_labels(given: Any, options: DecodeOptions) -> tuple[Labels, int]:
    """A stream's labels, and their size; not read when they alone are over what an entry may have."""
    size = 0
    if isinstance(given, msgspec.Raw):
        size = memoryview(given).nbytes
        given = {} if size > options.limits.line_bytes_max else read_value(given, WHAT)
    if given is not None and not isinstance(given, dict):
        raise WireError("a stream's labels are an object")
    return given or {}, size or size_of(given or {})


def decode_protobuf(body: Bytes, options: DecodeOptions) -> Decoded:
    """The entries of a PushRequest, packed by snappy; else as `decode_json`."""
    entries = _Entries(options)
    for stream in messages_in(unpack(bytes(body), options.limits.array_bytes_max), 1):
        entries.begin()
        text = b""
        starts, ends = array("q"), array("q")
        for number, value, end in fields_with_ends(stream):
            if number in (1, 2) and isinstance(value, int):
                raise WireError(f"not {WHAT}: a number stands where a text should")
            if number == 1:
                text = value  # type: ignore[assignment]  # no int: above
            elif number == 2:
                starts.append(end - len(value))  # type: ignore[arg-type]  # no int: above
                ends.append(end)
                if not len(ends) % BLOCK_RECORDS:
                    entries.foresee(len(ends), 0)
        readable = (
            text if len(text) <= options.limits.line_bytes_max else b"{}"
        )  # else each entry is rejected
        labels = _labels(read_labels(readable.decode("utf-8", "replace")))
        _add_stream(stream, (starts, ends), labels, around=len(text), entries=entries)
    return entries.finish()


def _add_stream(
    stream: bytes, spans: tuple[Spans, Spans], labels: Labels, *, around: int, entries: "_Entries"
) -> None:
    starts, ends = (np.frombuffer(one, np.int64) for one in spans)
    entries.foresee_sizes(ends - starts + around)
    seen = Gathered(stream) if len(starts) >= TOGETHER_MIN else None
    for first in range(0, len(starts), BLOCK_RECORDS):
        block = slice(first, first + BLOCK_RECORDS)
        together = entries_together(seen, starts[block], ends[block]) if seen else None
        for number, (start, end) in enumerate(zip(spans[0][block], spans[1][block], strict=True)):
            if not entries.admit(around + end - start):
                continue
            try:
                entries.add(labels, *(together[number] if together else _packed_entry(stream[start:end])))
            except _MALFORMED as error:
                entries.reject(str(error)[:200])


def read_labels(text: str) -> dict[str, str]:
    """The labels of ``{job="x", path="/a \\"b\\""}``; WireError."""
    inner = text.strip()
    if not (inner.startswith("{") and inner.endswith("}")):
        raise WireError(f"not {WHAT}: the labels {text[:100]!r} do not stand in braces")
    inner, at = inner[1:-1].strip(), 0
    labels: dict[str, str] = {}
    while at < len(inner):
        found = _LABEL.match(inner, at)
        if found is None:
            raise WireError(f"not {WHAT}: no label at {inner[at : at + 50]!r}")
        name, quoted = found.groups()
        labels[name] = quoted[1:-1] if quoted[0] == "`" or "\\" not in quoted else _unquoted(quoted[1:-1])
        at = found.end()
    return labels


def _unquoted(text: str) -> str:
    """Go's escapes made characters."""
    return _ESCAPE.sub(_character, text).encode("utf-8", "replace").decode()


def _character(found: re.Match[str]) -> str:
    text = found[1]
    if len(text) == 1:
        return _LETTERS.get(text, text)
    code = int(text, 8) if text[0] not in "xuU" else int(text[1:], 16)
    return chr(code) if code < 0x110000 else "\ufffd"


def _list(owner: dict[str, Any], name: str) -> list[Any]:
    found = owner.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise WireError(f"not {WHAT}: {name} is not a list")
    return found


def _labels(given: Labels) -> Labels:
    """Labels under names that are not those of the entry itself."""
    if RESERVED.isdisjoint(given):
        return given
    return {f"stream.{name}" if name in RESERVED else name: value for name, value in given.items()}


def _json_entry(value: Any) -> tuple[int, str, Labels]:
    if not isinstance(value, list) or not 2 <= len(value) <= 3:
        raise WireError("an entry is a list: time, line, and perhaps structured metadata")
    stamp, line, *rest = value
    if isinstance(stamp, bool) or not isinstance(stamp, str | int) or len(str(stamp)) > 25:
        raise WireError("an entry's time is a text of nanoseconds")
    if not isinstance(line, str):
        raise WireError(f"an entry's line is a text, not {type(line).__name__}")
    metadata = (rest[0] if rest else None) or {}
    if not isinstance(metadata, dict):
        raise WireError("an entry's structured metadata is an object")
    try:
        return int(stamp), line, metadata
    except ValueError:
        raise WireError("an entry's time is a text of nanoseconds") from None


def _packed_entry(entry: bytes) -> tuple[int, str, Labels]:
    stamp, line = 0, ""
    metadata: dict[str, Any] = {}
    for number, value in read_fields(entry):
        if number > 3:
            continue
        if isinstance(value, int):
            raise WireError("an entry's fields are texts and messages")
        if number == 1:
            stamp = _packed_time(value)
        elif number == 2:
            line = value.decode("utf-8", "replace")
        elif number == 3:
            name, text = _packed_pair(value)
            metadata[name] = text
    return stamp, line, metadata


def _packed_time(message: bytes) -> int:
    held = dict(read_fields(message))
    seconds, nanos = held.get(1, 0), held.get(2, 0)
    if not isinstance(seconds, int) or not isinstance(nanos, int):
        raise WireError("an entry's time has fields of other types")
    return signed(seconds) * _NS + signed(nanos)


def _packed_pair(message: bytes) -> tuple[str, str]:
    held = dict(read_fields(message))
    name, text = held.get(1, b""), held.get(2, b"")
    if isinstance(name, int) or isinstance(text, int):
        raise WireError("structured metadata are texts")
    return name.decode("utf-8", "replace"), text.decode("utf-8", "replace")


class _Entries:
    """Puts the entries of one push together. Not thread-safe."""

    def __init__(self, options: DecodeOptions) -> None:
        self._options = options
        self._rejections = Rejections(options.limits.rejections_listed_max)
        self._reader = RowReader(options)
        self._parts = Parts()
        self._rows: list[Row] = []
        self._received = self._streams = self._bytes = self._bytes_before = 0

    def begin(self) -> None:
        """Count one more stream; TooLargeError: there may be as many as of entries."""
        self._streams += 1
        self._check_count(self._streams)

    def foresee(self, count: int, size: int) -> None:
        """So many entries more come now, which become so many bytes; TooLargeError before any of them is made."""
        self._check_count(self._received + count)
        if self._bytes_before + self._bytes + size > self._options.limits.expanded_bytes_max:
            raise TooLargeError("ingest.expanded_bytes_max", self._options.limits.expanded_bytes_max)

    def foresee_sizes(self, sizes: Places) -> None:
        """As `foresee`, for entries of these sizes; those over their own limit are rejected alone."""
        within = sizes <= self._options.limits.line_bytes_max
        self.foresee(len(sizes), int(sizes[within].sum()))

    def _check_count(self, count: int) -> None:
        if count > self._options.limits.lines_max:
            raise TooLargeError("ingest.lines_max", self._options.limits.lines_max)

    def admit(self, size: int) -> bool:
        """Count one more entry, of so many bytes; False when it is over its limit, and rejected."""
        limits = self._options.limits
        self._received += 1
        self._check_count(self._received)
        if self._bytes > BLOCK_BYTES or len(self._rows) >= BLOCK_RECORDS:
            self._flush()
        if size > limits.line_bytes_max:
            self.reject(f"over line_bytes_max = {limits.line_bytes_max:,}: {size:,} bytes with its labels")
            return False
        self._bytes += size
        if self._bytes_before + self._bytes > limits.expanded_bytes_max:
            raise TooLargeError("ingest.expanded_bytes_max", limits.expanded_bytes_max)
        return True

    def add(self, labels: Labels, stamp: int, line: str, metadata: Labels) -> None:
        """The entry that was admitted. Its metadata come before labels of the same name, which are kept too."""
        row = dict(labels)
        if metadata:
            metadata = _labels(metadata)
            shared = {name: row.pop(name) for name in row.keys() & metadata.keys()}
            row.update({f"stream.{name}": value for name, value in shared.items() if value != metadata[name]})
            row.update(metadata)
        row["timestamp"], row["message"] = stamp, line
        self._rows.append(row)

    def reject(self, reason: str) -> None:
        """The entry that was admitted cannot be kept."""
        self._rejections.add(self._received, reason)

    def reject_all(self, values: list[Any], reason: str) -> None:
        """The entries of a stream that has no labels to be read."""
        for _ in values:
            if self.admit(0):
                self.reject(reason)

    def finish(self) -> Decoded:
        """All that came."""
        self._flush()
        found = self._rejections.result(self._parts.join())
        return replace(found, rest_count=self._reader.rest_count + self._parts.rest_count)

    def _flush(self) -> None:
        if self._rows:
            self._reader.expect(len(self._rows))
            self._parts.add(self._reader.columns(self._rows))
        self._bytes_before += self._bytes
        self._rows, self._bytes = [], 0
