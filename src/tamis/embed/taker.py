"""`Taker`: how a logger captures one tuple, or takes the standard way whenever anybody else listens."""

import logging
from abc import abstractmethod
from collections.abc import Mapping
from types import FunctionType
from typing import Any, Final

from tamis.clock import now_ns
from tamis.embed.missed import take_missed
from tamis.embed.outlet import OUTLET, put_captured, report_lost
from tamis.embed.raised import exception_of, frame_above, reduce_exception, reduce_stack
from tamis.embed.values import (
    are_immutable,
    are_plain,
    formatted,
    frozen_fields,
    may_cross,
    named_places,
    text_of,
)
from tamis.pipeline.captured import Code, More, with_named
from tamis.pipeline.own import HERE, this_thread

ABSENT: Any = object()
"""A message that was not given."""
SPECIAL: Final = frozenset(("exc_info", "stack_info", "stacklevel", "extra", "msg"))
"""Keywords that `logging` knows, and what its methods call the message."""
STEPS: Final = 2
"""Frames between whoever logs and who looks for them: the logger's method and `_take`."""
PATCHABLE: Final = frozenset(("handle", "callHandlers", "makeRecord", "_log", "findCaller", "filter"))
"""Methods that decide over records and what they say: who replaces one is asked about each record."""


def _stock(name: str) -> object:
    """A method of `logging.Logger` as it came with Python; None, which no method is, when it was patched already."""
    method = getattr(logging.Logger, name)
    home = logging.getLogger.__code__.co_filename
    return method if isinstance(method, FunctionType) and method.__code__.co_filename == home else None


_HANDLE, _CALL_HANDLERS = _stock("handle"), _stock("callHandlers")
_MAKE_RECORD, STOCK_LOG = _stock("makeRecord"), _stock("_log")
_FACTORY = logging.LogRecord
_ROOT = logging.getLogger()


class Taker(logging.Logger):
    """A `logging.Logger` that is asked for each record by `_take`. The caller pays for one tuple and one
    `deque.append`. A record takes the standard way (a LogRecord through `handle`, filters and every handler) when a
    foreign handler or a filter stands in its way, somebody patched one of the methods that decide over records, or
    set a LogRecord factory. Both ways give the same record.
    """

    __slots__ = ()

    bound: Mapping[str, Any] | None = None
    """Fields that each of its records carries."""
    _is_patched = False

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        if any(getattr(cls, name) is not getattr(logging.Logger, name) for name in ("filter", "findCaller")):
            cls._is_patched = True

    def __setattr__(self, name: str, value: object) -> None:
        if name in PATCHABLE:
            object.__setattr__(self, "_is_patched", True)
        object.__setattr__(self, name, value)

    def _take(self, level: int, msg: object, args: tuple[object, ...], fields: dict[str, Any]) -> None:
        """Capture; the caller of our caller is who logs. Never raises. Who else listens is looked up anew for each
        record, in place: a call would cost as much as all the looks together.
        """
        kind = type(self)
        try:
            if (
                self.filters
                or self.handlers
                or not self.propagate
                or self._is_patched
                or logging._logRecordFactory is not _FACTORY  # type: ignore[attr-defined]  # half of its getter
                or kind.handle is not _HANDLE
                or kind.callHandlers is not _CALL_HANDLERS
                or kind.makeRecord is not _MAKE_RECORD
                or (kind._log is not STOCK_LOG and kind._log is not _LENT_LOG)
                or (self.parent is not _ROOT and not _is_free(self.parent))
                or _ROOT.handlers != OUTLET.handlers
                or OUTLET.handler.filters
                or OUTLET.handler.level
            ):
                self._go_stock(level, msg, args, fields)
            elif (  # two thirds of what `isdisjoint` takes
                "extra" in fields
                or "exc_info" in fields
                or "stacklevel" in fields
                or "stack_info" in fields
                or "msg" in fields
            ):
                self._take_special(level, msg, args, fields)
            elif type(msg) is str and may_cross(args, fields):
                outlet, thread = OUTLET, HERE.thread or this_thread()
                code = self._position(1, STEPS) if level >= outlet.code_level else None
                put = outlet.put if thread is not None else outlet.put_own
                context = outlet.context()
                put((now_ns(), level, self.name, msg, args, fields, self.bound, thread, context, code, None))
            else:
                code = self._position(1, STEPS) if level >= OUTLET.code_level else None
                self._put_settled(level, msg, args, fields, code, None)
        except Exception as error:  # logging never raises into the application
            if not take_missed(error, self.name):
                report_lost(self.name, error)

    @abstractmethod
    def _go_stock(self, level: int, msg: object, args: tuple[object, ...], fields: dict[str, Any]) -> None:
        """The standard way: a LogRecord for everybody who listens; our own handler is one of them."""

    @abstractmethod
    def _position(self, stacklevel: int, steps: int) -> Code:
        """Where it was logged: `steps` frames above who asks is a method of the logger's."""

    def _take_special(
        self, level: int, msg: object, args: tuple[object, ...], fields: dict[str, Any]
    ) -> None:
        """Capture with the keywords that `logging` knows."""
        extra = fields.get("extra")
        if type(extra) is dict and len(fields) == 1:
            code = self._position(1, STEPS + 1) if level >= OUTLET.code_level else None
            self._put_settled(level, msg, args, extra.copy(), code, None)
            return
        msg, options = part_options(msg, fields)
        error = exception_of(options.get("exc_info"))
        stack = reduce_stack(frame_above(STEPS + 1)) if options.get("stack_info") else ()
        more = More(raised=reduce_exception(error), stack=stack) if error is not None else None
        if more is None and stack:
            more = More(stack=stack)
        code = None
        if level >= OUTLET.code_level:
            code = self._position(options.get("stacklevel", 1), STEPS + 1)
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
        if not are_plain(fields):
            fields = frozen_fields(fields)
        message = msg if type(msg) is str else "" if msg is ABSENT else text_of(msg)
        if args and not are_immutable(args):
            template = message
            message, marks = formatted(template, args)
            if marks is None:
                more = with_named(more, named_places(template, args, message))
            args, fields = (), fields if marks is None else {**fields, **marks}
        put_captured(level, self.name, message, args, fields, self.bound, code, more)


def settle(logger: Taker, *, is_patched: bool = False) -> None:
    """Give a logger of its own what its class says: Python 3.11 finds that three times as fast."""
    object.__setattr__(logger, "_is_patched", is_patched or type(logger)._is_patched)
    if type(logger).bound is None:
        object.__setattr__(logger, "bound", None)


def _is_free(logger: logging.Logger | None) -> bool:
    """Whether from this logger on up to the root nobody else listens."""
    while logger is not _ROOT:
        if logger is None or logger.handlers or not logger.propagate:
            return False
        logger = logger.parent
    return True


def part_options(msg: object, fields: dict[str, Any]) -> tuple[object, dict[str, Any]]:
    """The message, and what was given for keywords that `logging` knows, taken out of the fields. What cannot be used
    costs no record.
    """
    options = {name: fields.pop(name) for name in SPECIAL & fields.keys()}
    extra = options.get("extra")
    if extra is not None and type(extra) is not dict:
        try:
            options["extra"] = dict(extra) if isinstance(extra, Mapping) else {"extra": extra}
        except Exception:  # a user's mapping may do anything
            options["extra"] = {"extra": text_of(extra)}
    if not isinstance(options.get("stacklevel", 1), int):
        del options["stacklevel"]
    if "msg" in options:
        given = options.pop("msg")
        if msg is ABSENT:
            msg = given
        else:
            fields["msg"] = given
    return msg, options


class Lent(Taker):
    """A logger of somebody else's class that leaves to `logging` what becomes of its records: it takes the short way
    too, and is one of theirs in everything else. `_lender` is their class; see `lend`.
    """

    __slots__ = ()

    _lender: type[logging.Logger] = logging.Logger

    def __setattr__(self, name: str, value: object) -> None:
        if name == "bound":  # theirs, whatever it is
            object.__setattr__(self, "_is_patched", True)
        super().__setattr__(name, value)

    def _log(  # as the standard library calls it
        self,
        level: int,
        msg: object,
        args: Any,
        exc_info: Any = None,
        extra: Mapping[str, object] | None = None,
        stack_info: bool = False,  # noqa: FBT001, FBT002, RUF100 -- the signature is logging's
        stacklevel: int = 1,
    ) -> None:
        log = self._lender._log
        if stack_info or log is not STOCK_LOG:
            log(self, level, msg, args, exc_info, extra, stack_info, stacklevel + 1)
            return
        given: dict[str, Any] = {} if extra is None else {"extra": extra}
        if exc_info:
            given["exc_info"] = exc_info
        if stacklevel != 1:
            given["stacklevel"] = stacklevel
        self._take(level, msg, args, given)

    def _go_stock(self, level: int, msg: object, args: tuple[object, ...], fields: dict[str, Any]) -> None:
        stacklevel = fields.pop("stacklevel", 1) + STEPS + 1
        self._lender._log(self, level, msg, args, stacklevel=stacklevel, **fields)

    def _position(self, stacklevel: int, steps: int) -> Code:
        return self.findCaller(stacklevel=stacklevel + steps + 1)[:3]


_LENT_LOG = Lent._log
OURS = (frozenset((*vars(Taker), *vars(Lent))) - set(dir(logging.Logger))) | PATCHABLE
"""What a logger of somebody else's class must not have itself."""
_DECIDING = PATCHABLE | {"__setattr__", "__getattribute__", "__init_subclass__", "__class__"}


def lend(kind: type[logging.Logger]) -> type[Lent] | None:
    """The class for loggers of this class while we are installed; None where the class itself says what becomes of
    its records, or could notice.
    """
    for made in type.__subclasses__(kind):
        if issubclass(made, Lent) and made._lender is kind:
            return made
    is_usual = type(kind) is type and not any(
        name in vars(base) for base in kind.__mro__ if base not in _STANDARD for name in _DECIDING
    )
    if (
        issubclass(kind, Taker | logging.RootLogger)
        or not is_usual
        or not (OURS - PATCHABLE).isdisjoint(dir(kind))
    ):
        return None
    names = {"__slots__": (), "__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (Lent, kind), {**names, "__qualname__": kind.__qualname__, "_lender": kind})


_STANDARD = frozenset(logging.Logger.__mro__)
