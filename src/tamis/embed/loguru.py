"""loguru: a sink that hands its messages to Tamis."""

import logging
from collections.abc import Mapping
from typing import Any

from tamis.clock import NS_PER_S
from tamis.embed.mentioned import mentioned
from tamis.embed.outlet import OUTLET, report_lost
from tamis.embed.raised import exception_of, reduce_exception
from tamis.embed.values import frozen_fields, text_of
from tamis.pipeline.captured import Captured, Code, More, Raised
from tamis.pipeline.own import is_own


class LoguruSink:
    """Give it to loguru::

        loguru.logger.remove()
        loguru.logger.add(LoguruSink(), level=0, format="{message}")

    `bind` and `contextualize` become fields, an exception its frames, a custom level keeps its name; time, position
    and thread are those of the call, also with `enqueue=True`. What fields of secret names put into the message
    (`"{password}"`) is masked there, too. The level of the standard logger of the same name
    decides what is taken. Where Tamis is not configured, records go to standard `logging`. Raises nothing.
    """

    def __call__(self, message: Any) -> None:
        """Take a message over."""
        name = "loguru"
        try:
            record: Mapping[str, Any] = message.record
            name = record.get("name") or name
            logger = logging.getLogger(name)
            if not logger.isEnabledFor(record["level"].no):
                return
            if OUTLET.handlers is None:
                logger.handle(_log_record(name, record))
                return
            put = OUTLET.put_own if is_own() else OUTLET.put
            put(_captured(name, record))
        except Exception as error:  # logging never raises into the application
            report_lost(name, error)


def _captured(name: str, record: Mapping[str, Any]) -> Captured:
    level = record["level"]
    raised: Raised | None = None
    error = exception_of(tuple(record["exception"]) if record["exception"] else None)
    if error is not None:
        raised = reduce_exception(error)
    code: Code | None = None
    if level.no >= OUTLET.code_level:
        code = (text_of(record["file"].path), record["line"], text_of(record["function"]))
    message, fields = text_of(record["message"]), frozen_fields(record["extra"])
    return (
        _nanoseconds(record["time"]),
        level.no,
        name,
        message,
        (),
        fields,
        None,
        text_of(record["thread"].name),
        OUTLET.context(),
        code,
        More(level_name=text_of(level.name), raised=raised, named=mentioned(fields, message)),
    )


def _log_record(name: str, record: Mapping[str, Any]) -> logging.LogRecord:
    """For standard logging, as long as Tamis is not there."""
    made = logging.makeLogRecord(
        {
            **{key: value for key, value in record["extra"].items() if isinstance(key, str)},
            "name": name,
            "msg": record["message"],
            "levelno": record["level"].no,
            "levelname": record["level"].name,
            "created": record["time"].timestamp(),
            "pathname": record["file"].path,
            "lineno": record["line"],
            "funcName": record["function"],
            "threadName": record["thread"].name,
        }
    )
    made.exc_info = tuple(record["exception"]) if record["exception"] else None
    return made


def _nanoseconds(time: Any) -> int:
    """Exact to the microsecond, which a float of seconds is not."""
    seconds = int(time.replace(microsecond=0).timestamp())
    return seconds * NS_PER_S + int(time.microsecond) * 1_000
