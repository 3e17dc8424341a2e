"""How alert rules are looked after: the settings in the form that the parts take."""

import ipaddress
from dataclasses import dataclass, field

from tamis.errors import ConfigError
from tamis.http_client.guard import Network
from tamis.resilience.from_settings import breaker_limits
from tamis.resilience.limits import BreakerLimits
from tamis.settings import BreakerSettings, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertOptions:
    """See part `alerts` of the settings."""

    interval_s: float = 1.0
    grace_s: float = 60.0
    groups_max: int = 1_000
    lines_max: int = 10
    query_timeout_s: float = 30.0
    send_timeout_s: float = 10.0
    retry_for_s: float = 86_400.0
    history_age_s: float = 30 * 86_400.0
    url: str = ""
    mail: str = ""
    dry_run_s: float = 31 * 86_400.0
    networks: tuple[Network, ...] = ()
    breaker: BreakerLimits = field(default_factory=lambda: breaker_limits(BreakerSettings()))


def alert_options(settings: Settings, url: str) -> AlertOptions:
    """Those of the settings; `url` is the server's own. ConfigError when one is none."""
    given = settings.alerts
    return AlertOptions(
        interval_s=given.interval_s,
        grace_s=given.grace_s,
        groups_max=given.groups_max,
        lines_max=given.lines_max,
        query_timeout_s=settings.query.timeout_s,
        send_timeout_s=given.send_timeout_s,
        retry_for_s=given.retry_for_s,
        history_age_s=given.history_age_s,
        url=(given.url or url).rstrip("/"),
        mail=given.mail,
        dry_run_s=given.dry_run_s,
        networks=tuple(map(_network, given.networks)),
        breaker=breaker_limits(settings.breaker),
    )


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigError(
            "alerts.networks", text, "settings", f"is no network such as 10.0.0.0/8: {error}"
        ) from None
