"""Values: their text, their number, which are the same, and in which order they stand."""

import re
from typing import Any, TypeAlias

import msgspec

from tamis.record.severity import severity

Number: TypeAlias = int | float

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
NUMBER_CHARS_MAX = 300
"""A longer text is no number: what is shorter fits a float64, unless its exponent is too large."""

INTEGRAL_MAX = 1 << 53
"""Floats below it that have no fraction are written as integers: every one of them is exact."""

SEVERITY_MAX = 24


def number_of(text: str) -> Number | None:
    """The number a text says, wholly: an int without point and exponent, else a finite float; else None."""
    if len(text) > NUMBER_CHARS_MAX:
        return None
    found = NUMBER.fullmatch(text)
    if found is None:
        return None
    if found[1] is None and found[2] is None:
        return int(text)
    value = float(text)
    return None if value in (float("inf"), float("-inf")) else value


def as_float(number: Number) -> float:
    """A number as float64; integers beyond it become infinite."""
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def numeric_value(value: Any) -> Number | None:
    """What aggregates and ranges count with: a number, or a text that is one as float64; else None."""
    if isinstance(value, str):
        number = number_of(value)
        return None if number is None else as_float(number)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value


def level_bound(text: str) -> Number | None:
    """The severity that a bound of `level` means: the name's, or the number itself (OpenTelemetry's 1-24).

    None when it is neither.
    """
    number = number_of(text)
    if number is not None:
        return number
    return severity(text) or None


def canonical_text(value: Any) -> str:
    """A value as text: text itself, ``true``, ``404``, ``2.5``, ``5`` for 5.0, compact JSON of the rest."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _digits(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < INTEGRAL_MAX else repr(value)
    return canonical_json(value)


def canonical_json(value: Any) -> str:
    """Compact JSON with sorted keys: equal values have equal texts."""
    try:
        return msgspec.json.encode(value, order="deterministic").decode()
    except (msgspec.MsgspecError, OverflowError, UnicodeEncodeError):
        return _slow_json(value)


def _slow_json(value: Any) -> str:
    """JSON for what msgspec refuses: integers over 64 bits, lone surrogates."""
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{canonical_json(k)}:{canonical_json(v)}" for k, v in sorted(value.items())) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(canonical_json, value)) + "]"
    if isinstance(value, int):
        return _digits(value)
    return msgspec.json.encode(str(value).encode("utf-8", "backslashreplace").decode()).decode()


def _digits(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # Python refuses decimal digits of integers over 4,300 digits
        return hex(number)


def order_key(value: Any) -> tuple[Any, ...]:
    """Where a value stands among all types: None, numbers, texts by code points, false, true, JSON."""
    if type(value) is str:  # the usual one
        return (2, value)
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (3, value)
    if isinstance(value, (int, float)):
        return (1, value)
    if isinstance(value, str):
        return (2, value)
    return (4, canonical_json(value))


def identity_key(value: Any) -> tuple[Any, ...]:
    """Equal for values that are the same: 1 and 1.0 are; 1, "1" and true are three. Hashable."""
    return order_key(value)
