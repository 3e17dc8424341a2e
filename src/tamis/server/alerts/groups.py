"""Groups of a rule's records: their labels, their keys, and the filter that finds one again."""

from collections.abc import Sequence
from typing import Any

from tamis.query.ast import All, And, Exact, Exists, Filter, Not
from tamis.query.values import INTEGRAL_MAX, canonical_json, canonical_text

ALL = "[]"
"""The key of the one group of a rule that tells none apart."""


def plain(value: Any) -> Any:
    """A value as a label: 1.0 is 1."""
    if isinstance(value, float) and value.is_integer() and abs(value) < INTEGRAL_MAX:
        return int(value)
    return value


def key_of(values: Sequence[Any]) -> str:
    """The name of a group among those of its rule: equal for equal values."""
    return canonical_json([plain(value) for value in values])


def labels_of(fields: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """What is common to the records of a group."""
    return dict(zip(fields, map(plain, values), strict=True))


def narrowed(found: Filter, labels: dict[str, Any]) -> Filter:
    """The filter, for the records of one group."""
    for field, value in labels.items():
        found = both(found, _leaf(field, value))
    return found


def both(one: Filter, other: Filter) -> Filter:
    """What meets both filters."""
    items = [
        item
        for term in (one, other)
        if not isinstance(term, All)
        for item in (term.items if isinstance(term, And) else (term,))
    ]
    if len(items) < 2:
        return items[0] if items else All()
    return And(tuple(items))


def _leaf(field: str, value: Any) -> Filter:
    if value is None:
        return Not(Exists(field))
    if isinstance(value, list | dict):
        return Exists(field)
    return Exact(field, canonical_text(value))


def print_labels(labels: dict[str, Any]) -> str:
    """On one line: ``service=shop, status=500``."""
    return ", ".join(
        f"{field}={'-' if value is None else canonical_text(value)}" for field, value in labels.items()
    )
