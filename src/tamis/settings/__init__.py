"""Settings: one table, one order of precedence (argument, environment, TOML file, default)."""

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
from tamis.settings.retention import RetentionRule
from tamis.settings.table import TABLE, Row

__all__ = [
    "TABLE",
    "AuditSettings",
    "ClientSettings",
    "IngestSettings",
    "KeysSettings",
    "LogSettings",
    "QuerySettings",
    "ResolvedRow",
    "RetentionRule",
    "Row",
    "ServerSettings",
    "Settings",
    "SpoolSettings",
    "StoreSettings",
    "load_settings",
]
