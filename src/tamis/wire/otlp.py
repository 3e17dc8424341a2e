"""OpenTelemetry's log records as columns, from whichever encoding they come (opentelemetry-proto 1.x, logs.proto)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from tamis.errors import TooLargeError
from tamis.record.attributes import DEFAULT_LIMITS, safe_attributes
from tamis.record.model import INSTANT_MAX, Columns
from tamis.record.severity import LEVEL_CHARS_MAX, canonical_level, level_of_otel, severity
from tamis.wire.base import NOTE_FIELD, Decoded, DecodeOptions, Rejections, with_defaults
from tamis.wire.joined import Parts
from tamis.wire.rows import TIME_NOTE, Batch, check_rest, group_rows, names_limit, safe_values

BLOCK_RECORDS, BLOCK_BYTES = 10_000, 1 << 22
"""So many records, or bytes of them, are held as Python objects at a time."""
LEVELS_MAX = 1_000

Attributes = dict[str, Any]


class LogRecord(NamedTuple):
    """One record as it came. Times are UTC nanoseconds, 0 is none; ids are hexadecimal; `more` has what the record
    says under names of its own (`flags`, `eventName`), absent when it is nothing."""

    time: int
    observed: int
    severity_number: int
    severity_text: str
    body: Any
    attributes: Attributes
    trace_id: str
    span_id: str
    more: Attributes | None = None


@dataclass(slots=True)
class Scope:
    """What stands around records: the resource and the scope that made them."""

    service: str | None = None
    host: str | None = None
    logger: str | None = None
    attributes: Attributes = field(default_factory=dict)


def scope_of(
    resource: Attributes, name: str, version: str, *, attributes: Attributes, schemas: tuple[str, str]
) -> Scope:
    """Put together what stands around. `schemas` are the URLs of the resource's schema and the scope's."""
    left = dict(resource)
    more = {
        "otel.scope.version": version or None,
        "otel.schema_url": schemas[0] or None,
        "otel.scope.schema_url": schemas[1] or None,
        **{f"otel.scope.{key}": value for key, value in attributes.items()},
    }
    found = Scope(_taken(left, "service.name"), _taken(left, "host.name"), name or None)
    found.attributes = {key: value for key, value in {**more, **left}.items() if value is not None}
    return found


def _taken(attributes: Attributes, name: str) -> str | None:
    return attributes.pop(name) if isinstance(attributes.get(name), str) else None


class Collector:
    """Puts the records of one request together. Not thread-safe."""

    def __init__(self, options: DecodeOptions) -> None:
        self.options = options
        self._limits = options.limits
        self.rejections = Rejections(options.limits.rejections_listed_max)
        self.received = self._surroundings_seen = 0
        self._parts = Parts()
        self._known: set[str] = set()
        self._rest_count = 0
        self._levels: dict[tuple[int, str], tuple[str | None, Attributes]] = {}
        self._records: list[LogRecord] = []
        self._scopes: list[tuple[Scope, int]] = []
        self._bytes = self._bytes_before = self._around_bytes = 0

    def surround(self) -> None:
        """Count one more resource or scope; TooLargeError: of these too there may be as many as of records."""
        self._surroundings_seen += 1
        self._check_count(self._surroundings_seen)

    def foresee(self, count: int, size: int) -> None:
        """So many records come now, of so many bytes with what stands around them, those left out that are over their
        own limit; TooLargeError when they are too many or too large, before any of them is made."""
        self._check_count(self.received + count)
        if self._bytes_before + self._bytes + size > self._limits.expanded_bytes_max:
            raise TooLargeError("ingest.expanded_bytes_max", self._limits.expanded_bytes_max)

    def _check_count(self, count: int) -> None:
        if count > self._limits.lines_max:
            raise TooLargeError("ingest.lines_max", self._limits.lines_max)

    def begin(self, scope: Scope, size: int) -> None:
        """The records that come now belong to this scope; `size` is what its resource and itself took."""
        if self._scopes and self._scopes[-1][1] == len(self._records):
            self._scopes.pop()
        self._scopes.append((scope, len(self._records)))
        self._around_bytes = size

    def admit(self, size: int) -> bool:
        """Count one more record, of so many bytes; False when it is over its limit, and rejected.

        TooLargeError when there are too many; a block that is full is made columns of before.
        """
        limits = self._limits
        self.received += 1
        self._check_count(self.received)
        if self._bytes > BLOCK_BYTES or len(self._records) >= BLOCK_RECORDS:
            self._flush()
        size += self._around_bytes
        if size > limits.line_bytes_max:
            self.reject(f"over line_bytes_max = {limits.line_bytes_max:,}: {size:,} bytes with its resource")
            return False
        self._bytes += size
        if self._bytes_before + self._bytes > limits.expanded_bytes_max:
            raise TooLargeError("ingest.expanded_bytes_max", limits.expanded_bytes_max)
        return True

    def names_left(self, length: int) -> int:
        """How many attribute names a block of so many records may have, if none of them came before."""
        return names_limit(self.options, length) - len(self._known)

    def has_room(self, count: int, size: int) -> bool:
        """Whether so many records more, of so many bytes with what stands around them, are within all limits."""
        limits = self._limits
        within = self._bytes_before + self._bytes + size <= limits.expanded_bytes_max
        return within and self.received + count <= limits.lines_max

    def add_block(self, columns: Columns, size: int) -> None:
        """Records that were made columns of elsewhere, after `has_room`."""
        self._flush()
        self.received += columns.length
        self._bytes_before += size
        self._known.update(columns.attributes)
        self._parts.add(columns)

    def add(self, record: LogRecord) -> None:
        """The record that was admitted."""
        self._records.append(record)

    def reject(self, reason: str) -> None:
        """The record that was admitted cannot be kept."""
        self.rejections.add(self.received, reason)

    def finish(self) -> Decoded:
        """All that came. A rejected record's line is its place in the request, from 1."""
        self._flush()
        columns = self._parts.join()
        found = self.rejections.result(columns)
        return Decoded(
            columns,
            found.received,
            found.rejected,
            found.rejected_count,
            rest_count=self._rest_count + self._parts.rest_count,
        )

    def _flush(self) -> None:
        if self._records:
            self._parts.add(self._columns(self._records))
        self._bytes_before += self._bytes
        last = self._scopes[-1:]
        self._records, self._scopes, self._bytes = [], [(scope, 0) for scope, _ in last], 0

    def _columns(self, records: Sequence[LogRecord]) -> Columns:
        length = len(records)
        batch = Batch(length, self._known, names_limit(self.options, length))
        rows = [record.attributes for record in records]
        timestamp = self._times(records, rows)
        core: dict[str, list[Any]] = {
            "message": self._messages(records, rows),
            "level": self._level_column(records, rows),
            "trace_id": [record.trace_id or None for record in records],
            "span_id": [record.span_id or None for record in records],
        }
        for at, record in enumerate(records):
            if record.more:
                rows[at] = _with(rows[at], record.more)
        core.update(self._surroundings(rows))
        core["correlation_id"] = _correlation_ids(rows)
        for signature, index in group_rows(rows):
            group = rows if index is None else [rows[at] for at in index]
            for name in signature:
                batch.put_attribute(name, index, safe_values([row[name] for row in group]))
        self._rest_count += batch.rest_count
        check_rest(self._rest_count, self.options)
        filled = {name: column for name, column in core.items() if any(one is not None for one in column)}
        return Columns(length, timestamp, with_defaults(dict(filled), length, self.options), batch.finished())

    def _times(self, records: Sequence[LogRecord], rows: list[Attributes]) -> list[int | None]:
        """When each happened; else when it was observed; else nothing, which is the receipt."""
        stamps: list[int | None] = []
        for at, record in enumerate(records):
            time, observed = record.time, record.observed
            if time > INSTANT_MAX or observed > INSTANT_MAX:
                beyond = {"time_unix_nano": time or None, NOTE_FIELD: TIME_NOTE}
                rows[at] = _with(rows[at], beyond)
                time, observed = _kept(time), _kept(observed)
            elif observed and time and observed != time:
                rows[at] = _with(rows[at], {"observed_time_unix_nano": observed})
            stamps.append(time or observed or None)
        return stamps

    def _messages(self, records: Sequence[LogRecord], rows: list[Attributes]) -> list[str]:
        """A body that is no text is a message as JSON; objects and lists are an attribute beside it."""
        messages = []
        for at, record in enumerate(records):
            body = record.body
            if type(body) is str:
                messages.append(body)
            elif body is None:
                messages.append("")
            else:
                messages.append(msgspec.json.encode(body).decode())
                if isinstance(body, dict | list):
                    rows[at] = _with(rows[at], {"body": body})
        return messages

    def _level_column(self, records: Sequence[LogRecord], rows: list[Attributes]) -> list[str | None]:
        levels, known = [], self._levels
        for at, record in enumerate(records):
            key = record[2:4]
            found = known.get(key)
            if found is None:
                if len(known) >= LEVELS_MAX:
                    known.clear()
                found = known[key] = read_severity(*key)
            levels.append(found[0])
            if found[1]:
                rows[at] = _with(rows[at], found[1])
        return levels

    def _surroundings(self, rows: list[Attributes]) -> dict[str, list[Any]]:
        """The columns of what stands around; other attributes of it are put into the rows."""
        core: dict[str, list[Any]] = {"service": [], "host": [], "logger": []}
        ends = [begin for _, begin in self._scopes[1:]] + [len(rows)]
        for (scope, begin), end in zip(self._scopes, ends, strict=True):
            for name, column in core.items():
                column.extend([getattr(scope, name)] * (end - begin))
            around = scope.attributes
            for at in range(begin, end) if around else ():
                row = rows[at]
                rows[at] = {**around, **row} if around.keys().isdisjoint(row) else _around(row, around)
        return core


def read_severity(number: int, text: str) -> tuple[str | None, Attributes]:
    """The level, and what it leaves unsaid. The number decides when both are there and disagree."""
    level = canonical_level(text) if text else ""
    if not 0 <= number <= 24:
        return level or None, {"severity_number": number, **_long(text)}
    if level and (number == 0 or severity(level) == number):
        return level, _long(text)
    return level_of_otel(number), {"severity_text": text} if text else {}


def _long(text: str) -> Attributes:
    return {"severity_text": text} if len(text) > LEVEL_CHARS_MAX else {}


def _kept(stamp: int) -> int:
    return stamp if stamp <= INSTANT_MAX else 0


def _with(row: Attributes, more: Mapping[str, Any]) -> Attributes:
    """The row's attributes, and others under names that it does not have."""
    return {**row, **{name: one for name, one in more.items() if one is not None and name not in row}}


def _around(row: Attributes, around: Attributes) -> Attributes:
    """The row's attributes, and those of what stands around it under a longer name where it has the same."""
    renamed = {
        (f"resource.{name}" if name in row and row[name] != value else name): value
        for name, value in around.items()
    }
    return {**renamed, **row}


def _correlation_ids(rows: list[Attributes]) -> list[str | None]:
    column: list[str | None] = []
    for at, row in enumerate(rows):
        value = row.get("correlation_id")
        if type(value) is str:
            rows[at] = {name: one for name, one in row.items() if name != "correlation_id"}
            column.append(value)
        else:
            column.append(None)
    return column


def bounded(attributes: Attributes) -> Attributes:
    """A record's attributes, not more than a record may have."""
    if len(attributes) <= DEFAULT_LIMITS.items_max:
        return attributes
    return safe_attributes(attributes)  # type: ignore[arg-type]  # Mapping's keys are invariant
