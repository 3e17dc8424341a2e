"""A LogRecord becomes a captured tuple, without a lock."""

import logging
from abc import abstractmethod

from tamis.embed.log_record import capture_log_record
from tamis.embed.outlet import tell_lost
from tamis.pipeline.captured import Captured


class CapturingHandler(logging.Handler):
    """A handler without a lock: a signal handler or `__del__` that logs in the middle of another record cannot
    block. Nothing it does raises into the application.
    """

    code_level: int
    """From this level on, records carry the position in the code."""

    def createLock(self) -> None:  # noqa: N802 -- the name is logging's
        """No lock is needed: nothing is shared but a lock-free queue."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Filters as everywhere, then the record is taken."""
        if self.filters:
            passed = self.filter(record)
            if not passed:
                return False
            record = passed if isinstance(passed, logging.LogRecord) else record
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Capture the record and put it on its way."""
        try:
            self.put(capture_log_record(record, self.code_level))
        except Exception as error:  # logging never raises into the application
            self.lose(record.name, error)

    def lose(self, logger: str, error: Exception) -> None:
        """Say that a record could not be captured."""
        tell_lost(logger, error)

    @abstractmethod
    def put(self, captured: Captured) -> object:
        """Take what was captured. Takes no lock, waits for nothing."""
