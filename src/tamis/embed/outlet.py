"""Where loggers put what they captured: one place for the process, changed while they go on."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from tamis.clock import now_ns
from tamis.pipeline.captured import Captured, Code, More
from tamis.pipeline.fork import watch_forks
from tamis.pipeline.own import this_thread
from tamis.record.context import CURRENT, Context
from tamis.telemetry.diagnostics import Diagnostics

NOT_CAPTURED = "not_captured"
NEVER = 1 << 31
"""A level that no record reaches."""


class Outlet:
    """The way from loggers to the pipeline. Each attribute is read alone and changed by one assignment, so that
    a change at run time loses no record: whoever read the old `put` still puts into something that takes it.
    """

    __slots__ = (
        "__weakref__",
        "changing",
        "code_level",
        "context",
        "handler",
        "handlers",
        "lose",
        "put",
        "put_own",
    )

    def __init__(self) -> None:
        self.put: Callable[[Captured], object] = _into_nothing
        self.put_own: Callable[[Captured], object] = _into_nothing
        """For what is logged within the pipeline's own work."""
        self.lose: Callable[[str, str], object] = _count_nowhere
        """Counts a record of a logger that could not be captured, by reason."""
        self.handlers: list[logging.Handler] | None = None
        """What the root logger has when it has our handler alone; None while the pipeline is not there, and
        everything goes the standard way."""
        self.handler: logging.Handler = logging.NullHandler()
        """Our handler; another one stands here until the pipeline is first there."""
        self.code_level = NEVER
        """From this level on, records carry the position in the code."""
        self.context: Callable[[], Context] = CURRENT.get
        """Reads the context on the caller."""
        self.changing = threading.Lock()
        """Held by whoever changes standard `logging`; never on the way of a record."""

    def after_fork(self) -> None:
        """In the child: a lock that another thread of the parent held would never be free."""
        self.changing = threading.Lock()
        DIAGNOSTICS.after_fork_in_child()


def _into_nothing(_captured: Captured) -> None:
    """Nothing is installed; loggers ask `handlers` first, so nothing comes here."""


def _count_nowhere(_logger: str, _reason: str) -> None:
    """There is no pipeline that counts."""


OUTLET = Outlet()
DIAGNOSTICS = Diagnostics()
"""Where capture says what it has to say of itself."""
watch_forks(OUTLET)


def put_captured(
    level: int,
    logger: str,
    message: str,
    arguments: tuple[object, ...],
    fields: Mapping[str, Any],
    bound: Mapping[str, Any] | None,
    code: Code | None,
    more: More | None,
) -> None:
    """Put a record that happens now, on this thread; its values must not change any more."""
    thread = this_thread()
    put = OUTLET.put if thread is not None else OUTLET.put_own
    put((now_ns(), level, logger, message, arguments, fields, bound, thread, OUTLET.context(), code, more))


def report_lost(logger: str, error: Exception) -> None:
    """Count a record that could not be captured, and say so; never raises."""
    with suppress(Exception):  # there may be no memory left, not even to say so
        OUTLET.lose(logger, NOT_CAPTURED)
    tell_lost(logger, error)


def tell_lost(logger: str, error: Exception) -> None:
    """Say that a record could not be captured, by a handler that the pipeline knows nothing of; never raises."""
    with suppress(Exception):  # as above
        DIAGNOSTICS.tell("capture", f"a record of {logger} could not be captured: {error!r}")
