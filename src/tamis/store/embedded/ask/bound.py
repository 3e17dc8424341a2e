"""Numbers and bounds in SQL: exactly what `query.scalar` says, also where doubles are not exact."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from tamis.query.ast import Compare, Exact, Phrase, Range
from tamis.query.scalar import range_ends
from tamis.query.times import parse_instant
from tamis.query.values import NUMBER_CHARS_MAX, Number, as_float, number_of

NUMBER_PATTERN = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1

TRUE, FALSE = "TRUE", "FALSE"

Ends = tuple[tuple[str, str], ...]
"""Comparisons that must hold together: (operator, bound as written)."""


def ends_of(leaf: Compare | Range) -> Ends:
    """The comparisons of a leaf."""
    return ((leaf.operator, leaf.value),) if isinstance(leaf, Compare) else range_ends(leaf)


def instant_sql(column: str, operator: str, instant_ns: int) -> str:
    """A comparison of a column of instants."""
    return f"{column} {operator} make_timestamp_ns({instant_ns:d})"


def time_ends_sql(column: str, ends: Ends) -> str:
    """Comparisons of a column of instants with times as written."""
    return _all(instant_sql(column, operator, parse_instant(text, None)) for operator, text in ends)


def text_ends_sql(column: str, ends: Ends, add: Callable[[Any], str], *, core: bool) -> str:
    """Comparisons of a column of texts: by number where bound and text are numbers, else by code points.

    Texts of `core` fields that are no numbers are compared with a number as texts; others do not match it.
    """
    terms = []
    for operator, text in ends:
        number = number_of(text)
        as_text = f"{quoted(column)} {operator} {add(text)}"
        if number is None:
            terms.append(as_text)
            continue
        by_number = f"{text_as_double(column)} {operator} {_double(as_float(number))}"
        other = as_text if core else FALSE
        terms.append(f"(CASE WHEN {_is_number(column)} THEN {by_number} ELSE {other} END)")
    return _all(terms)


def number_ends_sql(column: str, kind: str, ends: Ends) -> str:
    """Comparisons of a column of numbers."""
    compare = _int_bound if kind == "i" else _double_bound
    terms = []
    for operator, text in ends:
        number = number_of(text)
        terms.append(FALSE if number is None else compare(quoted(column), operator, number))
    return FALSE if FALSE in terms else _all(terms)


def number_equal_sql(column: str, kind: str, leaf: Phrase | Exact) -> str:
    """A column of numbers equal to the number that the leaf's text says."""
    number = equal_number(kind, leaf.text)
    if number is None:
        return FALSE
    return (
        f"{quoted(column)} = {number:d}"
        if isinstance(number, int)
        else f"{quoted(column)} = {_double(number)}"
    )


def equal_number(kind: str, text: str) -> Number | None:
    """The number of the column's kind that a text says exactly; None: no value of the column is equal to it."""
    number = number_of(text)
    if number is None:
        return None
    if kind == "i":
        whole = int(number)
        return whole if whole == number and _INT64_MIN <= whole <= _INT64_MAX else None
    nearest = as_float(number)
    return nearest if nearest == number else None


def text_equal_sql(column: str, text: str) -> str:
    """A column of texts that say the same number; FALSE when `text` says none."""
    number = number_of(text)
    return FALSE if number is None else f"{text_as_double(column)} = {_double(as_float(number))}"


def text_as_double(column: str) -> str:
    """A text as the number it says, NULL when it says none (`query.values.number_of`)."""
    return f"(CASE WHEN {_is_number(column)} THEN TRY_CAST({quoted(column)} AS DOUBLE) END)"


def _is_number(column: str) -> str:
    name = quoted(column)
    return (
        f"(length({name}) <= {NUMBER_CHARS_MAX} AND regexp_full_match({name}, '{NUMBER_PATTERN}') "
        f"AND COALESCE(isfinite(TRY_CAST({name} AS DOUBLE)), FALSE))"
    )


def _int_bound(column: str, operator: str, number: Number) -> str:
    found = int_bound(operator, number)
    if isinstance(found, bool):
        return f"{column} IS NOT NULL" if found else FALSE
    return f"{column} {operator} {found:d}"


def int_bound(operator: str, number: Number) -> int | bool:
    """What integers of 64 bits are compared with by the same operator; whether all of them hold, or none."""
    if isinstance(number, float):
        number = math.floor(number) if operator in (">", "<=") else math.ceil(number)
    if not _INT64_MIN <= number <= _INT64_MAX:
        return (number < 0) == operator.startswith(">")
    return number


def _double_bound(column: str, operator: str, number: Number) -> str:
    operator, nearest = double_bound(operator, number)
    return f"{column} {operator} {_double(nearest)}"


def double_bound(operator: str, number: Number) -> tuple[str, float]:
    """What doubles are compared with, and how: none lies between an integer and the double nearest to it."""
    nearest = as_float(number)
    if nearest < number:
        return ">" if operator.startswith(">") else "<=", nearest
    if nearest > number:
        return ">=" if operator.startswith(">") else "<", nearest
    return operator, nearest


def _double(number: float) -> str:
    return f"'{number!r}'::DOUBLE"


def quoted(name: str) -> str:
    """A column's name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def _all(terms: Iterable[str]) -> str:
    joined = " AND ".join(terms)
    return f"({joined})" if joined else TRUE
