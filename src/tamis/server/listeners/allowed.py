"""Who may send to listeners that carry no token: networks."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from tamis.errors import ConfigError
from tamis.settings import Settings

KNOWN_MAX = 10_000
"""Addresses whose answer is remembered."""


class Networks:
    """Some networks. Remembers what it said of the last addresses."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._networks = [ip_network(text, strict=False) for text in texts]
        self._known: dict[str, bool] = {}

    def has(self, address: str) -> bool:
        """Whether an address, as `peer_address` gives it, is in one of them."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            known = self._known[address] = self._look(address)
        return known

    def _look(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)


def allowed_networks(settings: Settings) -> Networks:
    """`listener.allowed`; ConfigError names what is no network."""
    for text in settings.listener.allowed:
        try:
            ip_network(text, strict=False)
        except ValueError as error:
            source = settings.sources.get("listener.allowed", "default")
            raise ConfigError(
                "listener.allowed", text, source, f"is no network such as 10.0.0.0/8: {error}"
            ) from None
    return Networks(settings.listener.allowed)


def peer_address(address: object) -> str:
    """The address of a socket's other end, IPv4 as such where the system shows it within IPv6."""
    text = str(address[0]) if isinstance(address, tuple) and address else ""
    return text.partition("%")[0].removeprefix("::ffff:")
