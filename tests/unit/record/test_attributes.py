"""Attributes are made safe and bounded, and found by name."""

import math
from typing import NamedTuple, NoReturn

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


class Lazy:
    """Says what class it is only by doing what may fail, as lazy objects of frameworks do."""

    @property  # type: ignore[misc]  # that it is no class is the point
    def __class__(self) -> type:
        raise RuntimeError("not now")


class Locked(dict[str, int]):
    """A mapping that nobody may look into."""

    def items(self) -> NoReturn:
        raise RuntimeError


class Odd(str):
    """A text that says other things of itself."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


class Login(NamedTuple):
    user: str
    password: str


def test_one_bad_value_costs_nothing_but_itself() -> None:
    """Values whose classes fail in other places than `__str__` end in a mark; a text's subclass is its text."""
    safe = safe_attributes({"lazy": Lazy(), "in": [Locked(a=1), 2], "odd": Odd("ab"), Odd("key"): 1})
    assert safe == {
        "lazy": "[Lazy without text]",
        "in": ["[Locked without text]", 2],
        "odd": "ab",
        "key": 1,
    }
    assert {type(value) for value in (*safe, safe["odd"])} == {str}


def test_named_tuples_keep_their_names() -> None:
    """What is redacted by name is found in them."""
    safe = safe_attributes({"login": Login("ann", "hunter2")})
    assert safe == {"login": {"user": "ann", "password": "hunter2"}}
