"""The URL of a sink taken apart: address, credentials, options; what is wrong is told without what is secret."""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from tamis.errors import ConfigError
from tamis.http_client.address import DEFAULT_PORTS, Address
from tamis.http_client.connection import Trust
from tamis.pipeline.base import BatchLimits
from tamis.pipeline.sinks.masking import KEY, without_secrets
from tamis.settings.kinds import parse_bool, parse_bytes, parse_int, parse_seconds

SOURCE = "a sink's URL"
_Value = TypeVar("_Value")
BATCH_RECORDS_MAX = 1_000
"""A Tamis server lists so many rejected lines; of more it says only how many there are."""
_TEXT_IN_URL = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class SinkUrl:
    """A URL such as ``elasticsearch+https://user:pass@host:9200/index?gzip=off``. `path` is as it stands there,
    without slashes at its ends; `options` are taken out one by one, and `finish` refuses what is left.
    """

    family: str
    address: Address
    path: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    options: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """The URL without credentials and options."""
        return f"{self.address.url}/{self.path}" if self.path else self.address.url

    def text(self, name: str, default: str = "") -> str:
        """An option as it is given."""
        return self.options.pop(name, default)

    def choice(self, name: str, default: str, *allowed: str) -> str:
        """An option that has one of a few values."""
        value = self.options.pop(name, default)
        if value not in allowed:
            self.refuse(f"{name}={value!r} must be one of {', '.join(allowed)}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """An option that is on or off."""
        return self.parsed(name, default, parse_bool)

    def parsed(self, name: str, default: _Value, parse: Callable[[object], _Value]) -> _Value:
        """An option read by one of the settings' parsers, which raise ValueError."""
        given = self.options.pop(name, None)
        try:
            return default if given is None else parse(given)
        except ValueError as error:
            self.refuse(f"{name}={given!r} {error}")

    def headers(self) -> dict[str, str]:
        """Options such as ``header.X-Scope-OrgID=shop``: headers for each request."""
        names = [name for name in self.options if name.startswith("header.")]
        found = {name.removeprefix("header."): self.options.pop(name) for name in names}
        for name, value in found.items():
            if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or not value.isprintable():
                self.refuse(f"header.{name} is no header")
        return found

    def trust(self) -> Trust:
        """Whose certificates are taken."""
        trust = Trust(verify=self.flag("verify", default=True), ca_file=self.text("ca_file"))
        if not trust.verify and trust.ca_file:
            self.refuse("ca_file does nothing beside verify=off; leave one of them out")
        if trust.ca_file and not Path(trust.ca_file).is_file():
            self.refuse(f"ca_file={trust.ca_file!r}: there is no such file")
        return trust

    def limits(self, default: BatchLimits = BatchLimits()) -> BatchLimits:  # noqa: B008  # frozen
        """When waiting records are sent."""
        limits = BatchLimits(
            records=self.parsed("batch_records", default.records, parse_int),
            bytes=self.parsed("batch_bytes", default.bytes, parse_bytes),
            wait_s=self.parsed("wait", default.wait_s, parse_seconds),
            urgent_severity=default.urgent_severity,
        )
        if not 1 <= limits.records <= BATCH_RECORDS_MAX:
            self.refuse(f"batch_records={limits.records} must be between 1 and {BATCH_RECORDS_MAX:,}")
        if limits.bytes < 1 or limits.wait_s < 0:
            self.refuse("batch_bytes must be at least 1, and wait no less than 0")
        return limits

    def finish(self) -> None:
        """ConfigError when there are options that nobody took."""
        if self.options:
            self.refuse(f"has options that this sink does not know: {', '.join(sorted(self.options))}")

    def refuse(self, reason: str) -> NoReturn:
        """Raise the ConfigError of this URL."""
        raise ConfigError(KEY, f"{self.family}+{self.shown}" if self.family else self.shown, SOURCE, reason)


def parse_sink_url(url: str) -> SinkUrl:
    """A sink's URL; ConfigError names what is wrong with it, and shows nothing that may be secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        if "out of range" in str(error):
            _refuse(
                url, "has a port over 65535; where that is a part of a password, write / as %2F and @ as %40"
            )
        _refuse(url, "is no URL; in a password, write / ? # @ and % as %2F %3F %23 %40 %25")
    family, _, transport = parts.scheme.rpartition("+")
    if transport not in DEFAULT_PORTS:
        _refuse(url, f"the scheme must end in http or https, not {parts.scheme!r}")
    if not parts.hostname or not _TEXT_IN_URL.fullmatch(parts.hostname):
        _refuse(url, "has no host, such as in http://127.0.0.1:4817")
    if "@" in parts.path:
        _refuse(url, "has an @ behind the host; in a password, write / as %2F and @ as %40")
    if parts.fragment:
        _refuse(url, "has a #; write %23 where one belongs to a password")
    if port == 0:
        _refuse(url, "port 0 is none")
    address = Address(
        scheme=transport, host=parts.hostname, port=DEFAULT_PORTS[transport] if port is None else port
    )
    return SinkUrl(
        family=family,
        address=address,
        path=parts.path.strip("/"),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        options=dict(_options(url, parts.query)),
    )


def _options(url: str, query: str) -> Iterator[tuple[str, str]]:
    seen = set()
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in seen:
            _refuse(url, f"has the option {name} twice")
        seen.add(name)
        yield name, value


def _refuse(url: str, reason: str) -> NoReturn:
    raise ConfigError(KEY, without_secrets(url), SOURCE, reason) from None


def basic_credentials(parts: SinkUrl) -> dict[str, str]:
    """The header of a URL's user and password; none when it has neither."""
    if not (parts.user or parts.password):
        return {}
    if ":" in parts.user:
        parts.refuse("the user's name has a colon, which Basic authentication cannot carry")
    pair = f"{parts.user}:{parts.password}".encode("utf-8", "surrogatepass")
    return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}
