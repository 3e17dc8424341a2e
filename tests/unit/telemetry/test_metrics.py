"""The table of metrics is what is exposed."""

import pytest

from tamis.telemetry.metrics import METRICS, Metrics, reference
from tests.tidy.sources import ROOT


def test_every_metric_is_exposed_with_its_help() -> None:
    """Each row of the table, and no counter without its suffix."""
    text = Metrics().render().decode()
    for row in METRICS:
        assert f"# HELP {row.name} {row.help}" in text
        assert (row.kind == "counter") == row.name.endswith("_total")


def test_values_are_kept_by_labels() -> None:
    """Counting one does not count the other."""
    metrics = Metrics()
    metrics.add("tamis_ingest_records_total", 3, "stored")
    metrics.add("tamis_ingest_records_total", 1, "rejected")
    metrics.observe("tamis_ingest_seconds", 0.02)
    assert metrics.value("tamis_ingest_records_total", "stored") == 3
    assert 'tamis_ingest_records_total{result="rejected"} 1.0' in metrics.render().decode()
    assert 'tamis_ingest_seconds_bucket{le="0.025"} 1.0' in metrics.render().decode()


def test_an_unknown_name_is_an_error() -> None:
    """There is one table, and nothing beside it."""
    with pytest.raises(KeyError):
        Metrics().add("tamis_nothing_total")


def test_two_servers_in_one_process_count_apart() -> None:
    """Each has its registry."""
    one, two = Metrics(), Metrics()
    one.add("tamis_http_open_requests", 1)
    assert two.value("tamis_http_open_requests") == 0


def test_the_reference_has_every_row() -> None:
    """What the docs show is the table."""
    assert all(f"`{row.name}`" in reference() for row in METRICS)


def test_whatever_is_exposed_is_documented() -> None:
    """Every family that /metrics shows stands in the reference, also those that the library adds."""
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    exposed = Metrics(process=True).render().decode()
    names = [line.split()[2] for line in exposed.splitlines() if line.startswith("# TYPE ")]
    assert "process_resident_memory_bytes" in names
    assert [name for name in names if f"`{name}`" not in page] == []
