"""Settings: one table, one order of precedence (argument, environment, TOML file, default)."""

from tamis.settings.alerts import AlertSettings, AlertsSettings
from tamis.settings.assets import AssetsSettings
from tamis.settings.backup import BackupSettings
from tamis.settings.breaker import BreakerSettings
from tamis.settings.cache import CacheSettings
from tamis.settings.listeners import GelfSettings, JournalSettings, ListenerSettings, SyslogSettings
from tamis.settings.load import ResolvedRow, Settings, load_settings
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
from tamis.settings.retention import RetentionRule
from tamis.settings.table import TABLE, Row
from tamis.settings.tail import TailSettings
from tamis.settings.tracing import TracesSettings

__all__ = [
    "TABLE",
    "AlertSettings",
    "AlertsSettings",
    "AssetsSettings",
    "AuditSettings",
    "BackupSettings",
    "BreakerSettings",
    "CacheSettings",
    "ClientSettings",
    "EncryptSettings",
    "GelfSettings",
    "IngestSettings",
    "JournalSettings",
    "KeysSettings",
    "ListenerSettings",
    "LogSettings",
    "QuerySettings",
    "RatesSettings",
    "RedactSettings",
    "ResolvedRow",
    "RetentionRule",
    "Row",
    "SampleSettings",
    "ServerSettings",
    "Settings",
    "SpoolSettings",
    "StoreSettings",
    "SuppressSettings",
    "SyslogSettings",
    "TailSettings",
    "TracesSettings",
    "load_settings",
]
