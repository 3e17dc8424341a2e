"""Who is connected to: any address, or, for URLs that others give, none in the own network."""

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

Dial: TypeAlias = Callable[[str, int, float | None], socket.socket]
"""(host, port, seconds) to a connected socket; raises OSError."""
Ip: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses of IPv4 as networks without it write them (RFC 6052)."""
_REFUSED = tuple(
    map(
        ipaddress.ip_network,
        ("::/96", "2002::/16", "2001::/32", "64:ff9b:1::/48", "fec0::/10", "192.0.0.0/24"),
    )
)
"""Tunnels, translators of one site, and what is reserved for protocols: where they lead says nobody."""


def host_bytes(host: str) -> bytes:
    """A host's name as DNS and TLS take it. Given as text, Python would load a codec at the first connection, in the
    thread that makes it: a process forked meanwhile never connects, and where the codec cannot be loaded once, it is
    never looked for again. OSError when it can be nobody's name.
    """
    if host.isascii():
        return host.encode("ascii")
    try:
        return host.encode("idna")
    except UnicodeError as error:
        raise OSError(errno.EINVAL, f"{host!r} can be no host's name: {error}") from None


def dial_any(host: str, port: int, timeout_s: float | None) -> socket.socket:
    """Connect to whatever the name says."""
    return socket.create_connection((host_bytes(host), port), timeout_s)  # type: ignore[arg-type]  # typeshed: str, as errors show it


class Guard:
    """Connects to public addresses and to those in `allowed`, and to nothing else: not to this machine, not into its
    networks, however the address is written. The name is resolved once, and the connection goes to an address that was
    looked at, so that an answer of DNS that changes in between leads nowhere.
    """

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self.allowed = tuple(allowed)

    def dial(self, host: str, port: int, timeout_s: float | None) -> socket.socket:
        """Connect; PermissionError when every address is refused, the last OSError when none answers."""
        found = socket.getaddrinfo(host_bytes(host), port, type=socket.SOCK_STREAM)
        good = [one for one in found if self.is_allowed(str(one[4][0]))]
        if not good:
            raise PermissionError(
                errno.EACCES,
                f"{host} is in the server's own network; alerts.networks allows what is named there",
            )
        failure: OSError | None = None
        for family, kind, protocol, _, address in good:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(timeout_s)
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure or OSError(f"{host} has no address")

    def is_allowed(self, text: str) -> bool:
        """Whether an address may be connected to."""
        address = _plain(ipaddress.ip_address(text.partition("%")[0]))
        if _is_in(address, self.allowed):
            return True
        is_public = address.is_global and not address.is_multicast and not address.is_reserved
        return is_public and not _is_in(address, _REFUSED)


def _plain(address: Ip) -> Ip:
    """The IPv4 address that an IPv6 address is another form of."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _TRANSLATED:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_in(address: Ip, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
