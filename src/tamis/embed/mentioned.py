"""Where the values of fields stand in a message that was put together before it came to us."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from tamis.pipeline.captured import Named

_Leaf: TypeAlias = tuple[tuple[str, ...], object]
_SURE_CHARS: Final = 4
"""Shorter texts stand within other words by chance: they must be words of their own."""
_PLACES_MAX: Final = 64
_VALUES_MAX: Final = 256
_DEPTH_MAX: Final = 8


def mentioned(fields: Mapping[str, object], message: str) -> tuple[Named, ...]:
    """The places in order, each with the names of its field; whether a name is secret is not known here. A value is
    found as `str` and as `repr` write it; one that stands there too often is named for the whole message, and of too
    many values each is.
    """
    if not message or not fields:
        return ()
    leaves = _leaves(fields, (), _DEPTH_MAX)
    if len(leaves) > _VALUES_MAX:
        return tuple(
            (name, 0, len(message)) for name in dict.fromkeys(name for names, _ in leaves for name in names)
        )
    found: list[Named] = []
    for names, value in leaves:
        for text in _written(value):
            if text in message:
                found += [(name, start, end) for start, end in _places(text, message) for name in names]
    return tuple(sorted(found, key=_by_place)) if found else ()


def _by_place(named: Named) -> tuple[int, int]:
    return named[1], -named[2]


def _leaves(given: Mapping[str, object], above: tuple[str, ...], depth: int) -> list[_Leaf]:
    """All values that are no lists or objects, with the names that lead to them."""
    leaves: list[_Leaf] = []
    for name, value in given.items():
        kind = type(value)
        if kind is dict or kind is list:
            leaves += _within(value, (*above, name), depth)
        elif value is not None and kind is not bool:
            leaves.append(((*above, name), value))
    return leaves


def _within(value: object, names: tuple[str, ...], depth: int) -> list[_Leaf]:
    if not depth:
        return []
    if isinstance(value, dict):
        return _leaves(value, names, depth - 1)
    if isinstance(value, list):
        return [leaf for one in value for leaf in _within(one, names, depth - 1)]
    return [(names, value)] if value is not None and type(value) is not bool else []


def _written(value: object) -> tuple[str, ...]:
    """How a value may stand in a message."""
    if isinstance(value, str):
        if value.isprintable() and "'" not in value and "\\" not in value:
            return (value,)
        return value, repr(value)[1:-1]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace"), repr(value)[2:-1]
    return (str(value),)


def _places(text: str, message: str) -> list[tuple[int, int]]:
    if not text:
        return []
    places: list[tuple[int, int]] = []
    start = message.find(text)
    while start >= 0:
        end = start + len(text)
        if len(text) >= _SURE_CHARS or not _is_within_word(message, start, end):
            places.append((start, end))
            if len(places) > _PLACES_MAX:
                return [(0, len(message))]
            start = message.find(text, end)
        else:
            start = message.find(text, start + 1)
    return places


def _is_within_word(message: str, start: int, end: int) -> bool:
    return message[max(start - 1, 0) : start].isalnum() or message[end : end + 1].isalnum()
