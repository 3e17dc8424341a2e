"""Records that cannot be captured: nothing is raised into the application, and each is counted."""

import logging

import pytest

from tamis.embed.install import get_logger
from tamis.embed.outlet import DIAGNOSTICS, NOT_CAPTURED, OUTLET
from tamis.pipeline.captured import Captured
from tamis.pipeline.metrics import LogMetrics
from tests.support.logged import WAYS, logged


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> LogMetrics:
    """Counts of a pipeline that nothing can be put into."""
    made = LogMetrics()
    made.attach("far")
    monkeypatch.setattr(OUTLET, "lose", made.lose)
    return made


def no_memory(_captured: Captured | str) -> None:
    raise MemoryError


@pytest.mark.parametrize("way", WAYS)
def test_what_cannot_be_captured_is_counted(way: str, metrics: LogMetrics) -> None:
    """Under a reason of its own, by logger, for each sink; the sum holds."""
    with logged(way):
        OUTLET.put = no_memory
        get_logger("lost").info("fast")
        get_logger("lost").error("special", extra={"a": 1})
        logging.getLogger("lost").info("standard")
    counts = metrics.snapshot()
    assert (counts.sent, dict(counts.dropped), dict(counts.loggers)) == (3, {NOT_CAPTURED: 3}, {"lost": 3})
    assert (counts.sinks["far"].sent, counts.sinks["far"].accounted) == (3, 3)


def test_nothing_is_raised_when_it_cannot_even_be_told(
    metrics: LogMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no memory left counting and telling may fail too."""
    monkeypatch.setattr(DIAGNOSTICS, "write", no_memory)
    monkeypatch.setattr(DIAGNOSTICS, "tell", no_memory)
    monkeypatch.setattr(OUTLET, "lose", no_memory)
    with logged():
        OUTLET.put = no_memory
        get_logger("lost").info("x")
        logging.getLogger("lost").info("x")
    assert metrics.snapshot().sent == 0
