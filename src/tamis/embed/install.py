"""Put Tamis into standard `logging`, and take it out again."""

import logging
import sys
from typing import cast

from tamis.embed.logger import BoundLogger, Logger
from tamis.embed.missed import take_missed
from tamis.embed.outlet import NEVER, OUTLET
from tamis.embed.root import RootHandler
from tamis.embed.taker import OURS, PATCHABLE, Lent, Taker, lend, settle

_HANDLER = RootHandler()
_KEPT: set[str] = set()
"""Names of loggers that were asked for from us: theirs stay loggers of ours when the rest is given back."""
_level_before: int | None = None


class _Root(logging.RootLogger):
    """The root logger while we are installed. Our handler stays when others are cleared away, as `dictConfig` and
    `basicConfig(force=True)` do: they say which handlers there are beside us, not that records stop coming here.
    """

    def removeHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 -- the name is logging's
        """Take any handler off but ours. `basicConfig` wants the root empty before it adds its own; there ours goes,
        and comes back with the next."""
        if hdlr is not _HANDLER or sys._getframe(1).f_code is logging.basicConfig.__code__:
            super().removeHandler(hdlr)

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 -- the name is logging's
        """Add a handler, and ours again when it had to go."""
        super().addHandler(hdlr)
        super().addHandler(_HANDLER)

    def handle(self, record: logging.LogRecord) -> None:
        """What is logged on the root itself arrives though somebody else's handler raises, as any other logger's."""
        try:
            super().handle(record)
        except Exception as error:  # logging never raises into the application
            if not take_missed(error, record.name):
                raise


def get_logger(name: str | None = None, /, **fields: object) -> Logger:
    """The logger of this name, as one that takes fields as keywords; with `fields` bound to it.

    May be called before `configure`: until then records go the standard way. A logger of somebody else's class
    keeps its class; what is returned shares its state.
    """
    found = logging.getLogger(name)
    if type(found) is logging.Logger:
        _adopt(found)
    if name:
        _KEPT.add(name)
    logger = found if isinstance(found, Logger) else BoundLogger(found, {})
    return logger.bind(**fields) if fields else logger


def _adopt(logger: object) -> None:
    """Let a logger from before take the short way; one that somebody changed goes on being asked about each record."""
    if not isinstance(logger, logging.Logger) or isinstance(logger, Taker):
        return
    if type(logger) is logging.Logger:
        is_patched = not PATCHABLE.isdisjoint(vars(logger))
        logger.__class__ = Logger
        settle(cast("Logger", logger), is_patched=is_patched)
    elif OURS.isdisjoint(vars(logger)) and (lent := lend(type(logger))) is not None:
        logger.__class__ = lent


def install(level: int, code_level: int) -> None:
    """Our handler on the root logger, our class for loggers there are and will be, and the root's level."""
    global _level_before  # noqa: PLW0603 -- standard logging is one for the process, and so is what was before
    root = logging.getLogger()
    with OUTLET.changing:
        if _level_before is None:
            _level_before = root.level
        if logging.getLoggerClass() is logging.Logger:
            logging.setLoggerClass(Logger)
        for logger in list(root.manager.loggerDict.values()):
            _adopt(logger)
        if type(root) is logging.RootLogger:
            root.__class__ = _Root
        root.setLevel(level)
        OUTLET.code_level = code_level
        OUTLET.handler, OUTLET.handlers = _HANDLER, [_HANDLER]
        if _HANDLER not in root.handlers:
            root.addHandler(_HANDLER)


def give_back() -> None:
    """Loggers that were made by others are standard ones again, and new ones too. Our handler stays, so that
    what is logged later still arrives."""
    with OUTLET.changing:
        if logging.getLoggerClass() is Logger:
            logging.setLoggerClass(logging.Logger)
        for name, logger in list(logging.getLogger().manager.loggerDict.items()):
            if type(logger) is Logger and name not in _KEPT:
                logger.__class__ = logging.Logger  # type: ignore[assignment]  # what it was before
            elif isinstance(logger, Lent):
                logger.__class__ = logger._lender  # type: ignore[assignment]  # the same


def uninstall() -> None:
    """As if Tamis had never been there: the root's level and handlers too."""
    global _level_before  # noqa: PLW0603 -- see install
    give_back()
    with OUTLET.changing:
        OUTLET.handlers, OUTLET.code_level = None, NEVER
        root = logging.getLogger()
        if type(root) is _Root:
            root.__class__ = logging.RootLogger  # type: ignore[assignment]  # what it was before
        root.removeHandler(_HANDLER)
        if _level_before is not None:
            root.setLevel(_level_before)
            _level_before = None


def is_installed() -> bool:
    """Whether our handler is on the root logger."""
    return OUTLET.handlers is not None
