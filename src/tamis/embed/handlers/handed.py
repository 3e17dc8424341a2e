"""Records that one handler of ours hands to another: the application's, though our own work hands them over."""

import logging
import threading

from tamis.pipeline.own import is_own


class _Here(threading.local):
    record: logging.LogRecord | None = None


_HERE = _Here()


def hand(record: logging.LogRecord, handler: logging.Handler) -> bool:
    """Give a record to a handler, as `handler.handle` does; handlers of ours know that it was not logged meanwhile."""
    before, _HERE.record = _HERE.record, record
    try:
        return bool(handler.handle(record))
    finally:
        _HERE.record = before


def was_logged_within(record: logging.LogRecord) -> bool:
    """Whether a record was logged by the pipeline's own work, and is not one that it hands over (or what a filter
    made of that)."""
    if not is_own():
        return False
    handed = _HERE.record
    return handed is None or (
        handed is not record and (handed.created, handed.name) != (record.created, record.name)
    )
