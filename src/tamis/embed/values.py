"""What may cross to the worker: values that cannot change. Everything else becomes a copy or text here and now."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tamis.pipeline.captured import Named
from tamis.record.attributes import Value, kind_name, safe_attributes, safe_text

IMMUTABLE = frozenset((str, int, float, bool, bytes, type(None)))
"""Exact types that cross as they are. A subclass may have any `__str__`, so it does not."""


def are_immutable(values: Iterable[object]) -> bool:
    """Whether all may cross as they are."""
    for value in values:  # noqa: SIM110 -- a generator costs more than the loop
        if type(value) not in IMMUTABLE:
            return False
    return True


def may_cross(arguments: Iterable[object], fields: Mapping[str, object]) -> bool:
    """Whether arguments and fields of a record may cross as they are; names are taken for texts. The usual kinds are
    looked for first, by identity, in two loops: whoever logs waits for this.
    """
    for value in arguments:
        kind = type(value)
        if kind is not str and kind is not int and kind is not float and kind not in IMMUTABLE:
            return False
    for value in fields.values():
        kind = type(value)
        if kind is not str and kind is not int and kind is not float and kind not in IMMUTABLE:
            return False
    return True


def are_plain(fields: Mapping[Any, object]) -> bool:
    """Whether names are texts, and values may cross as they are."""
    for name, value in fields.items():  # noqa: SIM110 -- as above
        if type(name) is not str or type(value) not in IMMUTABLE:
            return False
    return True


def text_of(value: object) -> str:
    """`str(value)`, or a mark when that fails; never raises, and exactly a `str`."""
    try:
        return str.__str__(str(value))
    except Exception:  # a user's __str__ may do anything; the record goes on without it
        return f"[{kind_name(value)} without text]"


def frozen_fields(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """The fields with every value that could change as a copy or as text; None stays, it takes a field away."""
    if len(fields) > _FIELDS_MAX:
        return dict(safe_attributes(fields))
    return {
        name if type(name) is str else text_of(name): value if type(value) in IMMUTABLE else frozen(value)
        for name, value in fields.items()
    }


def frozen(value: object) -> Value:
    """A value that may change, as it is now."""
    return safe_attributes({"": value})[""]


_FIELDS_MAX = 1_000


def formatted(message: str, arguments: Sequence[object]) -> tuple[str, dict[str, Any] | None]:
    """The message with its arguments as `logging` puts them in; never raises.

    Where they do not fit: the template, and fields that say so.
    """
    try:
        return str.__str__(message % _operand(arguments)), None
    except Exception as error:  # templates and arguments are the user's: the record is kept and marked
        marks = {
            "arguments": [safe_text(text_of(value)) for value in arguments[:_MARKED_MAX]],
            "format_error": text_of(error),
        }
        return message, marks


_MARKED_MAX = 100
_PLACE = re.compile(r"%(?:\(([^()]*)\))?[#0\- +]*\d*(?:\.\d+)?[hlL]?[a-zA-Z%]")


def named_places(template: str, arguments: Sequence[object], message: str) -> tuple[Named, ...]:
    """Where in a message its arguments stand, if they were put in by name; never raises. Where that cannot be told,
    each of them is the whole message.
    """
    operand = _operand(arguments)
    if not isinstance(operand, Mapping) or "%(" not in template:
        return ()
    found: list[Named] = []
    parts: list[str] = []
    at = end = 0
    try:
        for place in _PLACE.finditer(template):
            literal, value = template[at : place.start()], str.__str__(place[0] % operand)
            start = end + len(literal)
            at, end = place.end(), start + len(value)
            parts += literal, value
            if place[1] is not None:
                found.append((place[1], start, end))
        if "".join((*parts, template[at:])) == message:
            return tuple(found)
        names = [text_of(name) for name in operand]
    except Exception:  # templates and arguments are the user's, and may say another thing each time
        names = re.findall(r"%\((.*?)\)", template)
    return tuple((name, 0, len(message)) for name in names)


def _operand(arguments: Sequence[object]) -> Any:
    """One mapping as the only argument is for named places (`%(name)s`)."""
    if len(arguments) == 1 and isinstance(arguments[0], Mapping) and arguments[0]:
        return arguments[0]
    return tuple(arguments)
