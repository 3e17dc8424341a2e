"""Prometheus' Alertmanager, by its API v2 (https://github.com/prometheus/alertmanager, api/v2/openapi.yaml)."""

import re

from tamis.clock import NS_PER_S
from tamis.pipeline.alerts.alert import Alert
from tamis.pipeline.alerts.channels.base import HttpChannel, Notice, encode
from tamis.pipeline.alerts.channels.text import print_alert, print_time
from tamis.pipeline.alerts.channels.url import ChannelUrl

_PATH = "/api/v2/alerts"
_DESCRIPTION_CHARS_MAX = 8_000
_LABEL = re.compile("[^a-zA-Z0-9_]")


class AlertmanagerChannel(HttpChannel):
    """Posts the alert with labels that stay the same until it is over. Alertmanager forgets an alert that nobody
    repeats, so each says until when it holds: a little longer than until the next notice.
    """

    def notice(self, alert: Alert, batch_id: str) -> Notice:
        """One alert in Alertmanager's form."""
        holds_ns = int((2 * alert.repeat_s + alert.window_s) * NS_PER_S)
        ends = alert.last if alert.state == "over" else self._clock.now_ns() + holds_ns
        body = {
            "labels": {
                "alertname": "TamisErrors" if alert.rule == "errors" else "TamisRule",
                "rule": alert.rule,
                "service": alert.service,
                "instance": alert.host,
                "severity": alert.level.lower(),
                **_own_labels(alert),
            },
            "annotations": {
                "summary": alert.summary,
                "description": print_alert(alert)[:_DESCRIPTION_CHARS_MAX],
            },
            "startsAt": print_time(alert.began),
            "endsAt": print_time(ends),
            **({"generatorURL": alert.link} if alert.link else {}),
        }
        return Notice(encode([body]), {})


def _own_labels(alert: Alert) -> dict[str, str]:
    """What tells its alerts from others of the rule: labels, or the pattern it began with."""
    if not alert.labels and not alert.link:
        return {"pattern": alert.key.rpartition("/")[2]}
    return {
        _LABEL.sub("_", f"_{name}" if name[:1].isdigit() else name): value
        for name, value in alert.labels.items()
    }


def create(url: ChannelUrl) -> AlertmanagerChannel:
    """``alertmanager+http://host:9093``, with a path when it stands behind a proxy."""
    prefix = url.path.rstrip("/")
    return AlertmanagerChannel(url, prefix if prefix.endswith(_PATH) else prefix + _PATH)
