"""The stages behind a filter: which of them an endpoint takes, and what they do to rows and records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tamis.query import ast
from tamis.query.fields import CORE_TIMES, value_of
from tamis.query.times import print_instant
from tamis.record.model import StoredRecord
from tamis.server.problems import ProblemError
from tamis.server.questions.answers import record_id

_NAMES: dict[type[ast.Stage], str] = {
    ast.Stats: "stats",
    ast.Sort: "sort",
    ast.Limit: "limit",
    ast.Fields: "fields",
    ast.Patterns: "patterns",
}
_ADVICE: dict[type[ast.Stage], str] = {
    ast.Stats: "it makes a table: ask /api/v1/stats",
    ast.Sort: "/api/v1/search takes it for records, /api/v1/stats for tables",
    ast.Limit: "/api/v1/search, /stats, /patterns and /export take it",
    ast.Fields: "/api/v1/search, /stats and /export take it",
    ast.Patterns: "it makes a list of patterns: ask /api/v1/patterns",
}
_OF_RECORDS = frozenset({"id", "attributes"})
"""What `fields` takes beside the names of fields."""
_TIME_AGGREGATES = frozenset({"min", "max", "first", "last"})


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of a query by their kind, at most one of each."""

    stats: ast.Stats | None = None
    sort: ast.Sort | None = None
    limit: ast.Limit | None = None
    fields: ast.Fields | None = None
    patterns: ast.Patterns | None = None

    def record_fields(self) -> list[str]:
        """The fields of records that `sort` and `fields` name."""
        sorted_by = [key.name for key in self.sort.keys] if self.sort else []
        return (
            [*sorted_by, *(name for name in self.fields.names if name not in _OF_RECORDS)]
            if self.fields
            else sorted_by
        )


def take_stages(stages: Sequence[ast.Stage], allowed: tuple[type[ast.Stage], ...], endpoint: str) -> Stages:
    """The stages, when `endpoint` takes them all; a problem that says where to go otherwise.

    The parser saw to it that each is there once at most, in an order that makes sense.
    """
    found: dict[str, Any] = {}
    for stage in stages:
        name = _NAMES[type(stage)]
        if type(stage) not in allowed:
            detail = f"{endpoint} does not take `| {name}`; {_ADVICE[type(stage)]}."
            raise ProblemError(400, detail, {"stage": name})
        found[name] = stage
    return Stages(**found)


def project(records: Sequence[StoredRecord], names: Sequence[str], store_id: str) -> list[dict[str, Any]]:
    """Records with these fields only, in this order; null where a record lacks one."""
    return [{name: _shown(one, name, store_id) for name in names} for one in records]


def _shown(stored: StoredRecord, name: str, store_id: str) -> Any:
    if name == "id":
        return record_id(store_id, stored.seq)
    if name == "attributes":
        return stored.record.attributes
    value = value_of(stored, name)
    return print_instant(value) if name in CORE_TIMES else value


def time_columns(stats: ast.Stats) -> list[int]:
    """The columns of a table that hold instants."""
    groups = [isinstance(one, ast.Bin) or one.field in CORE_TIMES for one in stats.by]
    values = [one.field in CORE_TIMES and one.function in _TIME_AGGREGATES for one in stats.aggregates]
    return [at for at, is_time in enumerate(groups + values) if is_time]


def column_index(columns: Sequence[str], name: str) -> int:
    """Where a column stands; a problem that names those there are when it is none."""
    if name not in columns:
        raise ProblemError(
            400, f"The table has no column {name!r}; it has {', '.join(columns)}.", {"columns": list(columns)}
        )
    return columns.index(name)
