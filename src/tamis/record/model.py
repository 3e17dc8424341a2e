"""A record, and a batch of them by column."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from tamis.record.attributes import Value

CORE_TEXT = ("level", "service", "host", "logger", "message", "trace_id", "span_id", "correlation_id")
"""The text fields every record can have, each None when absent (`message` is never None)."""

INSTANT_MIN, INSTANT_MAX = -9 * 10**18, 9 * 10**18
"""Timestamps that can be kept, in UTC nanoseconds: from 1684 to 2255. Beyond lie instants that engines take for
infinity or for nothing, and sums that 64 bits do not hold."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One log event.

    `timestamp` is when it happened: UTC nanoseconds since 1970. `level` is a canonical name
    (`severity.canonical_level`). `attributes` hold everything else the sender said, nested as it was sent.
    """

    timestamp: int
    message: str = ""
    level: str | None = None
    service: str | None = None
    host: str | None = None
    logger: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    correlation_id: str | None = None
    attributes: dict[str, Value] = {}


class StoredRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record as a store gives it back: with its ingest sequence (its place in the order of arrival, from 1)
    and the instant of receipt (UTC nanoseconds)."""

    seq: int
    received: int
    record: Record


Column: TypeAlias = Any
"""One value for each record: a list (None where absent; attribute lists may mix types), or an Arrow array."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A batch by column, as decoders make it and stores take it.

    `timestamp` holds UTC nanoseconds as int (None: the store uses the instant of receipt). `core` has a column
    for any name of `CORE_TEXT`; a name that is missing is absent from every record. `attributes` has one column
    for each top-level attribute name. Every column has `length` values. Lists hold Python values; Arrow arrays
    must be int64, double, bool or string (timestamps: int64), those of attributes also structs of these and of
    structs, whose nulls are absent (`listed_values`); each struct that is not null has a value.
    """

    length: int
    timestamp: Column
    core: Mapping[str, Column] = field(default_factory=dict)
    attributes: Mapping[str, Column] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Columns":
        """Records by column."""
        rows = list(records)
        names = dict.fromkeys(name for row in rows for name in row.attributes)
        core = {name: [getattr(row, name) for row in rows] for name in CORE_TEXT}
        return cls(
            length=len(rows),
            timestamp=[row.timestamp for row in rows],
            core={name: column for name, column in core.items() if any(v is not None for v in column)},
            attributes={name: [row.attributes.get(name) for row in rows] for name in names},
        )

    def records(self, now_ns: int) -> Iterator[Record]:
        """The batch row by row; `now_ns` stands in for timestamps that are missing."""
        stamps = listed_values(self.timestamp)
        core = {name: listed_values(column) for name, column in self.core.items()}
        attributes = {name: listed_values(column) for name, column in self.attributes.items()}
        for row in range(self.length):
            texts = {name: column[row] for name, column in core.items() if column[row] is not None}
            stamp = stamps[row]
            yield Record(
                timestamp=now_ns if stamp is None else stamp,
                attributes={
                    name: column[row] for name, column in attributes.items() if column[row] is not None
                },
                **texts,
            )


def listed_values(column: Column) -> list[Any]:
    """The column as Python values; objects have no None in them."""
    if isinstance(column, list):
        return column
    values: list[Any] = column.to_pylist()
    return [_whole(value) for value in values] if column.type.num_fields else values


def _whole(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: _whole(one) for name, one in value.items() if one is not None}
