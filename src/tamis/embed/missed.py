"""Records that somebody else's handler would keep from ours by raising."""

import logging
from contextlib import suppress
from types import FrameType

from tamis.embed.outlet import DIAGNOSTICS, OUTLET

_HOME = logging.getLogger.__code__.co_filename


def take_missed(error: Exception, logger: str) -> bool:
    """Whether the record that was being logged is with our handler, or was never meant for it, although another
    handler raised this. If it did so before ours had its turn, ours has it now. False when no handler raised, but
    a filter, say, which might have held the record back. Never raises.
    """
    with suppress(Exception):  # what a frame of `logging` holds is for nobody to rely on
        frame = _frame_of_handlers(error)
        if frame is None:
            return False
        here = frame.f_locals
        record, hdlr = here["record"], here["hdlr"]
        if record.name != logger:
            return False
        _go_on(record, here["c"], hdlr)
        DIAGNOSTICS.tell(
            f"handler {id(hdlr):x}", f"the handler {hdlr!r} raised what it should handle: {error!r}"
        )
        return True
    return False


def _frame_of_handlers(error: Exception) -> FrameType | None:
    """Where handlers were being called when this was raised, outermost first."""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name == "callHandlers" and code.co_filename == _HOME:
            return trace.tb_frame
        trace = trace.tb_next
    return None


def _go_on(record: logging.LogRecord, logger: logging.Logger | None, raised: logging.Handler) -> None:
    """Give the record to our handler, if its turn would have come after that of the handler that raised."""
    ours, is_after = OUTLET.handler, False
    while logger is not None:
        for handler in logger.handlers:
            if handler is ours and is_after:
                if record.levelno >= ours.level:
                    ours.handle(record)
                return
            is_after = is_after or handler is raised
        logger = logger.parent if logger.propagate else None
