"""The table of all settings, derived from the fields of the parts."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import cast

from tamis.settings.alerts import AlertSettings, AlertsSettings
from tamis.settings.assets import AssetsSettings
from tamis.settings.backup import BackupSettings
from tamis.settings.breaker import BreakerSettings
from tamis.settings.cache import CacheSettings
from tamis.settings.fields import Spec
from tamis.settings.kinds import Kind
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
from tamis.settings.tail import TailSettings
from tamis.settings.tracing import TracesSettings

PARTS: Mapping[str, type] = {
    "server": ServerSettings,
    "rates": RatesSettings,
    "ingest": IngestSettings,
    "listener": ListenerSettings,
    "syslog": SyslogSettings,
    "gelf": GelfSettings,
    "journal": JournalSettings,
    "store": StoreSettings,
    "query": QuerySettings,
    "cache": CacheSettings,
    "tail": TailSettings,
    "keys": KeysSettings,
    "audit": AuditSettings,
    "assets": AssetsSettings,
    "backup": BackupSettings,
    "client": ClientSettings,
    "log": LogSettings,
    "spool": SpoolSettings,
    "breaker": BreakerSettings,
    "sample": SampleSettings,
    "suppress": SuppressSettings,
    "redact": RedactSettings,
    "encrypt": EncryptSettings,
    "alert": AlertSettings,
    "traces": TracesSettings,
    "alerts": AlertsSettings,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: how it is called, what it takes, what it is for."""

    key: str
    environment: str
    spec: Spec
    default: object
    shown_default: str

    @property
    def kind(self) -> Kind:
        """What its values look like."""
        return self.spec.kind

    @property
    def doc(self) -> str:
        """What it is for, in a sentence."""
        return self.spec.doc

    @property
    def secret(self) -> bool:
        """Whether its value must never be shown."""
        return self.spec.secret

    def parse(self, value: object) -> object:
        """The checked value; ValueError says in half a sentence what is wrong."""
        parsed = self.kind.parse(value)
        if self.spec.check is not None:
            self.spec.check(parsed)
        return parsed


def _rows() -> Iterator[Row]:
    for part, cls in PARTS.items():
        for item in fields(cls):
            yield _row(part, item)


def _row(part: str, item: Field[object]) -> Row:
    spec = cast(Spec, item.metadata["spec"])
    default = item.default if item.default_factory is MISSING else item.default_factory()
    shown = item.metadata.get("shown", spec.kind.show(default))
    environment = spec.environment or f"TAMIS_{part}_{item.name}".upper()
    return Row(f"{part}.{item.name}", environment, spec, default, shown)


TABLE: Mapping[str, Row] = {row.key: row for row in _rows()}
BY_ENVIRONMENT: Mapping[str, Row] = {row.environment: row for row in TABLE.values()}
