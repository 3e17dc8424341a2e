"""Values: number, text, identity, order."""

from itertools import pairwise
from typing import Any

import pytest

from tamis.query.values import canonical_text, identity_key, level_bound, number_of, numeric_value, order_key


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("404", 404),
        ("-1", -1),
        ("2.5", 2.5),
        ("4.04e2", 404.0),
        ("1E+3", 1000.0),
        ("007", 7),
        (str(2**70), 2**70),
        ("9" * 300, int("9" * 300)),
        ("9" * 301, None),
        ("1e999", None),
        ("", None),
        ("1.", None),
        (".5", None),
        ("+1", None),
        (" 1", None),
        ("1 ", None),
        ("1\n", None),
        ("0x1f", None),
        ("1_000", None),
        ("٤", None),
        ("nan", None),
        ("9" * 100_000, None),
    ],
)
def test_numbers_are_texts_that_are_wholly_numbers(text: str, number: float | None) -> None:
    """ASCII digits with sign, fraction and exponent; nothing else, and nothing beyond a float's reach."""
    found = number_of(text)
    assert (found, type(found)) == (number, type(number))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (True, "true"),
        (False, "false"),
        (404, "404"),
        (5.0, "5"),
        (2.5, "2.5"),
        (-0.0, "0"),
        (1e16, "1e+16"),
        (2.0**53 - 1, "9007199254740991"),
        ([1, "a", {"b": 2, "a": 1}], '[1,"a",{"a":1,"b":2}]'),
        ({}, "{}"),
        ([2**70], "[1180591620717411303424]"),
        ({"ä": "\n"}, '{"ä":"\\n"}'),
    ],
)
def test_values_have_a_text(value: Any, text: str) -> None:
    """One text for each value; whole floats look like integers, JSON is compact with sorted keys."""
    assert canonical_text(value) == text


def test_integers_of_any_size_have_a_text() -> None:
    """Python's limit on decimal digits is not ours."""
    assert canonical_text(10**5_000).startswith("0x")


def test_values_stand_in_one_order() -> None:
    """Missing, numbers by value, texts by code points, false, true, JSON."""
    ordered = [
        None,
        -(2**70),
        -1.5,
        0,
        2,
        2.5,
        10,
        2**70,
        "",
        "10",
        "9",
        "B",
        "a",
        "ä",
        "🦉",
        False,
        True,
        [1],
        {"a": 1},
    ]
    for one, other in pairwise(ordered):
        assert order_key(one) < order_key(other), (one, other)


def test_values_are_the_same_as_json_has_it() -> None:
    """1 and 1.0 are one value; 1, "1", true and [1] are four."""
    assert identity_key(1) == identity_key(1.0)
    assert identity_key(0.0) == identity_key(-0.0)
    assert len({identity_key(value) for value in (1, 1.0, "1", True, [1], None)}) == 5
    assert identity_key({"a": 1, "b": 2}) == identity_key({"b": 2, "a": 1})
    assert identity_key(2**53 + 1) != identity_key(float(2**53))


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), (2.5, 2.5), ("5", 5.0), ("x", None), (True, None), ([1], None), (None, None)],
)
def test_numeric_values(value: Any, number: float | None) -> None:
    """Numbers, and texts that are numbers as floats; a boolean is none."""
    found = numeric_value(value)
    assert (found, type(found)) == (number, type(number))


@pytest.mark.parametrize(
    ("text", "severity"),
    [("warning", 13), ("warn", 13), ("ERROR2", 18), ("17", 17), ("12.5", 12.5), ("custom", None)],
)
def test_bounds_of_levels(text: str, severity: float | None) -> None:
    """A name is its severity, a number itself, another word nothing."""
    assert level_bound(text) == severity
