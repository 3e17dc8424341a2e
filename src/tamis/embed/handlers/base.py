"""What handlers have in common: each has a pipeline of its own behind it."""

import logging
from collections.abc import Iterable
from typing import Any

from tamis.embed.config import LoggingConfig
from tamis.embed.exit import at_child_exit, at_exit
from tamis.embed.handlers.capturing import CapturingHandler
from tamis.embed.handlers.handed import was_logged_within
from tamis.embed.log_record import capture_log_record
from tamis.embed.origin import origin_of
from tamis.pipeline.base import Processor, Sink
from tamis.pipeline.build import build_dispatcher
from tamis.pipeline.captured import Captured
from tamis.pipeline.fork import watch_forks
from tamis.pipeline.metrics import LogMetrics


class PipelineHandler(CapturingHandler):
    """A handler with a pipeline of its own: processors, sinks, queue, spool; works alone in `dictConfig`.

    `sinks` and `settings` are those of `LoggingConfig`, which also reads the environment: redaction is on here too.
    A family's handler derives from it and says which processors and sinks it brings.
    """

    def __init__(
        self,
        sinks: Iterable[str | Sink] | str,
        *,
        processors: Iterable[Processor] = (),
        level: int | str = logging.NOTSET,
        **settings: Any,
    ) -> None:
        config = LoggingConfig(sinks=sinks, processors=processors, **settings)
        self.dispatcher = build_dispatcher(
            config.settings, config.sinks, config.processors, origin_of(config.log.service)
        )
        super().__init__(level)
        self.config, self.code_level = config, config.log.code_level
        watch_forks(self)
        at_exit(self)

    def after_fork(self) -> None:
        """In the child; the dispatcher starts anew by itself."""
        at_child_exit(self)

    @property
    def metrics(self) -> LogMetrics:
        """What became of the records so far."""
        return self.dispatcher.metrics

    def emit(self, record: logging.LogRecord) -> None:
        """Into the pipeline; what its own work logs is told, never taken."""
        try:
            captured = capture_log_record(record, self.code_level)
            put = self.dispatcher.put_own if was_logged_within(record) else self.dispatcher.put
            put(captured)
        except Exception as error:  # logging never raises into the application
            self.lose(record.name, error)

    def put(self, captured: Captured) -> None:
        """Into the pipeline, whoever logged it."""
        self.dispatcher.put(captured)

    def flush(self) -> None:
        """Wait until what was logged is delivered, or safe in the spool; at most `exit_s`."""
        self.dispatcher.flush(self.config.log.exit_s)

    def close(self) -> None:
        """Deliver what waits, at most for `exit_s`; idempotent. `logging` calls it when the process ends; what is
        logged later is written at once."""
        self.dispatcher.close(self.config.log.exit_s)
        super().close()

    def deliver_at_exit(self) -> None:
        """Before `logging` closes handlers, and at the end of a multiprocessing child, which it does not see."""
        self.dispatcher.close(self.config.log.exit_s)
