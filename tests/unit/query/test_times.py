"""Instants and durations, read and printed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.errors import QueryError
from tamis.query.times import INT64_MAX, INT64_MIN, parse_duration, parse_instant, print_instant

S = 10**9
NOW = 1_763_719_200 * S


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-11-21T10:00:00Z", NOW),
        ("2025-11-21t10:00:00z", NOW),
        ("2025-11-21 10:00:00", NOW),
        ("2025-11-21T10:00", NOW),
        ("2025-11-21", NOW - 10 * 3_600 * S),
        ("2025-11-21T12:00:00+02:00", NOW),
        ("2025-11-21T12:00:00 02:00", NOW),
        ("2025-11-21T07:30:00-0230", NOW),
        ("2025-11-21T10:00:00.5Z", NOW + S // 2),
        ("2025-11-21T10:00:00,123456789Z", NOW + 123_456_789),
        ("2025-11-21T10:00:00.1234567899Z", NOW + 123_456_789),
        ("2016-12-31T23:59:60Z", 1_483_228_800 * S),
        ("1763719200", NOW),
        ("1763719200.25", NOW + S // 4),
        ("1763719200000", NOW),
        ("1763719200000000", NOW),
        ("1763719200000000001", NOW + 1),
        ("0", 0),
        ("1969-12-31T23:59:59Z", -S),
        ("now", NOW),
        ("-15m", NOW - 900 * S),
        ("+5s", NOW + 5 * S),
        ("now-1h30m", NOW - 5_400 * S),
        ("-1.5h", NOW - 5_400 * S),
        ("-1w2d", NOW - 9 * 86_400 * S),
        (" -1ns ", NOW - 1),
    ],
)
def test_instants_are_read(text: str, expected: int) -> None:
    """RFC 3339, dates, epoch numbers by size, and times relative to now."""
    assert parse_instant(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a time"),
        ("yesterday", "Write 2026-11-21T10:00:00Z"),
        ("15m", "Did you mean -15m"),
        ("-15", "no unit"),
        ("-15 parsecs", "not a duration"),
        ("2026-02-30", "no such day"),
        ("2026-02-03T24:00:00", "no such time of day"),
        ("1600-01-01", "1677 to 2262"),
        ("9" * 25, "1677 to 2262"),
        ("x" * 10_000, "…"),
        ("-999999999999999999w", "1677 to 2262"),
    ],
)
def test_wrong_instants_are_named(text: str, said: str) -> None:
    """The error names the text and what to write."""
    with pytest.raises(QueryError, match=said):
        parse_instant(text, NOW)


def test_without_a_now_nothing_is_relative() -> None:
    """A relative time is not taken for one of 1970."""
    with pytest.raises(QueryError, match="relative"):
        parse_instant("-15m", None)
    assert parse_instant("1763719200", None) == NOW


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5m", 300 * S),
        ("1h30m", 5_400 * S),
        ("250ms", S // 4),
        ("1.5s", 3 * S // 2),
        ("7ns", 7),
        ("2µs", 2_000),
    ],
)
def test_durations_are_read(text: str, expected: int) -> None:
    """A number and a unit, once or more."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "5y", "1h 30m", "٥m"])
def test_wrong_durations_are_errors(text: str) -> None:
    """What is no duration is a QueryError."""
    with pytest.raises(QueryError):
        parse_duration(text)


@given(st.integers(INT64_MIN, INT64_MAX))
def test_printed_instants_read_back(ns: int) -> None:
    """Every instant that can be stored has a text that means exactly it."""
    assert parse_instant(print_instant(ns), None) == ns


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (NOW, "2025-11-21T10:00:00Z"),
        (NOW + 120_000_000, "2025-11-21T10:00:00.120Z"),
        (NOW + 1_000, "2025-11-21T10:00:00.000001Z"),
        (NOW + 1, "2025-11-21T10:00:00.000000001Z"),
    ],
)
def test_instants_print_as_many_digits_as_needed(ns: int, text: str) -> None:
    """None, three, six or nine."""
    assert print_instant(ns) == text
