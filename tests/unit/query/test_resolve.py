"""What times and patterns become, and the range that a filter demands."""

import pytest

from tamis.errors import QueryError
from tamis.query.ast import And, Compare, Filter, Not, Or, Pattern, Phrase, Query, Range, Shapes, TimeRange
from tamis.query.parser import parse
from tamis.query.resolve import narrow, resolve

NOW = 1_763_719_200 * 10**9
H = 3_600 * 10**9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("_time:-1h", TimeRange(NOW - H, None)),
        ("_time:[-2h TO -1h]", TimeRange(NOW - 2 * H, NOW - H)),
        ("_time:[* TO *]", TimeRange(None, None)),
        ("timestamp>=now", TimeRange(NOW, None)),
        ("timestamp>now", TimeRange(NOW + 1, None)),
        ("timestamp<now", TimeRange(None, NOW)),
        ("timestamp<=now", TimeRange(None, NOW + 1)),
        ("timestamp:[-1h TO now]", TimeRange(NOW - H, NOW + 1)),
        ("timestamp:{-1h TO now}", TimeRange(NOW - H + 1, NOW)),
        ("timestamp:[* TO now}", TimeRange(None, NOW)),
        ("received>-1h", Compare("received", ">", "2025-11-21T09:00:00Z")),
        ("received:{-1h TO *]", Range("received", "2025-11-21T09:00:00Z", None, False, True)),
        ("pattern:p_3f9a", Shapes(frozenset({0x3F9A}))),
        ("NOT (_time:now OR a)", Not(Or((TimeRange(NOW, None), Phrase("message", "a"))))),
        ("x>=-1h", Compare("x", ">=", "-1h")),
    ],
)
def test_times_and_patterns_are_made_absolute(text: str, expected: Filter) -> None:
    """Wherever they stand; all else stays as it is."""
    assert resolve(parse(text), NOW).filter == expected


def test_what_is_no_pattern_is_an_error() -> None:
    """Also in a query that no parser has seen."""
    with pytest.raises(QueryError):
        resolve(Query(Pattern("x")), NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", (None, None)),
        ("_time:[-2h TO -1h]", (NOW - 2 * H, NOW - H)),
        ("a _time:-2h _time:[-3h TO -1h]", (NOW - 2 * H, NOW - H)),
        ("_time:-2h OR a", (None, None)),
        ("NOT _time:-2h", (None, None)),
        ("a NOT b", (None, None)),
    ],
)
def test_a_filter_narrows_to_the_range_it_demands(text: str, expected: tuple[int | None, int | None]) -> None:
    """Only what must hold for every record found counts."""
    assert narrow(resolve(parse(text), NOW).filter) == expected


def test_narrowing_keeps_to_the_bounds_given() -> None:
    """A range never grows."""
    inner = And((TimeRange(5, 50), Phrase("message", "a")))
    assert narrow(inner, (10, None)) == (10, 50)
    assert narrow(inner, (None, 20)) == (5, 20)
