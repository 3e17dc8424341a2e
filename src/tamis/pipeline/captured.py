"""What crosses from the caller's thread to the worker: one tuple for each record, and how it becomes a Record.

The tuple is made where somebody logs and holds nothing that can change afterwards: exact `str`, `int`, `float`,
`bool`, `bytes` and None, and lists and dicts that were copied for it. Everything dear (formatting, naming the
level, putting attributes together) waits for the worker.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from threading import Thread
from typing import Any, Final, TypeAlias, cast

import msgspec

from tamis.record.attributes import DEFAULT_LIMITS, Value, safe_attributes, safe_text
from tamis.record.context import EMPTY, Context, id_text
from tamis.record.model import Record
from tamis.record.severity import LEVEL_CHARS_MAX, canonical_level, level_of_python

Code: TypeAlias = tuple[str, int, str]
"""File, line, function."""


class Raised(msgspec.Struct, frozen=True):
    """An exception without what it holds on to; frames outermost first, `cause` what it came from, `notes` what was
    added to it (`add_note`).
    """

    type: str
    message: str
    frames: tuple[Code, ...]
    cause: "Raised | None" = None
    members: "tuple[Raised, ...]" = ()
    notes: tuple[str, ...] = ()


Named: TypeAlias = tuple[str, int, int]
"""A name, and from where to before where in a message its value stands."""


class More(msgspec.Struct, frozen=True, kw_only=True):
    """What few records have. `named` are the arguments that were put into the message by name (`%(name)s`)."""

    level_name: str | None = None
    raised: Raised | None = None
    stack: tuple[Code, ...] = ()
    named: tuple[Named, ...] = ()


def with_named(more: More | None, named: tuple[Named, ...]) -> More | None:
    """The same, and where in the message its named arguments stand."""
    if not named:
        return more
    return More(named=named) if more is None else msgspec.structs.replace(more, named=named)


Captured: TypeAlias = tuple[
    int,
    int,
    str,
    str,
    tuple[object, ...] | None,
    Mapping[str, object] | None,
    Mapping[str, object] | None,
    Thread | str | None,
    Context,
    Code | None,
    More | None,
]
"""One record on its way to the worker; its places:

| place | holds |
|---|---|
| `TIME` | UTC nanoseconds |
| `LEVEL` | the number on Python's scale: 40 is ERROR |
| `LOGGER` | the logger's name |
| `MESSAGE` | the message, or its template when there are arguments |
| `ARGUMENTS` | for `message % arguments`; empty or None: the message is as it is |
| `FIELDS` | the record's own fields |
| `BOUND` | fields bound to the logger |
| `THREAD` | the thread, or its name |
| `CONTEXT` | the context where it was logged |
| `CODE` | the position in the code, when it is wanted |
| `MORE` | exception, stack, a level's own name |
"""
TIME: Final = 0
LEVEL: Final = 1
LOGGER: Final = 2
MESSAGE: Final = 3
ARGUMENTS: Final = 4
FIELDS: Final = 5
BOUND: Final = 6
THREAD: Final = 7
CONTEXT: Final = 8
CODE: Final = 9
MORE: Final = 10


@dataclass(frozen=True, slots=True)
class Origin:
    """Where records come from. `process` is eight hexadecimal digits, random for each process start, so that
    nothing depends on process ids being used once; after a fork the child has another.
    """

    service: str | None
    host: str | None
    process_id: int
    process: str


LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
TEXT_CHARS_MAX = DEFAULT_LIMITS.text_chars_max
FIELDS_MAX = DEFAULT_LIMITS.items_max // 4
_IDS = frozenset(("correlation_id", "trace_id", "span_id"))
_OURS = frozenset(("process_id", "process", "sequence"))
_YIELDING = frozenset(("thread", "code", "stack"))
_NAMED = _IDS | _OURS | _YIELDING | {"exception"}
_OFTEN_FREE = frozenset(("code", "stack", "exception"))
_HOLDS_NO_VALUE = re.compile(r"[\w.-]{,64}", re.ASCII)
"""Longer ones may be tokens themselves."""
_NAMES_KEPT = 2_048
_PLAIN_NAMES: set[str] = set()
"""Names seen before that mean nothing to us, and need no look."""
_PLAIN_NAMES_MAX = 4_096


def to_record(captured: Captured, origin: Origin) -> Record:
    """The record of what was captured; never raises. Its `attributes` are new and nobody else's. Where there are
    many, `assembly.to_records` is quicker.

    Fields of the record hide bound ones, those the context's; None takes a field away. A text field
    `correlation_id`, `trace_id` or `span_id` is the record's own id. Where a user's field has a name that the
    pipeline needs (`process`, `process_id`, `sequence`, and `exception` when there is one), it is found as
    `field.<name>`; `thread`, `code` and `stack` are the user's, and ours are found as `log.<name>` then.
    """
    stamp, number, logger, message, arguments, fields, bound, thread, context, code, more = captured
    attributes = start_of(thread, origin)
    if arguments:
        try:
            message = message % arguments
        except Exception as error:  # templates are the user's: the record is kept and marked
            _mark(attributes, arguments, error)
    if not message.isascii() or len(message) > TEXT_CHARS_MAX:
        message = safe_text(message)
    if code is not None:
        attributes["code"] = _position(code)
    level = LEVELS.get(number)
    if more is not None:
        level = _add_more(attributes, more, level)
    ids = add_outer(attributes, context, bound)
    if fields:
        ids = _add_fields(attributes, fields, ids) or ids
    return Record(  # by place, which takes a quarter less time
        stamp,
        message,
        level or level_name(number),
        origin.service,
        origin.host,
        safe_name(logger),
        ids[1],
        ids[2],
        ids[0],
        attributes,
    )


def start_of(thread: Thread | str | None, origin: Origin) -> dict[str, Value]:
    """The attributes that every record of a thread has; new."""
    attributes: dict[str, Value] = {"process_id": origin.process_id, "process": origin.process}
    if thread is not None:
        name = thread if isinstance(thread, str) else thread.name
        attributes["thread"] = name if name.isascii() else safe_text(name)
    return attributes


def level_name(number: int) -> str:
    """The level of a number on Python's scale: a name that was given to it (`logging.addLevelName`), else the
    usual one below it."""
    usual = LEVELS.get(number)
    if usual is not None:
        return usual
    given = logging.getLevelName(number)
    if number > 0 and type(given) is str and given != f"Level {number}":
        return canonical_level(given)
    return level_of_python(number) or "TRACE"


@lru_cache(maxsize=_NAMES_KEPT)
def safe_name(name: str) -> str:
    """The name of a logger, or an id, as a record has it: processors look at neither, so what may be a password in
    it (`password=…`) is masked here.
    """
    text = name if name.isascii() else safe_text(name)
    if _HOLDS_NO_VALUE.fullmatch(text):
        return text
    from tamis.pipeline.processors.patterns import SECRETS
    from tamis.pipeline.processors.patterns.detect import Detector

    return Detector(SECRETS).replace(text, lambda _kind, mask, _text: mask)


def _id(value: str | None) -> str | None:
    if value is None:
        return None
    text = id_text(value)
    return text if text.isalnum() and text.isascii() else safe_name(text)


Ids: TypeAlias = tuple[str | None, str | None, str | None]
NO_IDS: Ids = (None, None, None)


def _mark(attributes: dict[str, Value], arguments: tuple[object, ...], error: Exception) -> None:
    """Arguments that do not fit their template are kept beside it."""
    attributes["arguments"] = [
        value if isinstance(value, str | int) else str(value) for value in arguments[:100]
    ]
    attributes["format_error"] = str(error)


def add_outer(attributes: dict[str, Value], context: Context, bound: Mapping[str, Any] | None) -> Ids:
    """Put the fields of context and logger to the attributes; the ids so far: correlation, trace, span."""
    if context is EMPTY and not bound:
        return NO_IDS
    ids = (_id(context.correlation_id), _id(context.trace_id), _id(context.span_id))
    for fields in (context.fields, bound):
        if fields:
            ids = _add_fields(attributes, fields, ids) or ids
    return ids


def _add_fields(attributes: dict[str, Value], fields: Mapping[str, Any], ids: Ids) -> Ids | None:
    """Put fields to the attributes; the ids when a field changed them."""
    if len(fields) > FIELDS_MAX:
        fields = safe_attributes(cast("Mapping[object, object]", fields))
    if _PLAIN_NAMES.issuperset(fields) and _are_plain(fields.values()):
        attributes.update(fields)
        return None
    changed = None
    for name, value in fields.items():
        kind = type(value)
        if name in _PLAIN_NAMES and (
            kind is int
            or kind is bool
            or (kind is str and value.isascii() and len(value) <= TEXT_CHARS_MAX)
            or (kind is float and value - value == 0)
        ):
            attributes[name] = value
        else:
            changed = _add_unusual(attributes, name, _safe(value), changed or ids) or changed
    return changed


def _are_plain(values: Iterable[Any]) -> bool:
    """Whether all are short texts in ASCII, or numbers, and are attributes as they are."""
    for value in values:
        kind = type(value)
        if kind is str:
            if not value.isascii() or len(value) > TEXT_CHARS_MAX:
                return False
        elif kind is float:
            if value - value != 0:
                return False
        elif kind is not int and kind is not bool:
            return False
    return True


def _safe(value: Any) -> Value | None:
    """Lists and dicts were copied and made safe by the caller."""
    if value is None or type(value) is list or type(value) is dict:
        return cast("Value | None", value)
    return safe_attributes({"": value})[""]


def _add_unusual(attributes: dict[str, Value], name: str, value: Value | None, ids: Ids) -> Ids | None:
    """A field whose name or value means something to us; the ids when it is one of them."""
    if name in _IDS and (value is None or isinstance(value, str)):
        correlation_id, trace_id, span_id = ids
        value = _id(value)
        return (
            value if name == "correlation_id" else correlation_id,
            value if name == "trace_id" else trace_id,
            value if name == "span_id" else span_id,
        )
    if name in _OURS or (name == "exception" and name in attributes):
        name = f"field.{name}"
    elif name in _YIELDING and name in attributes:
        attributes.setdefault(f"log.{name}", attributes[name])
    elif name.isascii() and name not in _NAMED and _may_remember(name):
        _PLAIN_NAMES.add(name)
    if value is None:
        attributes.pop(name, None)
    else:
        attributes[safe_text(name, DEFAULT_LIMITS.key_chars_max)] = value
    return None


def odd_names(names: AbstractSet[str], *, bare: bool) -> AbstractSet[str]:
    """Those of the names that may mean something to us; the others are known from then on. `bare`: records have
    nothing of ours but their thread.
    """
    if not _PLAIN_NAMES.issuperset(names):
        for name in names - _PLAIN_NAMES:
            if type(name) is str and name.isascii() and name not in _NAMED and _may_remember(name):
                _PLAIN_NAMES.add(name)
    odd = names - _PLAIN_NAMES
    return odd - _OFTEN_FREE if bare else odd


def _may_remember(name: str) -> bool:
    return len(name) <= DEFAULT_LIMITS.key_chars_max and len(_PLAIN_NAMES) < _PLAIN_NAMES_MAX


def _add_more(attributes: dict[str, Value], more: More, level: str | None) -> str | None:
    if more.raised is not None:
        attributes["exception"] = _exception(more.raised)
    if more.stack:
        attributes["stack"] = [_position(code) for code in more.stack]
    if more.level_name and level is None:
        return canonical_level(more.level_name)[:LEVEL_CHARS_MAX]
    return level


def _exception(raised: Raised) -> dict[str, Value]:
    found: dict[str, Value] = {
        "type": raised.type,
        "message": safe_text(raised.message),
        "frames": [_position(code) for code in raised.frames],
    }
    if raised.notes:
        found["notes"] = [safe_text(note) for note in raised.notes]
    if raised.members:
        found["exceptions"] = [_exception(member) for member in raised.members]
    if raised.cause is not None:
        found["cause"] = _exception(raised.cause)
    return found


def _position(code: Code) -> dict[str, Value]:
    file, line, function = code
    return {
        "file": file if file.isascii() else safe_text(file),
        "line": line,
        "function": function if function.isascii() else safe_text(function),
    }
