"""Where a server is: its URL taken apart once."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from tamis.errors import ConfigError

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A server's address. `prefix` is the path that stands before every request's own (behind a proxy),
    without a slash at its end; `token` is what the URL carried as user name."""

    scheme: str
    host: str
    port: int
    prefix: str = ""
    token: str = ""

    @property
    def url(self) -> str:
        """The URL again, without the token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.prefix}"

    @property
    def loopback(self) -> bool:
        """Whether what is sent there stays on this machine."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(url: str, source: str = "argument") -> Address:
    """A URL such as ``http://TOKEN@127.0.0.1:4817``; ConfigError when it is none."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError as error:
        raise ConfigError("url", url, source, f"is no URL: {error}") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigError("url", url, source, "must be a URL such as http://127.0.0.1:4817")
    return Address(
        scheme=parts.scheme,
        host=parts.hostname,
        port=DEFAULT_PORTS[parts.scheme] if port is None else port,
        prefix=parts.path.rstrip("/"),
        token=unquote(parts.username or ""),
    )
