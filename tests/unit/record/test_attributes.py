"""Attributes are made safe and bounded, and found by name."""

import math

from hypothesis import given
from hypothesis import strategies as st

from tamis.record.attributes import CUT_MARK, DEEP_MARK, AttributeLimits, safe_attributes, values_at


class Bad:
    """An object whose text cannot be had."""

    def __str__(self) -> str:
        raise ValueError


def test_what_json_cannot_carry_becomes_text() -> None:
    """NaN, infinity, bytes, lone surrogates and objects without text are kept as text; None is absent."""
    given_values = {
        "n": math.nan,
        "i": -math.inf,
        "b": b"\xff",
        "s": "\ud800",
        "o": Bad(),
        7: 1,
        "none": None,
    }
    safe = safe_attributes(given_values)
    assert safe == {"n": "nan", "i": "-inf", "b": "\ufffd", "s": "\\ud800", "o": "[Bad without text]", "7": 1}


def test_cycles_depth_and_size_end_in_a_mark() -> None:
    """Whatever is over a limit is cut and says so."""
    cycle: dict[object, object] = {}
    cycle["again"] = cycle
    assert safe_attributes(cycle, AttributeLimits(depth_max=1)) == {"again": {"again": DEEP_MARK}}
    assert safe_attributes({"a": [1, 2, 3]}, AttributeLimits(items_max=2)) == {"a": [1, CUT_MARK]}
    assert safe_attributes({"a": "long text"}, AttributeLimits(text_chars_max=4)) == {"a": "long" + CUT_MARK}


def test_a_name_finds_dotted_keys_and_nested_objects() -> None:
    """Both ways of writing a path are addressed by one name."""
    assert list(values_at({"a.b": 1, "a": {"b": 2}}, "a.b")) == [1, 2]
    assert list(values_at({"a": {"b.c": 3}}, "a.b.c")) == [3]
    assert list(values_at({"a": 1}, "a.b")) == []


@given(st.recursive(st.none() | st.floats() | st.text() | st.binary() | st.integers(), st.lists))
def test_anything_is_made_safe(value: object) -> None:
    """No value raises, and every text that comes out can be written as UTF-8."""
    str(safe_attributes({"x": value})).encode()
