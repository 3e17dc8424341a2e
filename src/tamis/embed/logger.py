"""`Logger`: a standard logger that captures one tuple, and takes the standard way whenever anybody else listens."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from tamis.embed.log_record import FIELDS_KEY, RECORD_NAMES
from tamis.embed.raised import frame_above
from tamis.embed.taker import ABSENT, SPECIAL, STEPS, Taker, part_options, settle
from tamis.embed.values import frozen_fields
from tamis.pipeline.captured import Code


class Logger(Taker):
    """A `logging.Logger` whose methods also take fields as keywords: `log.info("order placed", order_id=42)`.

    How records go their way is `Taker`'s.
    """

    _cache: dict[int, bool]

    def __init__(self, name: str, level: int | str = logging.NOTSET) -> None:
        super().__init__(name, level)
        settle(self)

    def bind(self, /, **fields: Any) -> "Logger":
        """A logger of the same name, level and handlers whose records also carry `fields`; None takes one away."""
        return BoundLogger(self, {**(self.bound or {}), **frozen_fields(fields)})

    def debug(self, msg: object = ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at DEBUG; keywords are fields, but for those of `logging` (exc_info, stack_info, stacklevel, extra)."""
        try:
            enabled = self._cache[10]  # the standard library's own memory, of one step less
        except KeyError:
            enabled = self.isEnabledFor(10)
        if enabled and not self.disabled:
            self._take(10, msg, args, fields)

    def info(self, msg: object = ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at INFO; see `debug`."""
        try:
            enabled = self._cache[20]
        except KeyError:
            enabled = self.isEnabledFor(20)
        if enabled and not self.disabled:
            self._take(20, msg, args, fields)

    def warning(self, msg: object = ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at WARNING; see `debug`."""
        if self.isEnabledFor(30):
            self._take(30, msg, args, fields)

    def warn(self, msg: object = ABSENT, /, *args: object, **fields: Any) -> None:
        """Deprecated, as in standard `logging`: `warning`."""
        warnings.warn("the 'warn' method is deprecated, use 'warning'", DeprecationWarning, stacklevel=2)
        if self.isEnabledFor(30):
            self._take(30, msg, args, fields)

    def error(self, msg: object = ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at ERROR; see `debug`."""
        if self.isEnabledFor(40):
            self._take(40, msg, args, fields)

    def exception(self, msg: object = ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at ERROR with the exception being handled; see `debug`."""
        if self.isEnabledFor(40):
            fields.setdefault("exc_info", True)
            self._take(40, msg, args, fields)

    def critical(self, msg: object = ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at CRITICAL; see `debug`."""
        if self.isEnabledFor(50):
            self._take(50, msg, args, fields)

    fatal = critical

    def log(self, level: Any = ABSENT, msg: object = ABSENT, /, *args: object, **fields: Any) -> None:
        """Log at a level by its number; see `debug`."""
        if level is ABSENT:
            level = fields.pop("level", None)
        if not isinstance(level, int):
            super().log(level, msg)  # says what is wrong, as everywhere
        elif self.isEnabledFor(level):
            self._take(level, msg, args, fields)

    def _go_stock(self, level: int, msg: object, args: tuple[object, ...], fields: dict[str, Any]) -> None:
        options: Mapping[str, Any] = _NO_OPTIONS
        if not SPECIAL.isdisjoint(fields):
            msg, options = part_options(msg, fields)
        given = fields
        if self.bound or "extra" in options:
            given = {**(self.bound or {}), **(options.get("extra") or {}), **fields}
        extra = given
        if not RECORD_NAMES.isdisjoint(given):
            extra = {name: value for name, value in given.items() if name not in RECORD_NAMES}
            extra[FIELDS_KEY] = given
        self._log(
            level,
            "" if msg is ABSENT else msg,
            args,
            exc_info=options.get("exc_info"),
            extra=extra,
            stack_info=bool(options.get("stack_info")),
            stacklevel=options.get("stacklevel", 1) + STEPS + 1,
        )

    def _position(self, stacklevel: int, steps: int) -> Code:
        frame = frame_above(steps + stacklevel)
        assert frame is not None
        code = frame.f_code
        return code.co_filename, frame.f_lineno, code.co_name


_NO_OPTIONS: Mapping[str, Any] = {}


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
