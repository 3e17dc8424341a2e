"""Every parameter of the reads, in one table: what routes take, and what the API's description says of them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, what it is for, and its schema."""

    name: str
    doc: str
    schema: dict[str, Any]


def _text(name: str, doc: str, **more: Any) -> Parameter:
    return Parameter(name, doc, {"type": "string", **more})


def _whole(name: str, doc: str, **more: Any) -> Parameter:
    return Parameter(name, doc, {"type": "integer", **more})


_TIME = "RFC 3339, an epoch number (s, ms, us or ns by its size), `now`, or relative as `-15m`"

_ROWS = (
    _text("q", "The query; empty is everything.", example="level>=warning service:shop"),
    _text("start", f"Records from this instant on: {_TIME}."),
    _text("end", f"Records before this instant: {_TIME}."),
    _text("as_of", "The `as_of` of an earlier answer: only what was there then."),
    _whole("limit", "At most so many.", minimum=1),
    _text("order", "Newest or oldest first; an export is oldest first by default.", enum=["desc", "asc"]),
    _text("cursor", "The `next_cursor` of the page before; with the same question."),
    _text("interval", "A duration as `5m`, or `auto` for about sixty buckets.", default="auto"),
    _text("by", "The field whose values are counted apart; `none` for totals.", default="level"),
    _text("field", "The field.", example="service"),
    _text("id", "The `id` of a record."),
    _whole("before", "So many records before it.", minimum=0, default=10),
    _whole("after", "So many records after it.", minimum=0, default=10),
    _text(
        "last_event_id",
        "The `id` of the last record that was seen: everything that came after it is shown first. The header "
        "`Last-Event-ID` says the same, and goes before.",
    ),
    _text("format", "What the file is.", enum=["ndjson", "csv", "parquet"]),
)

PARAMETERS: dict[str, Parameter] = {row.name: row for row in _ROWS}

QUESTION = ("q", "start", "end", "as_of")
"""What every question has."""
