"""structlog: the last processor of its chain, which hands events to Tamis."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, NoReturn

from tamis.embed.install import get_logger
from tamis.embed.outlet import report_lost
from tamis.embed.values import text_of
from tamis.settings.pipeline import parse_level

_OURS = frozenset(
    ("event", "level", "log_level", "logger", "timestamp", "exc_info", "stack_info", "stack", "exception")
)
_SILENT = ("structlog.", "tamis.embed.structlog")
_METHODS = {"msg": "info", "warn": "warning", "exception": "error", "fatal": "critical"}


class StructlogProcessor:
    """Give it to structlog as its last processor::

        structlog.configure(processors=[structlog.contextvars.merge_contextvars, StructlogProcessor()])

    The event is the message, everything else a field; `exc_info` becomes frames; the level is the method's. Records go
    the way of the logger of the same name (`structlog.stdlib.add_logger_name`, or a factory's own name, else
    `logger`), with its level, handlers and context. Whatever goes wrong, nothing is raised but structlog's own
    DropEvent, which ends the chain.
    """

    def __init__(self, logger: str = "structlog") -> None:
        self._name = logger

    def __call__(self, logger: Any, method: str, event_dict: MutableMapping[str, Any]) -> NoReturn:
        """Hand the event over."""
        from structlog import DropEvent

        try:
            self._take(logger, method, event_dict)
        except Exception as error:  # logging never raises into the application
            report_lost(self._name, error)
        raise DropEvent

    def _take(self, logger: Any, method: str, event: Mapping[str, Any]) -> None:
        name = event.get("logger") or getattr(logger, "name", None)
        log = get_logger(name if isinstance(name, str) and name else self._name)
        level = _level(event.get("level") or _METHODS.get(method, method))
        if not log.isEnabledFor(level):
            return
        fields = {text_of(key): value for key, value in event.items() if key not in _OURS}
        fields |= {key: event[key] for key in ("stack", "exception") if isinstance(event.get(key), str)}
        error = event.get("exc_info")
        if error is None and method == "exception":
            error = True
        message = event.get("event")
        log.log(
            level,
            message if isinstance(message, str) else text_of(message),
            extra=fields,
            exc_info=error,
            stack_info=bool(event.get("stack_info")),
            stacklevel=_steps(),
        )


def _level(name: object) -> int:
    try:
        return parse_level(name)
    except ValueError:
        return logging.INFO


def _steps() -> int:
    """How many frames stand between our caller and whoever logs."""
    frame, steps = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(_SILENT):
        frame, steps = frame.f_back, steps + 1
    return steps
