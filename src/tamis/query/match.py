"""The meaning of the language: whether a record is what a filter asks for.

Filters in the application, decisions over shapes and the tests of every store go by this one.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias, assert_never

from tamis.errors import QueryError
from tamis.query.ast import (
    All,
    And,
    Compare,
    Exact,
    Exists,
    Filter,
    Not,
    Or,
    Pattern,
    Phrase,
    Prefix,
    Range,
    Regex,
    Shapes,
    Substring,
    Time,
    TimeRange,
)
from tamis.query.fields import values_of
from tamis.query.scalar import Test, scalar_test
from tamis.record.model import Record, StoredRecord
from tamis.record.shape import shape, shape_id

Matcher: TypeAlias = Callable[[StoredRecord], bool]

_SHAPES_REMEMBERED_MAX = 65_536


def match(filter: Filter, record: Record, *, received: int = 0) -> bool:
    """Whether a record is meant. For many records of one filter, `compile_match` once."""
    return compile_match(filter)(StoredRecord(seq=0, received=received, record=record))


def compile_match(filter: Filter) -> Matcher:
    """A filter as a function of a record. Raises QueryError when `resolve.resolve` has not rewritten it."""
    match filter:
        case All():
            return lambda _: True
        case And(items):
            return _all([compile_match(item) for item in items])
        case Or(items):
            return _any([compile_match(item) for item in items])
        case Not(item):
            inner = compile_match(item)
            return lambda stored: not inner(stored)
        case TimeRange(start, end):
            return _in_time(start, end)
        case Shapes(ids):
            return lambda stored: message_shape_id(stored.record.message) in ids
        case Exists(field):
            return lambda stored: any(True for _ in values_of(stored, field))
        case Phrase() | Prefix() | Substring() | Exact() | Regex() | Compare() | Range():
            return _has_value(filter.field, scalar_test(filter))
        case Time() | Pattern():
            raise QueryError("relative times and patterns are resolved before records are matched", 1)
        case _:
            assert_never(filter)


@lru_cache(maxsize=_SHAPES_REMEMBERED_MAX)
def message_shape_id(message: str) -> int:
    """The number of a message's shape."""
    return shape_id(shape(message))


def _all(tests: list[Matcher]) -> Matcher:
    return lambda stored: all(test(stored) for test in tests)


def _any(tests: list[Matcher]) -> Matcher:
    return lambda stored: any(test(stored) for test in tests)


def _in_time(start: int | None, end: int | None) -> Matcher:
    def test(stored: StoredRecord) -> bool:
        stamp = stored.record.timestamp
        return (start is None or start <= stamp) and (end is None or stamp < end)

    return test


def _has_value(field: str, test: Test) -> Matcher:
    return lambda stored: any(_holds(value, test) for value in values_of(stored, field))


def _holds(value: Any, test: Test) -> bool:
    """Whether a value, or any element of a list, meets the test; objects meet none."""
    if isinstance(value, list):
        return any(_holds(item, test) for item in value)
    if value is None or isinstance(value, dict):
        return False
    return test(value)
