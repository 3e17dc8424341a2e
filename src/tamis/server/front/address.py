"""Who a request comes from: an address, also when proxies that we trust stand between."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

from tamis.errors import ConfigError
from tamis.settings import Settings

Network = IPv4Network | IPv6Network
IPV6_PREFIX_BITS = 64
"""One household or machine has at least so many addresses: they count as one."""
UNKNOWN = "unknown"


def proxies_of(settings: Settings) -> tuple[Network, ...]:
    """The networks of `server.proxies`; ConfigError names the one that is none."""
    return tuple(_network(text, settings) for text in settings.server.proxies)


def _network(text: str, settings: Settings) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        source = settings.sources.get("server.proxies", "default")
        raise ConfigError(
            "server.proxies", text, source, f"is no address or network such as 10.0.0.0/8: {error}"
        ) from None


def caller_address(scope: Scope, proxies: Sequence[Network]) -> str:
    """The address that counts for limits: the nearest one that is no trusted proxy; of IPv6 its network."""
    client = scope.get("client")
    address = client[0] if client else UNKNOWN
    if proxies and _is_within(address, proxies):
        address = _forwarded(scope, proxies) or address
    return _shared(address)


def _forwarded(scope: Scope, proxies: Sequence[Network]) -> str | None:
    """The last of `X-Forwarded-For` that no trusted proxy wrote of another: everything before it is hearsay."""
    listed = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    for text in map(str.strip, reversed(listed)):
        if not _is_within(text, proxies):
            return text if _is_address(text) else None
    return None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_within(text: str, networks: Sequence[Network]) -> bool:
    return _is_address(text) and any(ip_address(text) in network for network in networks)


def _shared(text: str) -> str:
    if ":" not in text or not _is_address(text):
        return text
    address = ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped) if mapped else str(ip_network(f"{address}/{IPV6_PREFIX_BITS}", strict=False))
