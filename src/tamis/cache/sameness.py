"""Whether a value that came back is the one that went: equal, and of the same types all the way down."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from math import isnan
from typing import Any

NUMBERS = frozenset((int, float))


def difference(value: Any, found: Any) -> str | None:
    """Where the two differ ("" for the whole, else a path such as `.lines[2]`); None where they do not. A whole number
    may be a float of the same value.
    """
    kinds = {type(value), type(found)}
    if len(kinds) > 1:
        return None if kinds == NUMBERS and value == found else ""
    kind = type(value)
    if kind in (list, tuple):
        return _first(zip(_numbered(value), value, found, strict=True)) if len(value) == len(found) else ""
    if kind is dict:
        if len(value) != len(found):
            return ""
        keys = _first(("", *pair) for pair in zip(value, found, strict=True))
        if keys is not None:
            return keys
        items = zip(value.items(), found.values(), strict=True)
        return _first((f"[{key!r:.40}]", item, other) for (key, item), other in items)
    if kind in (set, frozenset):
        return None if value == found and _kinds(value) == _kinds(found) else ""
    names = _fields(value)
    if names is not None:
        return _first((f".{name}", getattr(value, name, None), getattr(found, name, None)) for name in names)
    is_same = value == found or (kind is float and isnan(value) and isnan(found))
    return None if is_same else ""


def _first(parts: Iterable[tuple[str, Any, Any]]) -> str | None:
    for place, value, found in parts:
        inner = difference(value, found)
        if inner is not None:
            return place + inner
    return None


def _fields(value: Any) -> Iterable[str] | None:
    names: Iterable[str] | None = getattr(type(value), "__struct_fields__", None)
    if names is None and is_dataclass(value):
        return [field.name for field in fields(value)]
    return names


def _numbered(value: Any) -> list[str]:
    return [f"[{number}]" for number in range(len(value))]


def _kinds(items: Iterable[Any]) -> dict[Any, type]:
    return {item: type(item) for item in items}
