"""A LogRecord of standard `logging` as what crosses to the worker."""

import logging
import re
from collections.abc import Mapping
from itertools import islice
from os import getpid as _process_id
from typing import Any

from tamis.clock import now_ns
from tamis.embed.outlet import OUTLET
from tamis.embed.raised import exception_of, reduce_exception
from tamis.embed.values import are_immutable, formatted, frozen_fields, named_places, text_of
from tamis.pipeline.captured import Captured, Code, More, Raised, with_named
from tamis.record.model import INSTANT_MAX, INSTANT_MIN

FIELDS_KEY = "tamis_fields"
"""Where a LogRecord carries the fields as they were given, when some could not become its attributes."""
_STANDARD = frozenset(vars(logging.makeLogRecord({})))
_STANDARD_COUNT = len(_STANDARD)
RECORD_NAMES = _STANDARD | {"message", "asctime", FIELDS_KEY}
"""What is an attribute of a LogRecord of its own; a field of such a name cannot be one."""
_NAMED_LEVELS = frozenset((10, 20, 30, 40, 50))
_STACK_LINE = re.compile(r'^  File "(.*)", line (\d+), in (.*)$', re.MULTILINE)


def capture_log_record(record: logging.LogRecord, code_level: int) -> Captured:
    """What the record says, with everything that could change as text or copies; its exception is reduced. Its
    position in the code is taken along from `code_level` on."""
    level = record.levelno
    if type(record) is logging.LogRecord and _is_usual(record) and level < code_level:
        given = record.__dict__
        has_extra = len(given) > _STANDARD_COUNT
        extra = dict(islice(given.items(), _STANDARD_COUNT, None)) if has_extra else None
        if extra is None or (RECORD_NAMES.isdisjoint(extra) and are_immutable(extra.values())):
            return (
                _created_ns(record),
                level,
                record.name,
                record.msg,
                record.args,  # type: ignore[return-value]  # a tuple, or nothing
                extra,
                None,
                record.threadName,
                OUTLET.context(),
                None,
                None,
            )
    return _capture_unusual(record, code_level)


def _created_ns(record: logging.LogRecord) -> int:
    """When it was made, to the microsecond; now, where what it says is no instant."""
    try:
        stamp = round(record.created * 1_000_000) * 1_000
        if INSTANT_MIN <= stamp <= INSTANT_MAX:
            return stamp
    except (TypeError, ValueError, OverflowError):  # somebody set it: NaN, an infinity, text, nothing
        pass
    return now_ns()


def _is_usual(record: logging.LogRecord) -> bool:
    """Whether it says no more than a message, of values that cannot change, and comes from this process."""
    args = record.args
    return (
        type(record.msg) is str
        and (not args or (type(args) is tuple and are_immutable(args)))
        and not record.exc_info
        and not record.exc_text
        and not record.stack_info
        and record.levelno in _NAMED_LEVELS
        and record.process == _process_id()
        and type(record.name) is str
    )


def _capture_unusual(record: logging.LogRecord, code_level: int) -> Captured:
    message, arguments, marks = _message(record)
    fields = _fields(record)
    more = None
    if record.exc_info or record.stack_info or record.exc_text or record.levelno not in _NAMED_LEVELS:
        more, fields = _more(record, fields)
    if marks is not None:
        fields = {**(fields or {}), **marks}
    elif isinstance(record.args, Mapping):
        more = with_named(more, named_places(text_of(record.msg), (record.args,), message))
    code: Code | None = None
    if code_level <= (record.levelno or 0) and record.pathname:
        code = (record.pathname, record.lineno, record.funcName or "")
    return (
        _created_ns(record),
        record.levelno if isinstance(record.levelno, int) else logging.NOTSET,
        record.name if type(record.name) is str else text_of(record.name or ""),
        message,
        arguments,
        fields,
        None,
        record.threadName,
        OUTLET.context(),
        code,
        more,
    )


def _message(record: logging.LogRecord) -> tuple[str, tuple[object, ...], Mapping[str, Any] | None]:
    """The message or its template, arguments still to be put in, marks when they do not fit."""
    msg, args = record.msg, record.args
    is_text, is_stock = type(msg) is str, type(record) is logging.LogRecord
    if is_text and is_stock and type(args) is tuple and are_immutable(args):
        return msg, args, None
    if not is_stock:
        try:
            return str.__str__(record.getMessage()), (), None
        except Exception:  # a record's own formatting may do anything; the usual one is tried below
            is_text = type(record.msg) is str
    text = msg if is_text else text_of(msg)
    if not args:
        return text, (), None
    text, marks = formatted(text, args if isinstance(args, tuple) else (args,))
    return text, (), marks


def message_of(record: logging.LogRecord) -> str:
    """The message with its arguments in it; never raises."""
    message, arguments, _ = _message(record)
    return formatted(message, arguments)[0] if arguments else message


def _fields(record: logging.LogRecord) -> Mapping[str, Any] | None:
    """What was given beside the message."""
    given = record.__dict__
    is_ours = record.process is None or record.process == _process_id()
    if len(given) == _STANDARD_COUNT and is_ours:
        return None
    fields = given.get(FIELDS_KEY)
    if not isinstance(fields, Mapping):
        # A LogRecord's own attributes stand first.
        names = list(given)[_STANDARD_COUNT if type(record) is logging.LogRecord else 0 :]
        fields = {name: given[name] for name in names if name not in RECORD_NAMES}
    if not is_ours:
        fields = {"log.process_id": record.process, **fields}
    return fields if are_immutable(fields.values()) else frozen_fields(fields)


def _more(
    record: logging.LogRecord, fields: Mapping[str, Any] | None
) -> tuple[More, Mapping[str, Any] | None]:
    raised: Raised | None = None
    stack: tuple[Code, ...] = ()
    error = exception_of(record.exc_info)
    if error is not None:
        raised = reduce_exception(error)
    elif record.exc_text and not record.exc_info:
        raised = Raised("", text_of(record.exc_text), ())
    if record.stack_info:
        stack = tuple((file, int(line), name) for file, line, name in _STACK_LINE.findall(record.stack_info))
        if not stack:
            fields = {"stack": text_of(record.stack_info), **(fields or {})}
    name = None
    if record.levelno not in _NAMED_LEVELS and record.levelname != f"Level {record.levelno}":
        name = text_of(record.levelname)
    return More(level_name=name, raised=raised, stack=stack), fields
