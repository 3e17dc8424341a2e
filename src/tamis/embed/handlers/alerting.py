"""`AlertingHandler`: tells people when records say that something is wrong."""

import logging
from collections.abc import Iterable
from typing import Any

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.embed.config import LoggingConfig
from tamis.embed.handlers.base import PipelineHandler
from tamis.embed.origin import origin_of
from tamis.errors import ConfigError
from tamis.pipeline.alerts.build import create_alerts
from tamis.pipeline.base import Sink


class AlertingHandler(PipelineHandler):
    """Alerts by e-mail, webhook, Slack, PagerDuty or Alertmanager, when `threshold_errors` records of ERROR and above
    come within `window_s`, or one meets a query of `rules`.

    One alert tells of all that fired it, by shape, with the lines, redacted; for `cooldown_s` nothing more is
    said about it, then that it goes on, or is over. What is not given comes from the settings
    (`TAMIS_ALERT_THRESHOLD_ERRORS` …). `channels` are URLs, or sinks of one's own that take records with an `alert`.
    With `tamis.configure`, the setting `alert.channels` does the same without a handler, and loggers stay fast.
    """

    def __init__(
        self,
        channels: Iterable[str | Sink] | str | None = None,
        *,
        threshold_errors: int | None = None,
        window_s: float | None = None,
        cooldown_s: float | None = None,
        rules: Iterable[str] | str | None = None,
        lines_max: int | None = None,
        level: int | str = logging.NOTSET,
        clock: Clock = SYSTEM_CLOCK,
        **settings: Any,
    ) -> None:
        urls, objects = _parted(channels)
        given = {
            "alert_channels": urls,
            "alert_threshold_errors": threshold_errors,
            "alert_window_s": window_s,
            "alert_cooldown_s": cooldown_s,
            "alert_rules": rules if rules is None or isinstance(rules, str) else list(rules),
            "alert_lines_max": lines_max,
            **settings,
        }
        config = LoggingConfig(**given)
        self.alerts = create_alerts(
            config.settings, origin_of(config.log.service), channels=objects, clock=clock
        )
        if not self.alerts.channels:
            raise ConfigError(
                "alert.channels",
                "",
                "AlertingHandler",
                "name one, such as slack+https://…, to be told anything",
            )
        super().__init__([self.alerts], level=level, **(given | {"alert_channels": []}))

    def flush(self) -> None:
        """Wait until what was logged was looked at, and alerts were told or are safe; at most `exit_s` for each."""
        super().flush()
        self.alerts.wait(self.config.log.exit_s)


def _parted(channels: Iterable[str | Sink] | str | None) -> tuple[list[str] | None, list[Sink]]:
    """URLs, None when the settings are to say, and objects."""
    if channels is None:
        return None, []
    items = [channels] if isinstance(channels, str) else list(channels)
    return [item for item in items if isinstance(item, str)], [i for i in items if not isinstance(i, str)]
