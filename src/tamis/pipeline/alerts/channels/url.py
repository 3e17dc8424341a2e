"""The URL of an alert channel taken apart; what is wrong is told without what is secret."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tamis.errors import ConfigError
from tamis.http_client.address import Address
from tamis.http_client.connection import Trust
from tamis.http_client.guard import Dial, dial_any

KEY = "alert.channels"
SOURCE = "a channel's URL"
PORTS = {"http": 80, "https": 443, "plain": 25, "starttls": 587, "tls": 465}
_SMTP = {"smtp": "plain", "smtp+starttls": "starttls", "smtps": "tls"}
_TRUE, _FALSE = frozenset(("1", "true", "yes", "on")), frozenset(("0", "false", "no", "off"))
_HOST = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class ChannelUrl:
    """A URL such as ``slack+https://hooks.slack.com/services/…``. `address.scheme` is http or https, and for mail
    plain, starttls or tls. The path of a webhook is mostly its secret, so it is never shown.
    """

    family: str
    address: Address
    path: str = field(repr=False)
    mark: str
    """Six hexadecimal digits that tell URLs apart without showing them."""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    options: dict[str, str] = field(default_factory=dict, repr=False)
    dial: Dial = field(default=dial_any, repr=False)
    """Makes connections; a server refuses those into its own network."""
    may_name_files: bool = True
    """Whether it comes from whoever runs the process, and may have it open files."""

    @property
    def shown(self) -> str:
        """The family and the host."""
        return f"{self.family} {self.address.host}:{self.address.port}"

    @property
    def name(self) -> str:
        """The channel's name, without secrets."""
        return f"{self.shown} {self.mark}"

    def take(self, name: str, default: str = "") -> str:
        """An option as it is given."""
        return self.options.pop(name, default)

    def require(self, name: str, why: str) -> str:
        """An option that must be there."""
        value = self.take(name)
        if not value:
            self.refuse(f"needs {name}=…, {why}")
        return value

    def trust(self) -> Trust:
        """Whose certificates are taken."""
        verify = self.take("verify", "on").lower()
        if verify not in _TRUE | _FALSE:
            self.refuse("verify must be on or off")
        ca_file = self.take("ca_file")
        if ca_file and not self.may_name_files:
            self.refuse(
                "must not name a ca_file: a server opens none for its callers; its system's are taken"
            )
        return Trust(verify=verify in _TRUE, ca_file=ca_file)

    def rest_of_query(self) -> str:
        """The options that are left, as the query of a request: they are the receiver's."""
        rest = urlencode(self.options)
        self.options.clear()
        return f"?{rest}" if rest else ""

    def finish(self) -> None:
        """ConfigError when there are options that nobody took."""
        if self.options:
            self.refuse(f"has options that it does not know: {', '.join(sorted(self.options))}")

    def refuse(self, reason: str) -> NoReturn:
        """Raise the ConfigError of this URL."""
        raise ConfigError(KEY, self.shown, SOURCE, reason)


def parse_channel_url(url: str, *, dial: Dial = dial_any, may_name_files: bool = True) -> ChannelUrl:
    """A channel's URL; ConfigError names what is wrong with it, and shows nothing that may be secret."""
    shown = url.partition("://")[0] if "://" in url else "***"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(KEY, shown, SOURCE, f"is no URL: {error}") from None
    if parts.scheme in _SMTP:
        family, transport = "smtp", _SMTP[parts.scheme]
    else:
        family, _, transport = parts.scheme.rpartition("+")
    if transport not in PORTS or not family or not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise ConfigError(
            KEY, shown, SOURCE, "must be such as slack+https://…, or smtp+starttls://user:password@host?to=…"
        )
    return ChannelUrl(
        family=family,
        address=Address(scheme=transport, host=parts.hostname, port=port or PORTS[transport]),
        path=parts.path or "/",
        mark=hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:6],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        options=dict(parse_qsl(parts.query, keep_blank_values=True)),
        dial=dial,
        may_name_files=may_name_files,
    )
