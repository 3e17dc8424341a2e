"""What answers look like: one struct for each, made of the store's values, and the bytes they become."""

import json
from collections.abc import Iterable
from typing import Annotated as About
from typing import Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from tamis.record.model import StoredRecord
from tamis.record.shape import pattern_id, shape, shape_id
from tamis.server.questions.status_answer import StatusAnswer
from tamis.store import base
from tamis.wire.times import time_printer

_CORE = ("level", "service", "logger", "host", "message")
_IDS = ("trace_id", "span_id", "correlation_id")


RECORD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "A record: every core field is there, null when absent; everything else is in `attributes`.",
    "properties": {
        "id": {"type": "string", "description": "Its public name, for ever."},
        "timestamp": {"type": "string", "description": "When it happened."},
        "received": {"type": "string", "description": "When it came."},
        "level": {"type": ["string", "null"], "description": "A canonical name, such as WARNING."},
        **{name: {"type": ["string", "null"]} for name in ("service", "logger", "host")},
        "message": {"type": "string"},
        "shape": {"type": "string", "description": "The message with its numbers masked."},
        "pattern": {"type": "string", "description": "The id of its pattern: `pattern:ID` finds its like."},
        **{name: {"type": ["string", "null"]} for name in _IDS},
        "attributes": {
            "type": "object",
            "description": "Everything else that the sender said, as it was sent.",
        },
    },
}
"""What a record looks like, for the API's description."""

RecordObject = About[dict[str, Any], Meta(extra_json_schema={"$ref": "#/components/schemas/Record"})]


class Read(msgspec.Struct, kw_only=True):
    """What every read carries: the sequence that it saw up to, its time, and what the reader should know."""

    as_of: About[str, Meta(description="The moment that was read; give it back to read the same again.")]
    took_ms: About[float, Meta(description="Milliseconds in the server.")] = 0.0
    warnings: About[
        list[str], Meta(description="What the reader should know: a damaged file, a limit met.")
    ] = []


class Found(Read, kw_only=True):
    """A page of records."""

    records: About[list[RecordObject], Meta(description="The page, in the order asked for.")]
    next_cursor: About[
        str | None,
        Meta(description="Asks for the next page; null when nothing follows, and of sorted records."),
    ] = None


class Count(Read, kw_only=True):
    """How many records."""

    count: About[int, Meta(description="How many records there are.")]


class Bucket(msgspec.Struct):
    """Counts in the interval that begins at `start`, by the value of the asked field."""

    start: str
    counts: dict[str, int]


class HistogramAnswer(Read, kw_only=True):
    """Counts over time; intervals without records are left out."""

    interval_s: About[int | float, Meta(description="How long each interval is, in seconds.")]
    start: About[str | None, Meta(description="Where the time that was asked for begins; null is open.")] = (
        None
    )
    end: About[str | None, Meta(description="Where it ends.")] = None
    buckets: About[list[Bucket], Meta(description="Intervals that have records, ascending.")]


class FacetValue(msgspec.Struct):
    """One value of a field, and how many records have it."""

    value: Any
    count: int


class FacetsAnswer(Read, kw_only=True):
    """The most frequent values of a field."""

    field: About[str, Meta(description="The field that was asked for.")]
    values: About[list[FacetValue], Meta(description="Most frequent first.")]
    other: About[int, Meta(description="Records with further values.")] = 0
    missing: About[int, Meta(description="Records without the field.")] = 0


class FieldAnswer(msgspec.Struct):
    """One field: in how many records, and with which types."""

    name: str
    count: int
    types: dict[str, int]


class FieldsAnswer(Read, kw_only=True):
    """The fields of the records asked for."""

    fields: About[list[FieldAnswer], Meta(description="By name; each as a query would call it.")]


class TableAnswer(Read, kw_only=True):
    """Rows of `stats`."""

    columns: About[list[str], Meta(description="The groups in their order, then the aggregates.")]
    rows: About[list[list[Any]], Meta(description="One value for each column; times in RFC 3339.")]


class PatternAnswer(msgspec.Struct):
    """One pattern of the records asked for."""

    id: str
    template: str
    count: int
    first_seen: str
    last_seen: str
    levels: dict[str, int]
    services: dict[str, int]
    example: str


class PatternsAnswer(Read, kw_only=True):
    """Patterns, most frequent first; all counts and `unmatched` add up to the count of the question."""

    patterns: About[list[PatternAnswer], Meta(description="Most frequent first.")]
    unmatched: About[int, Meta(description="Records of patterns that `limit` left out.")] = 0


class ContextAnswer(Read, kw_only=True):
    """A record with its neighbours in its service and host, ascending."""

    record: About[RecordObject, Meta(description="The record that was asked for.")]
    before: About[list[RecordObject], Meta(description="What stands before it, oldest first.")]
    after: About[list[RecordObject], Meta(description="What stands after it, oldest first.")]


class Deleted(Read, kw_only=True):
    """How many records were hidden; their bytes are erased within a day."""

    hidden: About[int, Meta(description="How many records are not found any more.")]


class RejectedLine(msgspec.Struct):
    """A line that was not kept, and why."""

    line: int
    reason: str


class Ingested(msgspec.Struct):
    """What became of a body: `received` = `stored` + `rejected_count`; the first rejections are listed."""

    received: About[int, Meta(description="Records in the body; blank lines are none.")]
    stored: About[int, Meta(description="Those that are safe now.")]
    rejected: About[list[RejectedLine], Meta(description="The first of those that were not kept.")] = []
    rejected_count: About[int, Meta(description="All that were not kept.")] = 0
    duplicate: About[
        bool, Meta(description="The body came before under its key; nothing was stored now.")
    ] = False
    warnings: About[list[str], Meta(description="What the sender should know.")] = []


class LossObject(msgspec.Struct):
    """A process of which records are missing."""

    principal: About[str, Meta(description="Whose token it sent them with.")]
    service: About[str | None, Meta(description="Its service.")]
    process: About[str, Meta(description="The attribute `process` of its records.")]
    lost: About[int, Meta(description="How many are missing.")]
    missing: About[
        list[tuple[int, int]], Meta(description="First and last `sequence` of gaps; the newest hundred.")
    ]
    first: About[int, Meta(description="The lowest `sequence` that came.")]
    last: About[int, Meta(description="The highest.")]


class LossesAnswer(msgspec.Struct):
    """What never came, as far as this server knows since it was started."""

    losses: About[list[LossObject], Meta(description="Processes of which records are missing, most first.")]
    lost: About[int, Meta(description="All that are missing, also of processes that made room for others.")]
    processes: About[int, Meta(description="How many processes are followed.")]
    warnings: About[list[str], Meta(description="What the reader should know.")] = []


class RejectionSample(msgspec.Struct):
    """Something that was not kept."""

    at: str
    sender: About[str, Meta(description="Its address.")]
    reason: str
    begin: About[str, Meta(description="How it began, where the protocol has messages of its own.")]


class ProtocolObject(msgspec.Struct):
    """What became of what came by one protocol."""

    protocol: str
    stored: About[int, Meta(description="Records that are safe.")]
    rejected: About[int, Meta(description="Records that could not be kept; their senders were told.")]
    lost: About[int, Meta(description="Records that were read and not stored, where nobody can be told.")]
    refused: About[dict[str, int], Meta(description="Bodies, connections and datagrams that were not taken.")]
    samples: About[list[RejectionSample], Meta(description="The newest reasons.")]


class RejectionsAnswer(msgspec.Struct):
    """What could not be kept since this server was started."""

    protocols: list[ProtocolObject]
    warnings: About[list[str], Meta(description="What the reader should know.")] = []


ANSWERS = (
    Found, Count, HistogramAnswer, FacetsAnswer, FieldsAnswer, TableAnswer, PatternsAnswer, ContextAnswer,
    Deleted, Ingested, LossesAnswer, RejectionsAnswer, StatusAnswer,
)  # fmt: skip


def encode_json(value: Any) -> bytes:
    """Any answer as JSON; text that UTF-8 cannot carry is escaped, never refused."""
    try:
        return msgspec.json.encode(value)
    except (OverflowError, ValueError, TypeError):
        plain = msgspec.to_builtins(value)
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "backslashreplace"
        )


def record_id(store_id: str, seq: int) -> str:
    """The public name of a record, and of a moment (`as_of`)."""
    return f"{store_id}-{seq}"


def parse_record_id(text: str, store_id: str) -> int | None:
    """The sequence behind a public name; None when it is none of this store's."""
    head, _, digits = text.strip().rpartition("-")
    if head != store_id or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        return None
    return int(digits)


def public_records(records: Iterable[StoredRecord], store_id: str) -> list[dict[str, Any]]:
    """Records as answers show them: every core field is there, null when absent."""
    printed = time_printer()
    return [_public(one, store_id, printed(one.record.timestamp), printed(one.received)) for one in records]


def _public(stored: StoredRecord, store_id: str, timestamp: str, received: str) -> dict[str, Any]:
    record = stored.record
    fields: dict[str, Any] = {
        "id": record_id(store_id, stored.seq),
        "timestamp": timestamp,
        "received": received,
    }
    for name in _CORE:
        fields[name] = getattr(record, name)
    fields["shape"] = shape(record.message)
    fields["pattern"] = pattern_id(shape_id(fields["shape"]))
    for name in _IDS:
        fields[name] = getattr(record, name)
    fields["attributes"] = record.attributes
    return fields


def histogram_answer(made: base.Histogram, store_id: str) -> HistogramAnswer:
    """Counts over time with printed times."""
    printed = time_printer()
    seconds = made.interval_ns / 1e9
    return HistogramAnswer(
        as_of=record_id(store_id, made.as_of),
        warnings=list(made.warnings),
        interval_s=int(seconds) if seconds.is_integer() else seconds,
        buckets=[Bucket(printed(start), counts) for start, counts in made.buckets],
    )


def patterns_answer(made: base.PatternList, store_id: str) -> PatternsAnswer:
    """Patterns with public ids and printed times."""
    printed = time_printer()
    return PatternsAnswer(
        as_of=record_id(store_id, made.as_of),
        warnings=list(made.warnings),
        patterns=[
            PatternAnswer(
                id=pattern_id(one.shape_id),
                template=one.template,
                count=one.count,
                first_seen=printed(one.first_seen),
                last_seen=printed(one.last_seen),
                levels=one.levels,
                services=one.services,
                example=one.example,
            )
            for one in made.patterns
        ],
        unmatched=made.unmatched,
    )


def facets_answer(made: base.Facets, store_id: str) -> FacetsAnswer:
    """The values of a field."""
    return FacetsAnswer(
        as_of=record_id(store_id, made.as_of),
        warnings=list(made.warnings),
        field=made.field,
        values=[FacetValue(value, count) for value, count in made.values],
        other=made.other,
        missing=made.missing,
    )


def json_response(value: Any, status: int = 200) -> Response:
    """An answer of a route."""
    return Response(encode_json(value), status_code=status, media_type="application/json")
