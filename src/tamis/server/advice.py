"""What an answer says about its own question: slips in the query, and fields that no record has."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import TypeVar

from tamis.errors import QueryTimeoutError, QueryTooLargeError
from tamis.query.ast import All, Filter, Query
from tamis.query.fields import ATTRIBUTES, CORE_NAMES, attribute_name
from tamis.query.hints import hints, leaves
from tamis.server.answers import Read
from tamis.store.base import Budget, Question, Store

A = TypeVar("A", bound=Read)

ADVICE_S = 1.0
"""An empty answer does not wait longer than this for the names of the fields there are."""


def advise(answer: A, query: Query, text: str, *, store: Store, budget: Budget, is_found: bool) -> A:
    """The answer with what its reader should know of the question. `is_found`: there is something in it."""
    said = [*hints(query, text, is_found=is_found)]
    if not is_found:
        said += _unknown_fields(query.filter, store, budget)
    answer.warnings = [*answer.warnings, *said]
    return answer


def _unknown_fields(given: Filter, store: Store, budget: Budget) -> Iterator[str]:
    asked = {field: name for field in _fields(given) if (name := attribute_name(field)) is not None}
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
