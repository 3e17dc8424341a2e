"""PagerDuty, by its Events API v2 (https://developer.pagerduty.com/docs/events-api-v2/trigger-events/)."""

import hashlib

from tamis.pipeline.alerts.alert import Alert
from tamis.pipeline.alerts.channels.base import HttpChannel, Notice, encode
from tamis.pipeline.alerts.channels.text import print_line, print_time
from tamis.pipeline.alerts.channels.url import ChannelUrl
from tamis.record.severity import severity

_SUMMARY_CHARS_MAX = 1_024
_PATH = "/v2/enqueue"
_SEVERITIES = ((21, "critical"), (17, "error"), (13, "warning"), (0, "info"))


class PagerDutyChannel(HttpChannel):
    """Triggers an incident, and resolves it when the trouble is over; `dedup_key` is the trouble's, so that what
    comes twice is one incident.
    """

    def __init__(self, url: ChannelUrl) -> None:
        self._routing_key = url.require("routing_key", "the integration key of the service")
        super().__init__(url, _PATH if url.path == "/" else url.path)

    def notice(self, alert: Alert, batch_id: str) -> Notice:
        """An event of PagerDuty's."""
        body: dict[str, object] = {
            "routing_key": self._routing_key,
            "event_action": "resolve" if alert.state == "over" else "trigger",
            "dedup_key": hashlib.sha256(alert.key.encode("utf-8")).hexdigest(),
            "payload": {
                "summary": alert.summary[:_SUMMARY_CHARS_MAX],
                "source": alert.host or alert.service or "tamis",
                "severity": next(name for least, name in _SEVERITIES if severity(alert.level) >= least),
                "timestamp": print_time(alert.last),
                "component": alert.service,
                "group": alert.groups[0].pattern if alert.groups else alert.rule,
                "class": alert.rule,
                "custom_details": {
                    "count": alert.count,
                    "groups": {group.shape: group.count for group in alert.groups},
                    "lines": [print_line(line) for line in alert.lines],
                    **({"labels": alert.labels} if alert.labels else {}),
                },
            },
        }
        if alert.link:
            body["links"] = [{"href": alert.link, "text": "The records"}]
        return Notice(encode(body), {})


def create(url: ChannelUrl) -> PagerDutyChannel:
    """``pagerduty+https://events.pagerduty.com?routing_key=…``."""
    return PagerDutyChannel(url)
