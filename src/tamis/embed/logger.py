"""`Logger`: a standard logger that captures one tuple, and takes the standard way whenever anybody else listens."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from tamis.clock import now_ns
from tamis.embed.log_record import FIELDS_KEY, RECORD_NAMES
from tamis.embed.outlet import OUTLET, put_captured, report_lost
from tamis.embed.raised import exception_of, frame_above, reduce_exception, reduce_stack
from tamis.embed.values import are_immutable, formatted, frozen_fields, text_of
from tamis.pipeline.captured import Code, More
from tamis.pipeline.own import HERE, this_thread

_ABSENT: Any = object()
_SPECIAL = frozenset(("exc_info", "stack_info", "stacklevel", "extra", "msg"))
_NO_OPTIONS: Mapping[str, Any] = {}
_STEPS = 2
"""Frames between whoever logs and the method that looks for them: `info` and `_take`."""

_HANDLE, _CALL_HANDLERS = logging.Logger.handle, logging.Logger.callHandlers
_MAKE_RECORD, _LOG = logging.Logger.makeRecord, logging.Logger._log
_FACTORY = logging.LogRecord
_PATCHABLE = frozenset(("handle", "callHandlers", "makeRecord", "_log", "findCaller"))


class Logger(logging.Logger):
    """A `logging.Logger` whose methods also take fields as keywords: `log.info("order placed", order_id=42)`.

    The caller pays for one tuple and one `deque.append`. A record takes the standard way (a LogRecord through
    `handle`, filters and every handler) when a foreign handler or a filter stands in its way, somebody patched
    `handle`, `callHandlers`, `makeRecord` or `_log`, or set a LogRecord factory. Both ways give the same record.
    """

    bound: Mapping[str, Any] | None = None
    """Fields that each of its records carries; see `bind`."""
    _is_patched = False
    _cache: dict[int, bool]

    def bind(self, /, **fields: Any) -> "Logger":
        """A logger of the same name, level and handlers whose records also carry `fields`; None takes one away."""
        return BoundLogger(self, {**(self.bound or {}), **frozen_fields(fields)})

    def debug(self, msg: object = _ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at DEBUG; keywords are fields, but for those of `logging` (exc_info, stack_info, stacklevel, extra)."""
        if (enabled := self._cache.get(10)) is None:  # the standard library's own memory, of one step less
            enabled = self.isEnabledFor(10)
        if enabled and not self.disabled:
            self._take(10, msg, args, fields)

    def info(self, msg: object = _ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at INFO; see `debug`."""
        if (enabled := self._cache.get(20)) is None:
            enabled = self.isEnabledFor(20)
        if enabled and not self.disabled:
            self._take(20, msg, args, fields)

    def warning(self, msg: object = _ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at WARNING; see `debug`."""
        if self.isEnabledFor(30):
            self._take(30, msg, args, fields)

    def warn(self, msg: object = _ABSENT, /, *args: object, **fields: Any) -> None:
        """Deprecated, as in standard `logging`: `warning`."""
        warnings.warn("the 'warn' method is deprecated, use 'warning'", DeprecationWarning, stacklevel=2)
        if self.isEnabledFor(30):
            self._take(30, msg, args, fields)

    def error(self, msg: object = _ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at ERROR; see `debug`."""
        if self.isEnabledFor(40):
            self._take(40, msg, args, fields)

    def exception(self, msg: object = _ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at ERROR with the exception being handled; see `debug`."""
        if self.isEnabledFor(40):
            fields.setdefault("exc_info", True)
            self._take(40, msg, args, fields)

    def critical(self, msg: object = _ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at CRITICAL; see `debug`."""
        if self.isEnabledFor(50):
            self._take(50, msg, args, fields)

    fatal = critical

    def log(self, level: Any = _ABSENT, msg: object = _ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at a level by its number; see `debug`."""
        if level is _ABSENT:
            level = fields.pop("level", None)
        if not isinstance(level, int):
            super().log(level, msg)  # says what is wrong, as everywhere
        elif self.isEnabledFor(level):
            self._take(level, msg, args, fields)

    def __setattr__(self, name: str, value: object) -> None:
        if name in _PATCHABLE:
            object.__setattr__(self, "_is_patched", True)
        object.__setattr__(self, name, value)

    def _is_clear(self) -> bool:
        """Whether nobody but us listens to this logger."""
        if self.filters or self._is_patched or logging.getLogRecordFactory() is not _FACTORY:
            return False
        kind = type(self)
        if (
            kind.handle is not _HANDLE
            or kind.callHandlers is not _CALL_HANDLERS
            or kind.makeRecord is not _MAKE_RECORD
            or kind._log is not _LOG
        ):
            return False
        here: logging.Logger = self
        while (above := here.parent) is not None:
            if here.handlers or not here.propagate:
                return False
            here = above
        if here.handlers != OUTLET.handlers:
            return False
        ours = here.handlers[0]
        return not ours.filters and not ours.level

    def _take(self, level: int, msg: object, args: tuple[object, ...], fields: dict[str, Any]) -> None:
        """Capture; the caller of our caller is who logs."""
        try:
            if fields and not _SPECIAL.isdisjoint(fields):
                self._take_special(level, msg, args, fields)
            elif not self._is_clear():
                self._go_stock(level, msg, args, fields, _NO_OPTIONS, _STEPS)
            elif type(msg) is str and are_immutable(args) and are_immutable(fields.values()):
                outlet, thread = OUTLET, HERE.thread or this_thread()
                code = _code(_STEPS) if level >= outlet.code_level else None
                put = outlet.put if thread is not None else outlet.put_own
                bound, context = self.bound, outlet.context()
                put((now_ns(), level, self.name, msg, args, fields, bound, thread, context, code, None))
            else:
                code = _code(_STEPS) if level >= OUTLET.code_level else None
                self._put_settled(level, msg, args, fields, code, None)
        except Exception as error:  # logging never raises into the application
            report_lost(self.name, error)

    def _take_special(
        self, level: int, msg: object, args: tuple[object, ...], fields: dict[str, Any]
    ) -> None:
        """Capture with the keywords that `logging` knows."""
        options = _usable({name: fields.pop(name) for name in _SPECIAL & fields.keys()})
        if "msg" in options and msg is _ABSENT:
            msg = options["msg"]
        elif "msg" in options:
            fields["msg"] = options["msg"]
        if not self._is_clear():
            self._go_stock(level, msg, args, fields, options, _STEPS + 1)
            return
        error, level_up = exception_of(options.get("exc_info")), options.get("stacklevel", 1) + _STEPS
        stack = reduce_stack(frame_above(_STEPS + 1)) if options.get("stack_info") else ()
        more = More(raised=reduce_exception(error), stack=stack) if error is not None else None
        if more is None and stack:
            more = More(stack=stack)
        code = _code(level_up) if level >= OUTLET.code_level else None
        self._put_settled(level, msg, args, {**(options.get("extra") or {}), **fields}, code, more)

    def _put_settled(
        self,
        level: int,
        msg: object,
        args: tuple[object, ...],
        fields: dict[str, Any],
        code: Code | None,
        more: More | None,
    ) -> None:
        """Capture what has something that may change, as text or copies."""
        if not are_immutable(fields.values()) or not all(type(name) is str for name in fields):
            fields = frozen_fields(fields)
        message = msg if type(msg) is str else "" if msg is _ABSENT else text_of(msg)
        if args and not are_immutable(args):
            message, marks = formatted(message, args)
            args, fields = (), fields if marks is None else {**fields, **marks}
        put_captured(level, self.name, message, args, fields, self.bound, code, more)

    def _go_stock(
        self,
        level: int,
        msg: object,
        args: tuple[object, ...],
        fields: dict[str, Any],
        options: Mapping[str, Any],
        steps: int,
    ) -> None:
        """The standard way: a LogRecord for everybody who listens; our own handler is one of them."""
        given = fields
        if self.bound or "extra" in options:
            given = {**(self.bound or {}), **(options.get("extra") or {}), **fields}
        extra = given
        if not RECORD_NAMES.isdisjoint(given):
            extra = {name: value for name, value in given.items() if name not in RECORD_NAMES}
            extra[FIELDS_KEY] = given
        self._log(
            level,
            "" if msg is _ABSENT else msg,
            args,
            exc_info=options.get("exc_info"),
            extra=extra,
            stack_info=bool(options.get("stack_info")),
            stacklevel=options.get("stacklevel", 1) + steps + 1,
        )


def _usable(options: dict[str, Any]) -> dict[str, Any]:
    """What was given for keywords that `logging` knows, where it can be used; what cannot costs no record."""
    extra = options.get("extra")
    if extra is not None and not isinstance(extra, Mapping):
        options["extra"] = {"extra": extra}
    if not isinstance(options.get("stacklevel", 1), int):
        del options["stacklevel"]
    return options


class BoundLogger(Logger):
    """A logger with bound fields. It shares the whole state of the logger it was made from (level, handlers,
    filters, parent), so that whoever changes the one has changed the other.
    """

    __slots__ = ("bound",)

    def __init__(self, logger: logging.Logger, bound: Mapping[str, Any]) -> None:
        self.__dict__ = logger.__dict__
        self.bound = bound

    def __reduce__(self) -> tuple[object, ...]:
        return bound_logger, (self.name, dict(self.bound or {}))


def bound_logger(name: str, bound: Mapping[str, Any]) -> BoundLogger:
    """The logger of this name with bound fields."""
    return BoundLogger(logging.getLogger(name), bound)


def _code(steps: int) -> Code:
    """The position `steps` above the caller."""
    frame = frame_above(steps + 1)
    assert frame is not None
    code = frame.f_code
    return code.co_filename, frame.f_lineno, code.co_name
