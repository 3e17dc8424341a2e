"""Attributes made safe and bounded, and found again by name."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Value = str | int | float | bool | list["Value"] | dict[str, "Value"]
"""What an attribute holds. None is absent, wherever it stands."""


@dataclass(frozen=True, slots=True)
class AttributeLimits:
    """How much one record's attributes may hold; what is over is cut and marked."""

    depth_max: int = 16
    items_max: int = 1_000
    key_chars_max: int = 512
    text_chars_max: int = 1 << 20


DEFAULT_LIMITS = AttributeLimits()
INT_BITS_MAX = 14_000
"""Longer integers Python does not print (`sys.set_int_max_str_digits`)."""
CUT_MARK = "…[cut]"
DEEP_MARK = "[too deep]"


_NAME_OF = type.__dict__["__name__"].__get__


def kind_name(value: object) -> str:
    """The name of a value's class, whatever its metaclass says of that."""
    name: str = _NAME_OF(type(value))
    return name


class _Budget:
    """Items left for one record."""

    __slots__ = ("left",)

    def __init__(self, items: int) -> None:
        self.left = items


def safe_text(text: str, chars_max: int = DEFAULT_LIMITS.text_chars_max) -> str:
    """Text that UTF-8 can carry and that has a bound; lone surrogates become ``\\udXXX`` escapes."""
    if len(text) > chars_max:
        text = text[:chars_max] + CUT_MARK
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text


def safe_attributes(
    given: Mapping[object, object], limits: AttributeLimits = DEFAULT_LIMITS
) -> dict[str, Value]:
    """Any mapping as attributes: keys as text, values as `Value`, bounded; never raises.

    NaN, infinities and integers of thousands of digits (in hexadecimal) become text; bytes are decoded with
    replacement; named tuples become mappings, so that their names are seen; other objects become their `str`, or a
    mark when that fails; cycles and depth end in a mark.
    """
    try:
        return _safe_mapping(given, limits, _Budget(limits.items_max), depth=0)
    except Exception:  # a user's mapping may do anything in items and __iter__
        return {"fields": f"[{kind_name(given)} without text]"}


def _safe_mapping(
    given: Mapping[object, object], limits: AttributeLimits, budget: _Budget, *, depth: int
) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for key, value in given.items():
        if value is None:
            continue
        if budget.left <= 0:
            result[CUT_MARK] = True
            break
        budget.left -= 1
        name = key if type(key) is str else _describe(key)
        result[safe_text(name, limits.key_chars_max)] = _safe_value(value, limits, budget, depth=depth)
    return result


def _safe_value(value: object, limits: AttributeLimits, budget: _Budget, *, depth: int) -> Value:
    try:
        return _value(value, limits, budget, depth=depth)
    except Exception:
        # A user's class may do anything in __class__, items, __iter__ or bit_length; the rest goes on.
        return f"[{kind_name(value)} without text]"


def _value(value: object, limits: AttributeLimits, budget: _Budget, *, depth: int) -> Value:
    if isinstance(value, str):
        return safe_text(value if type(value) is str else _describe(value), limits.text_chars_max)
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return int(value) if value.bit_length() <= INT_BITS_MAX else hex(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, (bytes, bytearray)):
        return safe_text(
            bytes(value[: limits.text_chars_max]).decode("utf-8", "replace"), limits.text_chars_max
        )
    return _safe_container(value, limits, budget, depth=depth)


def _safe_container(value: object, limits: AttributeLimits, budget: _Budget, *, depth: int) -> Value:
    if isinstance(value, (Mapping, list, tuple, set, frozenset)) and depth >= limits.depth_max:
        return DEEP_MARK
    if isinstance(value, Mapping):
        return _safe_mapping(value, limits, budget, depth=depth + 1)
    names = getattr(type(value), "_fields", None)
    if (
        isinstance(value, tuple) and isinstance(names, tuple) and len(names) == len(value)
    ):  # what is named says more
        return _safe_mapping(dict(zip(names, value, strict=True)), limits, budget, depth=depth + 1)
    if isinstance(value, (list, tuple, set, frozenset)):
        if (
            isinstance(value, tuple)
            and type(value) is not tuple
            and (names := getattr(value, "_fields", None))
        ):
            return _safe_mapping(dict(zip(names, value, strict=False)), limits, budget, depth=depth + 1)
        return _safe_items(value, limits, budget, depth=depth + 1)
    return safe_text(_describe(value), limits.text_chars_max)


def _safe_items(
    values: list[object] | tuple[object, ...] | set[object] | frozenset[object],
    limits: AttributeLimits,
    budget: _Budget,
    *,
    depth: int,
) -> list[Value]:
    items: list[Value] = []
    for value in values:
        if budget.left <= 0:
            items.append(CUT_MARK)
            break
        budget.left -= 1
        if value is not None:
            items.append(_safe_value(value, limits, budget, depth=depth))
    return items


def _describe(value: object) -> str:
    """Exactly a `str`: of a text's subclass the text itself, of anything else what it says of itself."""
    try:
        return str.__str__(value) if issubclass(type(value), str) else str.__str__(str(value))
    except Exception:  # a user's __str__ may do anything; the record goes on without it
        return f"[{kind_name(value)} without text]"


def values_at(attributes: Mapping[str, Value], name: str) -> Iterator[Value]:
    """Every value that `name` addresses: the attribute of that name, and through nested objects by dots.

    ``a.b`` finds ``{"a.b": 1}`` and ``{"a": {"b": 1}}``, both when both are there.
    """
    if name in attributes:
        yield attributes[name]
    at = name.find(".")
    while at != -1:
        inner = attributes.get(name[:at])
        if isinstance(inner, Mapping):
            yield from values_at(inner, name[at + 1 :])
        at = name.find(".", at + 1)
