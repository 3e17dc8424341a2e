"""What every decoder takes and gives: options, columns, and what was rejected."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from itertools import chain, repeat
from typing import Any, Protocol, TypeAlias

from tamis.clock import SYSTEM_CLOCK
from tamis.errors import TooLargeError
from tamis.record.model import Column, Columns, listed_values

Bytes: TypeAlias = bytes | bytearray | memoryview

NOTE_FIELD = "decode_note"
"""The attribute that says what a decoder had to change: replaced bytes, a time it could not read."""


@dataclass(frozen=True, slots=True)
class WireLimits:
    """How much one block of input may hold; what is over is rejected, unless said otherwise below."""

    line_bytes_max: int = 1 << 20
    rejections_listed_max: int = 1_000
    """More are counted, not listed."""
    names_max: int = 2_000
    """Distinct attribute names in one body; further ones are kept in one object attribute (`REST_FIELD`)."""
    lines_max: int = 2_000_000
    """Lines of JSON in one body, blank ones not counted; a body with more is refused whole. Of an array, its
    elements, and the objects and lists inside them; of protocols records, and just so resources, scopes and streams."""
    array_bytes_max: int = 1 << 26
    """A body that is one array over many lines, or of a protocol such as OTLP, is held whole: up to so many
    bytes."""
    expanded_bytes_max: int = 1 << 28
    """What one request of a protocol may become, when each record has a copy of what stands around it; and what the
    values of a body may take that have names of their own (`names_max`)."""
    record_lines_max: int = 5_000
    """Lines that a multi-line record (a stack trace) may have; the next line begins a new record."""
    record_bytes_max: int = 1 << 18
    """Bytes that a multi-line record may have, unless its first line alone has more."""


REST_FIELD = "rest"

OWN_MEDIA_TYPE = "application/vnd.tamis+ndjson"
"""Lines that Tamis itself made of records it had already bounded."""
OWN_LINE_TIMES = 8
"""So many times `line_bytes_max` such a line may have: a record's text of that size with every character escaped,
and its fields.
"""


@dataclass(frozen=True, slots=True)
class FieldNames:
    """Names to look for before the common ones (`wire.names`)."""

    time: tuple[str, ...] = ()
    level: tuple[str, ...] = ()
    message: tuple[str, ...] = ()


NO_FIELDS = FieldNames()
DEFAULT_LIMITS = WireLimits()


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How to read input.

    `service` and `host` stand in where a record has none. `zone` is for times without one; `now_ns` for times
    without a year. `line_as_message`: a structured line without any message gets its own text as message, so
    that a search for words finds it (files); otherwise its message is "" (network). `keep_unparsed`: a line that
    is not JSON is kept as a plain one with a note (files) instead of being rejected (network).
    """

    service: str | None = None
    host: str | None = None
    fields: FieldNames = NO_FIELDS
    zone: tzinfo = UTC
    now_ns: int = field(default_factory=SYSTEM_CLOCK.now_ns)
    line_as_message: bool = False
    keep_unparsed: bool = False
    limits: WireLimits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class Rejection:
    """An input record that was not kept: its line (1-based; of an array's body: its place) and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a block: `received` = `columns.length` + `rejected_count`. Blank lines are no records.

    `rejected` lists the first of them (`WireLimits.rejections_listed_max`), `rejected_count` counts all.
    `lines` has the line (0-based) where each record begins, where the decoder knows it; else it is empty.
    `rest_count` is how many attribute values are in `REST_FIELD` because there were too many names.
    """

    columns: Columns
    received: int
    rejected: tuple[Rejection, ...] = ()
    rejected_count: int = 0
    lines: Sequence[int] = ()
    rest_count: int = 0


class Decoder(Protocol):
    """A whole block of one format. Raises nothing but `WireError`; thread-safe."""

    def __call__(self, body: Bytes, options: DecodeOptions) -> Decoded:
        """Columns of the block's records, and what was rejected."""
        ...


class StreamDecoder(Protocol):
    """One body that comes in pieces. Raises nothing but `WireError`; not thread-safe."""

    def feed(self, piece: bytes) -> None:
        """The next piece."""
        ...

    def finish(self) -> Decoded:
        """The body has ended: all of it."""
        ...


StreamMaker: TypeAlias = Callable[[DecodeOptions], StreamDecoder]


class WholeBody:
    """Reads a body that can only be decoded whole, up to `WireLimits.array_bytes_max`; TooLargeError beyond."""

    def __init__(self, decode: Decoder, options: DecodeOptions) -> None:
        self._decode, self._options = decode, options
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> None:
        """The next piece."""
        self._size += len(piece)
        if self._size > self._options.limits.array_bytes_max:
            raise TooLargeError("ingest.document_bytes_max", self._options.limits.array_bytes_max)
        self._pieces.append(piece)

    def finish(self) -> Decoded:
        """The body has ended: all of it."""
        body = b"".join(self._pieces)
        self._pieces.clear()
        return self._decode(body, self._options)


class Rejections:
    """Collects what was rejected: the first of it by line, up to a limit, however it comes; counts all."""

    def __init__(self, listed_max: int) -> None:
        self._listed_max = listed_max
        self._listed: list[Rejection] = []
        self._line_max: int | None = None
        """Once there are enough: later lines are not listed."""
        self.count = 0

    def lists(self, line: int) -> bool:
        """Whether a rejection of this line would be listed, as far as is known."""
        return self._line_max is None or line <= self._line_max

    def add(self, line: int, reason: str) -> None:
        """One more."""
        self.count += 1
        if not self.lists(line):
            return
        self._listed.append(Rejection(line, reason))
        if len(self._listed) > 2 * self._listed_max:
            self._listed = list(self.listed())
            self._line_max = self._listed[-1].line if self._listed else 0

    def add_all(self, listed: Sequence[Rejection], count: int, *, lines_before: int = 0) -> None:
        """What was rejected of another part, which begins after so many lines."""
        for one in listed:
            self.add(lines_before + one.line, one.reason)
        self.count += count - len(listed)

    def listed(self) -> tuple[Rejection, ...]:
        """The first ones, by line."""
        return tuple(sorted(self._listed, key=lambda one: one.line)[: self._listed_max])

    def result(self, columns: Columns, lines: Sequence[int] = ()) -> Decoded:
        """The columns with what was rejected beside them."""
        return Decoded(columns, columns.length + self.count, self.listed(), self.count, lines)


def join_columns(parts: Sequence[Columns]) -> Columns:
    """Batches one after the other, as lists. Names that a part lacks are None there."""
    if len(parts) == 1:
        return parts[0]
    return Columns(
        length=sum(part.length for part in parts),
        timestamp=list(chain.from_iterable(part.timestamp for part in parts)),
        core=_join([(part.core, part.length) for part in parts]),
        attributes=_join([(part.attributes, part.length) for part in parts]),
    )


def _join(parts: list[tuple[Mapping[str, Column], int]]) -> dict[str, Column]:
    names = dict.fromkeys(name for columns, _ in parts for name in columns)
    return {
        name: list(chain.from_iterable(_column_or_none(columns, name, length) for columns, length in parts))
        for name in names
    }


def _column_or_none(columns: Mapping[str, Column], name: str, length: int) -> Any:
    column = columns.get(name)
    if column is None:
        return repeat(None, length)
    return listed_values(column)


def with_defaults(core: dict[str, Column], length: int, options: DecodeOptions) -> dict[str, Column]:
    """Core columns with the options' service and host where there is none."""
    for name, default in (("service", options.service), ("host", options.host)):
        if default is None:
            continue
        column = core.get(name)
        core[name] = (
            [default] * length if column is None else [default if one is None else one for one in column]
        )
    return core
