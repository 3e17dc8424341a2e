"""Whom alerts are told: the table of channels, and how one is made from its URL."""

from importlib import import_module

from tamis.errors import ConfigError
from tamis.http_client.guard import Dial, dial_any
from tamis.pipeline.alerts.channels.url import KEY, SOURCE, parse_channel_url
from tamis.pipeline.base import Sink

CHANNELS: dict[str, str] = {
    "smtp": "tamis.pipeline.alerts.channels.mail",
    "webhook": "tamis.pipeline.alerts.channels.webhook",
    "slack": "tamis.pipeline.alerts.channels.slack",
    "pagerduty": "tamis.pipeline.alerts.channels.pagerduty",
    "alertmanager": "tamis.pipeline.alerts.channels.alertmanager",
}
"""The family of a channel, and the module whose `create(url)` makes it."""


def create_channel(given: str, *, dial: Dial = dial_any, may_name_files: bool = True) -> Sink:
    """The channel that a URL stands for, with connections that `dial` makes; ConfigError names what is wrong, and
    shows no secret. `may_name_files`: the URL may have this process open a `ca_file`.
    """
    url = parse_channel_url(given, dial=dial, may_name_files=may_name_files)
    module = CHANNELS.get(url.family)
    if module is None:
        known = ", ".join(sorted(CHANNELS))
        raise ConfigError(KEY, url.shown, SOURCE, f"no such channel; there are {known}")
    channel: Sink = import_module(module).create(url)
    url.finish()
    return channel
