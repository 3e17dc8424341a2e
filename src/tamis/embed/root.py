"""The handler on the root logger: whatever went the standard way goes into the pipeline here."""

from tamis.embed.handlers.capturing import CapturingHandler
from tamis.embed.outlet import OUTLET, report_lost
from tamis.pipeline.captured import Captured
from tamis.pipeline.own import is_own


class RootHandler(CapturingHandler):
    """Puts LogRecords into the pipeline of the process."""

    @property
    def code_level(self) -> int:  # type: ignore[override]  # it changes with the configuration
        """As configured now."""
        return OUTLET.code_level

    def put(self, captured: Captured) -> object:
        """Into whatever the pipeline is now."""
        put = OUTLET.put_own if is_own() else OUTLET.put
        return put(captured)

    def lose(self, logger: str, error: Exception) -> None:
        """Count it too."""
        report_lost(logger, error)
