"""Times: what people write, as one instant."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.record.model import INSTANT_MAX, INSTANT_MIN
from tamis.wire.times import Times, print_time, time_printer

BERLIN = ZoneInfo("Europe/Berlin")
NOW = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()) * 10**9
AT = int(datetime(2026, 11, 21, 10, tzinfo=UTC).timestamp()) * 10**9
MS, US = 123_000_000, 123_456_000

FORMS = [
    ("2026-11-21T10:00:00Z", AT),
    ("2026-11-21T10:00:00.123Z", AT + MS),
    ("2026-11-21T10:00:00,123456Z", AT + US),
    ("2026-11-21T10:00:00.123456789Z", AT + 123_456_789),
    ("2026-11-21T10:00:00.1234567891234Z", AT + 123_456_789),
    ("2026-11-21 10:00:00", AT),
    ("2026-11-21t10:00:00z", AT),
    ("2026-11-21  10:00:00", AT),
    ("2026-11-21 10:00:00,123", AT + MS),
    ("2026-11-21 10:00:00.123 UTC", AT + MS),
    ("2026-11-21 11:00:00 CET", AT),
    ("2026-11-21T12:00:00+02:00", AT),
    ("2026-11-21T15:30:00+0530", AT),
    ("2026-11-21T05:00:00-05", AT),
    ("2026-11-21T10:00", AT),
    ("2026-11-21T09:59:60Z", AT),
    ("2026-11-20T24:00:00Z", AT - 10 * 3600 * 10**9),
    ("2026-11-21", AT - 10 * 3600 * 10**9),
    ("20261121", AT - 10 * 3600 * 10**9),
    ("20261121T100000Z", AT),
    ("20261121T100000.123Z", AT + MS),
    ("20261121100000", AT),
    ("20261121 10:00:00", AT),
    ("2026/11/21 10:00:00", AT),
    ("2026.11.21 10:00:00", AT),
    ("2026-11-21-10.00.00.123456", AT + US),
    ("21/Nov/2026:10:00:00 +0000", AT),
    ("21/Nov/2026:12:00:00 +0200", AT),
    ("Nov 21 10:00:00", AT),
    ("Nov 21 10:00:00.123", AT + MS),
    ("Nov 21 2026 10:00:00", AT),
    ("I1121 10:00:00.123456", AT + US),
    ("Sat, 21 Nov 2026 10:00:00 +0000", AT),
    ("Sat, 21 Nov 2026 10:00:00 GMT", AT),
    ("21 Nov 2026 10:00:00", AT),
    ("Sat Nov 21 10:00:00 2026", AT),
    ("Sat Nov 21 10:00:00 UTC 2026", AT),
    ("Sat Nov 21 10:00:00.123456 2026", AT + US),
    ("11-21 10:00:00.123", AT + MS),
    ("1795255200", AT),
    ("1795255200.123", AT + MS),
    ("1795255200123", AT + MS),
    ("1795255200123456", AT + US),
    ("1795255200123456789", AT + 123_456_789),
    (1795255200, AT),
    (1795255200123, AT + MS),
    (1795255200123456, AT + US),
    (1795255200123456789, AT + 123_456_789),
    (1795255200.123, AT + MS),
    (1795255200123.456, AT + US),
    (0, 0),
    (-1, -(10**9)),
]  # fmt: skip

NO_TIMES = [
    "", "yesterday", "2026-13-01T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-21T25:00:00Z",
    "2026-11-21T10:61:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1" * 30, 10**19, -(10**25),
    1e300, True, "2026-11-21T10:00:00Zjunk",
    "٢٠٢٦-١١-٢١T10:00:00Z", "x" * 100_000, "NaN", "2026-02-29",
]  # fmt: skip


@pytest.mark.parametrize(("written", "instant"), FORMS)
def test_a_usual_form_is_read(written, instant):
    """Each form that logs really use is the instant it says."""
    times = Times(UTC, NOW)
    assert times.read(written) == instant
    assert times.column([written, written]) == [instant, instant]
    assert times.column([written, None]) == [instant, None]


@pytest.mark.parametrize("written", NO_TIMES, ids=lambda value: repr(value)[:30])
def test_what_is_no_time_is_none(written):
    """Nothing that is not an instant of 1677 to 2262 becomes one, and nothing raises."""
    assert Times(UTC, NOW).read(written) is None
    assert Times(UTC, NOW).column([written, "2026-11-21T10:00:00Z"]) == [None, AT]


def test_a_time_without_zone_is_in_the_zone_of_the_setting():
    """Summer and winter time of the setting's zone hold."""
    times = Times(BERLIN, NOW)
    assert times.column(["2026-11-21 11:00:00", "2026-07-01 12:00:00"]) == [
        AT,
        int(datetime(2026, 7, 1, 10, tzinfo=UTC).timestamp()) * 10**9,
    ]
    assert times.read("Nov 21 11:00:00") == AT
    assert times.read("2026-11-21T10:00:00Z") == AT


def _printed(now, written):
    instant = Times(UTC, now).read(written)
    assert instant is not None
    return print_time(instant)


def test_a_time_without_year_is_the_nearest_past():
    """December read in January is last year's; a clock that is an hour ahead is not a year behind."""
    january = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp()) * 10**9
    assert _printed(january, "Dec 31 23:00:00") == "2025-12-31T23:00:00Z"
    assert _printed(january, "Jan  2 01:00:00") == "2026-01-02T01:00:00Z"
    assert _printed(january, "Feb 29 01:00:00") == "2024-02-29T01:00:00Z"


def test_numbers_of_several_units_in_one_column_are_each_read_by_size():
    """A column that mixes seconds and milliseconds is right for both."""
    assert Times().column([1795255200, 1795255200123, 10**30]) == [AT, AT + MS, None]


@given(st.integers(INSTANT_MIN, INSTANT_MAX))
def test_printed_times_read_back(ns):
    """Every instant of int64 survives printing and reading."""
    assert Times().read(print_time(ns)) == ns
    assert time_printer()(ns) == print_time(ns)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.binary(), st.lists(st.integers())))
def test_any_value_is_read_without_error(value):
    """Whatever stands where a time should: an instant in range, or None; alone as in a column."""
    times = Times(UTC, NOW)
    instant = times.read(value)
    assert instant is None or INSTANT_MIN <= instant <= INSTANT_MAX
    assert times.column([value]) == [instant]


@given(
    st.lists(st.sampled_from([form for form, _ in FORMS] + ["nonsense", None]), max_size=6),
    st.sampled_from([UTC, ZoneInfo("UTC"), BERLIN]),
)
def test_a_column_is_read_as_its_values_are(values, zone):
    """Reading in bulk is reading one by one."""
    times = Times(zone, NOW)
    assert times.column(values) == [times.read(value) for value in values]
