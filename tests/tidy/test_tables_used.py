"""A setting that nobody reads is a lie, and so is a metric that nothing feeds."""

import re
from collections.abc import Iterable
from dataclasses import replace

from tamis.settings import TABLE, Settings
from tamis.store.embedded.options import StoreOptions
from tamis.store.open import store_options
from tamis.telemetry.metrics import METRICS
from tests.tidy.sources import inside


def unread(keys: Iterable[str], text: str) -> list[str]:
    """Settings whose field no code reads."""
    return [key for key in keys if not re.search(rf"\.{key.split('.')[1]}\b", text)]


def test_every_setting_is_read() -> None:
    """Who sets something changes something."""
    text = "\n".join(item.text for item in inside() if item.layer != "settings")
    assert unread(TABLE, text) == []


def test_the_rule_can_fail() -> None:
    """A setting that only stands in a table is seen."""
    assert unread(["server.port", "server.host"], "bind(settings.server.port)") == ["server.host"]


def unfed(names: Iterable[str], text: str) -> list[str]:
    """Metrics that no code names."""
    return [name for name in names if f'"{name}"' not in text]


def test_every_metric_is_fed() -> None:
    """What a dashboard shows is counted."""
    text = "\n".join(item.text for item in inside() if item.layer != "telemetry")
    assert unfed((metric.name for metric in METRICS), text) == []


def test_the_rule_on_metrics_can_fail() -> None:
    """A metric that only stands in the table is seen."""
    assert unfed(["tamis_a", "tamis_b"], 'metrics.add("tamis_a")') == ["tamis_b"]


def test_settings_and_the_store_have_the_same_defaults() -> None:
    """One number for one thing, wherever it is looked up."""
    options = store_options(Settings())
    assert replace(options, query_threads=StoreOptions().query_threads) == StoreOptions()
