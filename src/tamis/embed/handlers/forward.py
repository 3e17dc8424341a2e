"""`HandlerSink`: records go on to another handler of standard `logging`, as the pipeline made them."""

import logging
from collections.abc import Mapping
from typing import Any

from tamis.embed.handlers.handed import hand
from tamis.embed.log_record import RECORD_NAMES
from tamis.pipeline.base import AT_ONCE, DELIVERED, Batch, Outcome
from tamis.pipeline.stacktrace import print_exception
from tamis.record.model import Record
from tamis.record.severity import severity

_NUMBERS = ((21, 50), (17, 40), (13, 30), (10, 25), (9, 20), (5, 10), (1, 5))
"""From a severity on, the number of Python's scale."""


class HandlerSink:
    """A sink (see `tamis.pipeline.base.Sink`) in front of a handler. The handler's errors are its own: it tells
    them as it always does (`handleError`), and the record counts as delivered.
    """

    limits = AT_ONCE
    spooled = False

    def __init__(self, handler: logging.Handler) -> None:
        self.handler = handler
        self.name = f"handler {handler.name or type(handler).__name__} {id(handler):x}"

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        """Hand each record over; the handler's filters and level decide, as everywhere."""
        for record in batch.records:
            made = to_log_record(record)
            if made.levelno >= self.handler.level:
                hand(made, self.handler)
        return DELIVERED

    def close(self) -> None:
        """Flush the handler; who made it closes it."""
        self.handler.flush()


def to_log_record(record: Record) -> logging.LogRecord:
    """The record for formatters and handlers: message, level, time, logger, thread, position, and each attribute that
    does not hide one of a LogRecord's own as `extra` would give it."""
    attributes = record.attributes
    code = _table(attributes.get("log.code")) or _table(attributes.get("code"))
    number = python_level(record.level)
    made = logging.makeLogRecord(
        {
            **{name: value for name, value in attributes.items() if name not in RECORD_NAMES},
            "name": record.logger or "root",
            "levelno": number,
            "levelname": record.level or logging.getLevelName(number),
            "msg": record.message,
            "args": None,
            "created": record.timestamp / 1e9,
            "msecs": record.timestamp % 1_000_000_000 // 1_000_000,
            "pathname": str(code.get("file", "")),
            "filename": str(code.get("file", "")).rpartition("/")[2],
            "lineno": code.get("line", 0),
            "funcName": code.get("function", ""),
            "threadName": attributes.get("thread"),
        }
    )
    exception = _table(attributes.get("exception"))
    made.exc_text = print_exception(exception) if exception else None
    return made


def python_level(level: str | None) -> int:
    """The number on Python's scale of a level's name; NOTSET when nobody knows it."""
    known = severity(level or "")
    return next((number for least, number in _NUMBERS if known >= least), logging.NOTSET)


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
