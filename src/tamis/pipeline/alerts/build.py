"""From settings to the sink that watches for alerts."""

import hashlib
from collections.abc import Sequence
from dataclasses import astuple

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.alerts.channels import create_channel
from tamis.pipeline.alerts.rules import make_rules
from tamis.pipeline.alerts.sink import AlertSink
from tamis.pipeline.alerts.watch import AlertLimits, Watch
from tamis.pipeline.base import Sink
from tamis.pipeline.build import ALERTS, create_delivery
from tamis.pipeline.captured import Origin
from tamis.pipeline.delivery.delivery import Delivery, start_delivery
from tamis.pipeline.metrics import LogMetrics
from tamis.settings import Settings
from tamis.telemetry.diagnostics import Diagnostics


def create_alerts(
    settings: Settings,
    origin: Origin,
    *,
    channels: Sequence[Sink] = (),
    diagnostics: Diagnostics | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> AlertSink:
    """What part `alert` says, with `channels` beside those it names. ConfigError names what is wrong. What
    becomes of alerts is counted apart from records. `clock` is for what is told when; deliveries have the
    machine's.
    """
    alert = settings.alert
    rules = make_rules(alert.threshold_errors, alert.rules, clock=clock)
    limits = AlertLimits(window_s=alert.window_s, cooldown_s=alert.cooldown_s, lines_max=alert.lines_max)
    diagnostics, metrics = diagnostics or Diagnostics(), LogMetrics()

    def deliver(channel: Sink, owner: Origin) -> Delivery:
        made = create_delivery(settings, channel, owner, metrics=metrics, diagnostics=diagnostics)
        if made.store is not None and made.store.others_bytes(None):
            start_delivery(made)
        return made

    mark = hashlib.sha256(repr(astuple(alert)).encode("utf-8", "replace")).hexdigest()[:6]
    return AlertSink(
        f"{ALERTS}{mark}",
        lambda: Watch(rules, limits, service=origin.service or "python", host=origin.host or "", clock=clock),
        [*channels, *(create_channel(url) for url in alert.channels)],
        deliver,
        origin,
        metrics=metrics,
        diagnostics=diagnostics,
    )
