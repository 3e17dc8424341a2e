"""The handler on the root logger: whatever went the standard way goes into the pipeline here."""

import logging

from tamis.embed.handlers.capturing import CapturingHandler
from tamis.embed.log_record import capture_log_record
from tamis.embed.outlet import OUTLET, report_lost
from tamis.pipeline.captured import Captured
from tamis.pipeline.own import HERE, is_own


class RootHandler(CapturingHandler):
    """Puts LogRecords into the pipeline of the process."""

    @property
    def code_level(self) -> int:  # type: ignore[override]  # it changes with the configuration
        """As configured now."""
        return OUTLET.code_level

    def emit(self, record: logging.LogRecord) -> None:
        """As every such handler does, in fewer steps: whoever logs the standard way waits for this."""
        try:
            outlet = OUTLET
            captured = capture_log_record(record, outlet.code_level)
            if HERE.depth:
                outlet.put_own(captured)
            else:
                outlet.put(captured)
        except Exception as error:  # logging never raises into the application
            self.lose(record.name, error)

    def put(self, captured: Captured) -> object:
        """Into whatever the pipeline is now."""
        put = OUTLET.put_own if is_own() else OUTLET.put
        return put(captured)

    def lose(self, logger: str, error: Exception) -> None:
        """Count it too."""
        report_lost(logger, error)
