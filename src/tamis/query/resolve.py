"""What a query's times and patterns mean now: `Time` becomes `TimeRange`, `Pattern` becomes `Shapes`."""

from dataclasses import replace

from tamis.errors import QueryError
from tamis.query.ast import (
    And,
    Compare,
    Filter,
    Not,
    Or,
    Pattern,
    Query,
    Range,
    Shapes,
    Time,
    TimeRange,
)
from tamis.query.fields import CORE_TIMES
from tamis.query.times import parse_instant, print_instant
from tamis.record.shape import parse_pattern_id


def resolve(query: Query, now_ns: int) -> Query:
    """The query with every time absolute and every pattern as its shapes. Raises QueryError."""
    return replace(query, filter=resolve_filter(query.filter, now_ns))


def resolve_filter(given: Filter, now_ns: int) -> Filter:
    """`resolve` for a filter alone."""
    match given:
        case And(items):
            return And(tuple(resolve_filter(item, now_ns) for item in items))
        case Or(items):
            return Or(tuple(resolve_filter(item, now_ns) for item in items))
        case Not(item):
            return Not(resolve_filter(item, now_ns))
        case Time(low, high):
            return TimeRange(_instant(low, now_ns), _instant(high, now_ns))
        case Pattern(id):
            return _shapes(id)
        case Compare(field) if field in CORE_TIMES:
            return _absolute_compare(given, now_ns)
        case Range(field) if field in CORE_TIMES:
            return _absolute_range(given, now_ns)
        case _:
            return given


def _instant(text: str | None, now_ns: int) -> int | None:
    return None if text is None else parse_instant(text, now_ns)


def _shapes(id: str) -> Shapes:
    number = parse_pattern_id(id)
    if number is None:
        raise QueryError(f"{id!r} is no pattern's id", 1, "Take one from the patterns page: pattern:p_3f9a….")
    return Shapes(frozenset([number]))


def _absolute_compare(given: Compare, now_ns: int) -> Filter:
    instant = parse_instant(given.value, now_ns)
    if given.field != "timestamp":
        return replace(given, value=print_instant(instant))
    after = instant + 1 if given.operator in (">", "<=") else instant
    return TimeRange(after, None) if given.operator in (">", ">=") else TimeRange(None, after)


def _absolute_range(given: Range, now_ns: int) -> Filter:
    low, high = _instant(given.low, now_ns), _instant(given.high, now_ns)
    if given.field == "timestamp":
        start = low if low is None or given.low_included else low + 1
        end = high if high is None or not given.high_included else high + 1
        return TimeRange(start, end)
    return replace(
        given,
        low=None if low is None else print_instant(low),
        high=None if high is None else print_instant(high),
    )


Bounds = tuple[int | None, int | None]


def narrow(given: Filter, bounds: Bounds = (None, None)) -> Bounds:
    """The narrowest (start, end) that every record of a resolved filter lies in, as far as the filter's
    outermost conditions say, and within `bounds`; None is open."""
    start, end = bounds
    match given:
        case TimeRange(first, last):
            return _latest(start, first), _earliest(end, last)
        case And(items):
            for item in items:
                start, end = narrow(item, (start, end))
    return start, end


def _latest(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)


def _earliest(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)
