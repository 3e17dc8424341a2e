"""The handler on the root logger: whatever went the standard way goes into the pipeline here."""

import logging

from tamis.embed.log_record import capture_log_record
from tamis.embed.outlet import OUTLET, report_lost
from tamis.pipeline.own import is_own


class RootHandler(logging.Handler):
    """Puts LogRecords into the pipeline. It takes no lock: a signal handler or `__del__` that logs in the middle
    of another record cannot block.
    """

    def createLock(self) -> None:  # noqa: N802 -- the name is logging's
        """No lock is needed: nothing is shared but the pipeline's own lock-free queue."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Filters as everywhere, then the record is captured; never raises."""
        passed = self.filter(record)
        if not passed:
            return False
        self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Capture the record."""
        try:
            put = OUTLET.put_own if is_own() else OUTLET.put
            put(capture_log_record(record))
        except Exception as error:  # logging never raises into the application
            report_lost(record.name, error)
