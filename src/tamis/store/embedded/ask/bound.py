"""Numbers and bounds in SQL, exact where doubles are not."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from tamis.query.ast import Compare, Exact, Phrase, Range
from tamis.query.match import match
from tamis.query.times import parse_instant
from tamis.query.values import number_of
from tamis.record.model import Record
from tamis.store.embedded.ask.fields import FieldColumn

NUMBER_PATTERN = r"-?\d+(\.\d+)?([eE][+-]?\d+)?"
_EXACT_MAX = 2**53
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1

Number = int | float


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a Compare or a Range allows: (operator, text) for each end that is closed."""

    ends: tuple[tuple[str, str], ...]

    FLIPPED: ClassVar[dict[str, str]] = {">": "<", "<": ">"}

    @property
    def numeric(self) -> bool:
        """Whether an end is a number: then only numbers can match."""
        return any(number_of(text) is not None for _, text in self.ends)

    def time_sql(self, column: str) -> str:
        """The bounds on a column of instants."""
        return _all(self.instant_sql(column, operator, parse_instant(text, 0)) for operator, text in self.ends)

    @staticmethod
    def instant_sql(column: str, operator: str, instant_ns: int) -> str:
        """One bound on a column of instants."""
        return f"{column} {operator} make_timestamp_ns({instant_ns:d})"

    def text_sql(self, column: str, add: Callable[[Any], str]) -> str:
        """The bounds on a column of texts, by code points."""
        return _all(f"{_quoted(column)} {operator} {add(text)}" for operator, text in self.ends)

    def text_number_sql(self, column: str) -> str | None:
        """The bounds on texts that are numbers; None when doubles cannot tell."""
        terms = [_double_bound(_as_double(column), operator, number_of(text)) for operator, text in self.ends]
        return None if None in terms else _all(term for term in terms if term is not None)

    def number_sql(self, column: str, kind: str) -> str | None:
        """The bounds on a column of numbers; None when doubles cannot tell."""
        bound = _int_bound if kind == "i" else _double_bound
        terms = [bound(_quoted(column), operator, number_of(text)) for operator, text in self.ends]
        return None if None in terms else _all(term for term in terms if term is not None)


def bounds_of_leaf(leaf: Compare | Range) -> Bounds:
    """The ends of a leaf."""
    if isinstance(leaf, Compare):
        return Bounds(((leaf.operator, leaf.value),))
    ends = []
    if leaf.low is not None:
        ends.append((">=" if leaf.low_included else ">", leaf.low))
    if leaf.high is not None:
        ends.append(("<=" if leaf.high_included else "<", leaf.high))
    return Bounds(tuple(ends))


def numeric_sql(leaf: Any, column: FieldColumn) -> str | None:
    """A leaf on a column of numbers; None when `query.match` has to decide."""
    if isinstance(leaf, (Compare, Range)):
        bounds = bounds_of_leaf(leaf)
        if not all(number_of(text) is not None for _, text in bounds.ends):
            return None
        return bounds.number_sql(column.name, column.kind)
    if isinstance(leaf, (Phrase, Exact)):
        return _equal_sql(leaf, column)
    return None


def _equal_sql(leaf: Phrase | Exact, column: FieldColumn) -> str | None:
    number = number_of(leaf.text)
    if number is None:
        return "FALSE" if isinstance(leaf, Phrase) and _has_token_of_no_number(leaf) else None
    if abs(number) > _EXACT_MAX or (isinstance(number, float) and not math.isfinite(number)):
        return None
    if column.kind == "i" and number != int(number):
        return "FALSE"
    value = f"{int(number)}" if column.kind == "i" else f"{float(number)!r}::DOUBLE"
    return f"{_quoted(column.name)} = {value}"


def _has_token_of_no_number(leaf: Phrase) -> bool:
    """Whether a text that is no number can be told from every number at once: by one of its letters."""
    return any(char.isalnum() and char not in "0123456789eE" for char in leaf.text)


def text_number_sql(leaf: Any, column: FieldColumn, add: Callable[[Any], str]) -> str | None:
    """For an equality leaf whose text is a number: attribute texts that are the same number."""
    if not isinstance(leaf, (Phrase, Exact)):
        return None
    number = number_of(leaf.text)
    if number is None or not match(leaf, _text_record(leaf.field, number)):
        return None
    if abs(number) > _EXACT_MAX:
        return None
    return f"{_as_double(column.name)} = {float(number)!r}::DOUBLE"


def _text_record(field: str, number: Number) -> Record:
    """A record whose field is the number as a text in another spelling."""
    return Record(timestamp=0, attributes={field.removeprefix("attributes."): f"{float(number)!r}"})


def _int_bound(column: str, operator: str, number: Number | None) -> str | None:
    if number is None:
        return None
    if isinstance(number, float):
        if not math.isfinite(number):
            return None
        operator, number = _whole_bound(operator, number)
    if not _INT64_MIN <= number <= _INT64_MAX:
        return "TRUE" if (number < 0) == operator.startswith(">") else "FALSE"
    return f"{column} {operator} {number:d}"


def _whole_bound(operator: str, number: float) -> tuple[str, int]:
    """The same bound for integers, between which the number may lie."""
    if operator in (">", "<="):
        return operator, math.floor(number)
    return operator, math.ceil(number)


def _double_bound(sql: str, operator: str, number: Number | None) -> str | None:
    if number is None or abs(number) > _EXACT_MAX and isinstance(number, int) or not math.isfinite(number):
        return None
    return f"{sql} {operator} {float(number)!r}::DOUBLE"


def _as_double(column: str) -> str:
    name = _quoted(column)
    return f"(CASE WHEN regexp_full_match({name}, '{NUMBER_PATTERN}') THEN TRY_CAST({name} AS DOUBLE) END)"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _all(terms: Any) -> str:
    joined = " AND ".join(terms)
    return f"({joined})" if joined else "TRUE"
