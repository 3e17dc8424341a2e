"""What an answer says about its own question: slips in the query, and fields that no record has."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from tamis.errors import QueryTimeoutError, QueryTooLargeError
from tamis.query.ast import All, By, Filter, Query, Stats
from tamis.query.fields import ATTRIBUTES, CORE_NAMES, attribute_name, value_of
from tamis.query.hints import hints, leaves
from tamis.record.model import StoredRecord
from tamis.server.questions.answers import Read
from tamis.store.base import Budget, Question, Store

A = TypeVar("A", bound=Read)

ADVICE_S = 1.0
"""An answer does not wait longer than this for the names of the fields there are."""
LOOKED_AT_MAX = 100
"""So many records of a page are looked into for a field; the names of all fields decide in the end."""


def advise(
    answer: A,
    query: Query,
    text: str,
    *,
    store: Store,
    budget: Budget,
    is_found: bool,
    unseen: Iterable[str] = (),
) -> A:
    """The answer with what its reader should know of the question. `is_found`: there is something in it.
    `unseen` are fields asked for, outside of the filter, of which the answer has no value."""
    said = [*hints(query, text, is_found=is_found)]
    said += _unknown_fields([*(() if is_found else _fields(query.filter)), *unseen], store, budget)
    answer.warnings = [*answer.warnings, *said]
    return answer


def unseen_in_table(stats: Stats, rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Fields of `stats` that no row says anything of."""
    for at, group in enumerate(stats.by):
        if isinstance(group, By) and all(row[at] is None for row in rows):
            yield group.field
    for at, aggregate in enumerate(stats.aggregates, len(stats.by)):
        if aggregate.field is not None and not any(
            _says_something(row[at], aggregate.function) for row in rows
        ):
            yield aggregate.field


def _says_something(value: Any, function: str) -> object:
    return value if function in ("count", "count_distinct") else value is not None


def unseen_in_records(names: Iterable[str], records: Sequence[StoredRecord]) -> Iterator[str]:
    """Those of the fields that the first records lack."""
    looked_at = records[:LOOKED_AT_MAX]
    for name in names:
        if not any(value_of(stored, name) is not None for stored in looked_at):
            yield name


def _unknown_fields(fields: Iterable[str], store: Store, budget: Budget) -> Iterator[str]:
    asked = {field: name for field in fields if (name := attribute_name(field)) is not None}
    if not asked:
        return
    try:
        listed = [one.name for one in store.fields(Question(All()), _part_of(budget)).fields]
    except (QueryTimeoutError, QueryTooLargeError):
        return
    known = {name for one in listed if (name := attribute_name(one)) is not None}
    for field, name in asked.items() if listed else ():
        if name not in known and not any(one.startswith(f"{name}.") for one in known):
            prefixed = {ATTRIBUTES + one for one in known} if field.startswith(ATTRIBUTES) else set()
            yield f"no record has a field {field}{_nearest(field, prefixed or {*listed, *CORE_NAMES})}"


def _fields(given: Filter) -> dict[str, None]:
    return {field: None for leaf in leaves(given) if (field := getattr(leaf, "field", None)) is not None}


def _part_of(budget: Budget) -> Budget:
    """A short time, within that of the question, and called off with it."""
    part = Budget(min(ADVICE_S, budget.remaining_s()))
    part.cancelled = budget.cancelled
    return part


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
