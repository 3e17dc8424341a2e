"""Settings from their sources: argument, environment, TOML file, default; the first that speaks wins."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from tamis.errors import ConfigError
from tamis.settings.alerts import AlertSettings, AlertsSettings
from tamis.settings.assets import AssetsSettings
from tamis.settings.backup import BackupSettings
from tamis.settings.breaker import BreakerSettings
from tamis.settings.cache import CacheSettings
from tamis.settings.listeners import GelfSettings, JournalSettings, ListenerSettings, SyslogSettings
from tamis.settings.parts import (
    AuditSettings,
    ClientSettings,
    IngestSettings,
    KeysSettings,
    QuerySettings,
    ServerSettings,
    StoreSettings,
)
from tamis.settings.pipeline import LogSettings, SpoolSettings
from tamis.settings.processors import EncryptSettings, RedactSettings, SampleSettings, SuppressSettings
from tamis.settings.protection import RatesSettings
from tamis.settings.table import BY_ENVIRONMENT, PARTS, TABLE, Row
from tamis.settings.tail import TailSettings
from tamis.settings.tracing import TracesSettings

MASK = "***REDACTED***"
PREFIX = "TAMIS_"
CONFIG_NAME = "TAMIS_CONFIG"
OTHER_NAMES: Mapping[str, str] = {
    CONFIG_NAME: "The TOML file, when `--config` names none.",
    "TAMIS_MASTER_KEY": "The key-encryption key, when `keys.provider` is environment.",
    "TAMIS_BACKUP_KEY": "The key of a repository of backups, when `backup.provider` is environment.",
    "TAMIS_DEBUG": "Set to anything: a command that fails shows its trace.",
}
"""Names in the environment that are not settings."""
_SERVICE_LINK = re.compile(r"TAMIS_(?:\w+_)?(?:SERVICE_(?:HOST|PORT)\w*|PORT(?:_\d+_(?:TCP|UDP)(?:_\w+)?)?)")
_HOST = re.compile(r"[^/?#@:\[\]]*(?::\d*)?(?:/[^#@]*)?|\[[^\]]*\](?::\d*)?(?:/[^#@]*)?")
"""A host with its port and path; where the port is none, it may be a part of a password."""
_BARE_USERINFO = re.compile(r"[^\s@\"']*:[^\s@\"']*@|[^\s@\"']*@[^\s@\"']*:\d+(?:/|$)")
_SECRET_OPTION = re.compile(r"(?i)key|token|secret|passw|pwd|auth|^header\.|^sig|credential")


@dataclass(frozen=True, slots=True)
class ResolvedRow:
    """What one setting came to, as it may be shown: secrets are masked."""

    key: str
    value: str
    source: str
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings by part; `warnings` holds sentences about names in the environment that mean nothing."""

    server: ServerSettings = field(default_factory=ServerSettings)
    rates: RatesSettings = field(default_factory=RatesSettings)
    ingest: IngestSettings = field(default_factory=IngestSettings)
    listener: ListenerSettings = field(default_factory=ListenerSettings)
    syslog: SyslogSettings = field(default_factory=SyslogSettings)
    gelf: GelfSettings = field(default_factory=GelfSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    query: QuerySettings = field(default_factory=QuerySettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    tail: TailSettings = field(default_factory=TailSettings)
    keys: KeysSettings = field(default_factory=KeysSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    assets: AssetsSettings = field(default_factory=AssetsSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    client: ClientSettings = field(default_factory=ClientSettings)
    log: LogSettings = field(default_factory=LogSettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    sample: SampleSettings = field(default_factory=SampleSettings)
    suppress: SuppressSettings = field(default_factory=SuppressSettings)
    redact: RedactSettings = field(default_factory=RedactSettings)
    encrypt: EncryptSettings = field(default_factory=EncryptSettings)
    alert: AlertSettings = field(default_factory=AlertSettings)
    traces: TracesSettings = field(default_factory=TracesSettings)
    alerts: AlertsSettings = field(default_factory=AlertsSettings)
    sources: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def value(self, key: str) -> object:
        """The value of one setting by its key, `server.port`."""
        part, name = key.split(".")
        return getattr(getattr(self, part), name)

    def resolved(self) -> list[ResolvedRow]:
        """Every setting with its value and where that came from."""
        return [
            ResolvedRow(key, show(row, self.value(key)), self.sources.get(key, "default"), row.doc)
            for key, row in TABLE.items()
        ]


def show(row: Row, value: object) -> str:
    """A value as it may be shown to anyone."""
    if row.secret:
        return MASK if value else ""
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return row.kind.show(tuple(without_secrets(item) for item in value))
    return without_secrets(row.kind.show(value))


def load_settings(
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    toml_path: Path | None = None,
) -> Settings:
    """Resolve every setting; ConfigError names key, value and source of the first that is wrong.

    `arguments` go by key (`{"server.port": 4817}`); None means not given. The TOML file is `toml_path`,
    else what TAMIS_CONFIG names, else none. An empty variable of the environment counts as not set.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    if toml_path is None and environ.get(CONFIG_NAME):
        toml_path = Path(environ[CONFIG_NAME])
    given = [*_from_file(toml_path), *_from_environment(environ), *_from_arguments(arguments or {})]
    for row, value, source in given:
        values[row.key], sources[row.key] = value, source
    parsed = {key: _parse(TABLE[key], value, sources[key]) for key, value in values.items()}
    settings = Settings(
        **{part: kind(**_of_part(part, parsed)) for part, kind in PARTS.items()},
        sources=sources,
        warnings=tuple(_unknown_names(environ)),
    )
    _check_together(settings)
    return settings


_Given = tuple[Row, object, str]


def _from_arguments(arguments: Mapping[str, object]) -> Iterable[_Given]:
    for key, value in arguments.items():
        if value is not None:
            yield _row_of(key, value, "argument"), value, "argument"


def _from_environment(environ: Mapping[str, str]) -> Iterable[_Given]:
    for name, row in BY_ENVIRONMENT.items():
        if environ.get(name):
            yield row, environ[name], f"environment {name}"


def _from_file(path: Path | None) -> Iterable[_Given]:
    if path is None:
        return
    source = f"file {path}"
    for part, table in _read_toml(path).items():
        if part not in PARTS:
            raise ConfigError(part, table, source, "no such part of the settings" + _hint(part, PARTS))
        if not isinstance(table, Mapping):
            raise ConfigError(part, table, source, f"must be a table: write [{part}] and settings below it")
        for name, value in table.items():
            yield _row_of(f"{part}.{name}", value, source), value, source


def _read_toml(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            "config", str(path), "argument or TAMIS_CONFIG", f"cannot be read: {error.strerror}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("config", str(path), "argument or TAMIS_CONFIG", f"is not TOML: {error}") from error


def _row_of(key: str, value: object, source: str) -> Row:
    row = TABLE.get(key)
    if row is None:
        raise ConfigError(key, value, source, "no such setting" + _hint(key, TABLE))
    return row


def _hint(name: str, known: Iterable[str]) -> str:
    near = _nearest(name, known)
    return f"; did you mean {near}?" if near else ""


def _nearest(name: str, known: Iterable[str]) -> str:
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.7)), "")


def _parse(row: Row, value: object, source: str) -> object:
    try:
        return row.parse(value)
    except ValueError as error:
        reason = str(error)
        if source.startswith("environment") and str(value).startswith(("tcp://", "udp://")):
            reason += "; it looks like a Kubernetes service link: set enableServiceLinks to false in the pod"
        shown = MASK if row.secret else without_secrets(value) if isinstance(value, str) else value
        raise ConfigError(row.key, shown, source, reason) from None


def without_secrets(text: str) -> str:
    """A text as it may be shown: of a URL without credentials, and without the options that hold some. What is no
    proper URL is not shown where a part of it may be a password.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return MASK if _BARE_USERINFO.match(text) else text
    place, question, query = rest.partition("?")
    before, at, host = place.rpartition("@")
    if place.startswith("/"):  # a file's
        return f"{scheme}://{place}{question}{query}"
    if "@" in query or not _HOST.fullmatch(host) or re.search(r"[/?#]", before):
        return f"{scheme}://{MASK}"
    shown = f"{scheme}://{MASK}@{host}" if at else f"{scheme}://{host}"
    return shown + question + "&".join(map(_option_shown, query.split("&")))


def _option_shown(option: str) -> str:
    name, sign, value = option.partition("=")
    return f"{name}{sign}{MASK}" if value and _SECRET_OPTION.search(name) else option


def _of_part(part: str, parsed: Mapping[str, object]) -> dict[str, Any]:
    prefix = f"{part}."
    return {key.removeprefix(prefix): value for key, value in parsed.items() if key.startswith(prefix)}


def _unknown_names(environ: Mapping[str, str]) -> Iterable[str]:
    known = {*BY_ENVIRONMENT, *OTHER_NAMES}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and not _SERVICE_LINK.fullmatch(name):
            near = _nearest(name.removeprefix(PREFIX), [other.removeprefix(PREFIX) for other in known])
            yield f"{name} in the environment is no setting" + (
                f"; did you mean {PREFIX}{near}?" if near else ""
            )


def _check_together(settings: Settings) -> None:
    server = settings.server
    if (server.tls_cert is None) != (server.tls_key is None):
        there, absent = ("tls_cert", "tls_key") if server.tls_key is None else ("tls_key", "tls_cert")
        source = settings.sources.get(f"server.{there}", "default")
        value = cast(Path, server.tls_cert or server.tls_key)
        raise ConfigError(f"server.{there}", str(value), source, f"needs server.{absent} beside it")
