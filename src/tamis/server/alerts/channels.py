"""Whom the server tells: channels by name, made from URLs that are never shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import ConfigError
from tamis.http_client.guard import Guard, dial_any
from tamis.pipeline.alerts.channels import create_channel
from tamis.pipeline.base import Sink
from tamis.resilience.breaker import CircuitBreaker
from tamis.server.alerts.options import AlertOptions
from tamis.server.alerts.rule import NAME

SOURCE = "a channel's URL"
_MAILTO = "mailto:"


def check_channel_name(name: str) -> None:
    """ConfigError when it is none."""
    if not NAME.fullmatch(name):
        raise ConfigError("channel", name, "its name", "must be letters, digits, _ . or -, at most 64")


def make_channel(url: str, options: AlertOptions) -> Sink:
    """The channel of a URL; ConfigError says what is wrong with it, and shows nothing that may be secret.

    ``mailto:`` goes through the relay of the settings, which may stand in the own network; everything else may only
    where `alerts.networks` allows it, and names no file of the server.
    """
    if url.startswith(_MAILTO):
        return create_channel(_through_relay(url, options.mail), dial=dial_any)
    try:
        return create_channel(url, dial=Guard(options.networks).dial, may_name_files=False)
    except ConfigError as error:
        raise ConfigError("url", error.value, error.source, error.reason) from None


def _through_relay(url: str, relay: str) -> str:
    """The relay's URL with the addresses of a ``mailto:``."""
    if not relay:
        raise ConfigError("url", "mailto", SOURCE, "needs a mail server: set alerts.mail")
    to = unquote(url.removeprefix(_MAILTO).partition("?")[0])
    if not to.strip():
        raise ConfigError("url", "mailto", SOURCE, "must be such as mailto:ops@example.org")
    parts = urlsplit(relay)
    given = [(name, value) for name, value in parse_qsl(parts.query) if name != "to"]
    return parts._replace(query=urlencode([*given, ("to", to)])).geturl()


def shown(sink: Sink) -> str:
    """A channel without its secrets, and without the mark that tells it from others."""
    return re.sub(r" [0-9a-f]{6}$", "", sink.name)


@dataclass(frozen=True, slots=True)
class Channel:
    """Whom to tell, and the breaker round it."""

    url: str
    sink: Sink
    breaker: CircuitBreaker


class Channels:
    """The channels there are, made anew when their URL changes. For one thread at a time."""

    def __init__(self, options: AlertOptions, clock: Clock = SYSTEM_CLOCK) -> None:
        self._options, self._clock = options, clock
        self._made: dict[str, Channel] = {}

    def get(self, urls: Mapping[str, str], name: str) -> Channel | None:
        """The channel of this name; None when there is none (any more). ConfigError when its URL is none."""
        url, known = urls.get(name), self._made.get(name)
        if known is not None and known.url != url:
            known.sink.close()
            del self._made[name]
            known = None
        if url is None:
            return None
        if known is None:
            known = self._made[name] = self._make(name, url)
        return known

    def close(self) -> None:
        """Close their connections."""
        for channel in self._made.values():
            channel.sink.close()
        self._made.clear()

    def _make(self, name: str, url: str) -> Channel:
        sink = make_channel(url, self._options)
        breaker = CircuitBreaker(f"alert channel {name}", self._options.breaker, clock=self._clock)
        return Channel(url, sink, breaker)
