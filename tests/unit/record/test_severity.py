"""One scale for the names and numbers that people use."""

import pytest

from tamis.record.severity import (
    LEVEL_CHARS_MAX,
    canonical_level,
    level_of_number,
    level_of_otel,
    level_of_python,
    level_of_syslog,
    severity,
)


@pytest.mark.parametrize(
    ("given", "level", "number"),
    [
        ("warn", "WARNING", 13),
        (" Err ", "ERROR", 17),
        ("fatal", "CRITICAL", 21),
        ("I", "INFO", 9),
        ("notice", "NOTICE", 10),
        ("trace3", "TRACE3", 3),
        ("odd", "ODD", 0),
        ("x" * 100, "X" * LEVEL_CHARS_MAX, 0),
    ],
)
def test_names_have_one_form_and_a_number(given: str, level: str, number: int) -> None:
    """Aliases become the usual name; names that nobody knows keep their letters and have no severity."""
    assert (canonical_level(given), severity(given)) == (level, number)


def test_opentelemetry_numbers_come_back() -> None:
    """Each of the 24 numbers has a name of its own, with that severity; others have none."""
    assert [severity(level_of_otel(number) or "") for number in range(1, 25)] == list(range(1, 25))
    assert level_of_otel(0) is None
    assert level_of_otel(25) is None


def test_numbers_are_read_by_their_scale() -> None:
    """0-7 are syslog's, multiples of ten Python's, the rest OpenTelemetry's."""
    assert [level_of_syslog(0), level_of_syslog(7), level_of_syslog(8)] == ["EMERGENCY", "DEBUG", None]
    assert [level_of_python(30), level_of_python(35), level_of_python(1)] == ["WARNING", "WARNING", None]
    assert [level_of_number(number) for number in (3, 40, 17, -1)] == ["ERROR", "ERROR", "ERROR", None]
