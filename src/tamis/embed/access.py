"""The access record: one for each request, whichever way it came in."""

import logging
from typing import Any

from tamis.clock import Clock
from tamis.embed.correlation import Incoming
from tamis.embed.logger import Logger
from tamis.embed.outlet import report_lost

ACCESS_LOGGER = "tamis.access"
_PATH_CHARS_MAX = 2_048
FAILED = 500
"""Statuses from here on are failures of ours."""


class Access:
    """One request while it goes on; `finish` writes its record, once.

    Fields: `method`, `path` (without the query), `route` where the framework tells it, `status`, `duration_ms`,
    `bytes` (of the body that was sent), `client`, `parent_span_id`, `disconnected` when the client did not wait.
    An exception stands in the same record, which is ERROR then, as for a status from 500 on.
    """

    def __init__(
        self,
        logger: Logger,
        clock: Clock,
        incoming: Incoming,
        *,
        method: str,
        path: str,
        client: str | None,
    ) -> None:
        self._logger, self._clock = logger, clock
        self.method, self.path = method, path[:_PATH_CHARS_MAX]
        self._fields: dict[str, Any] = {"client": client, "parent_span_id": incoming.parent_span_id}
        self.status: int | None = None
        self.route: str | None = None
        self.bytes = 0
        self.is_finished = False
        self.is_skipped = False
        """Whether it leaves no record, unless it fails."""
        self._begun_s, self._ended_s = clock.monotonic_s(), -1.0

    def note(self, **fields: Any) -> None:
        """Something more for the record."""
        self._fields |= fields

    def stop(self) -> None:
        """The response is complete, whatever its application still does."""
        if self._ended_s < 0:
            self._ended_s = self._clock.monotonic_s()

    def finish(self, error: BaseException | None = None) -> None:
        """It is over. What fails afterwards gets a record of its own."""
        try:
            if not self.is_finished:
                self.is_finished = True
                self._write(error)
            elif error is not None:
                self._write_late(error)
        except Exception as failure:  # a framework's objects, a patched logger: the request goes on
            report_lost(ACCESS_LOGGER, failure)

    def _write(self, error: BaseException | None) -> None:
        if error is not None and isinstance(error, Exception) and self.status is None:
            self.status = FAILED
        self.stop()
        duration_ms = (self._ended_s - self._begun_s) * 1_000
        fields = {
            "method": self.method,
            "path": self.path,
            "route": self.route,
            "status": self.status,
            "duration_ms": round(duration_ms, 3),
            "bytes": self.bytes,
            **self._fields,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        if isinstance(error, Exception):
            given["exc_info"] = error
        has_failed = "exc_info" in given or (self.status or 0) >= FAILED
        if self.is_skipped and not has_failed:
            return
        status = "-" if self.status is None else self.status
        self._logger.log(
            logging.ERROR if has_failed else logging.INFO,
            "%s %s %s",
            self.method,
            self.path,
            status,
            stacklevel=3,
            **given,
        )

    def _write_late(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            self._logger.error(
                "%s %s failed after its response",
                self.method,
                self.path,
                method=self.method,
                path=self.path,
                exc_info=error,
                stacklevel=3,
            )
