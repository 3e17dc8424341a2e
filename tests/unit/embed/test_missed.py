"""Handlers and filters of somebody else's that raise."""

import logging

import pytest

from tamis.embed.install import get_logger
from tamis.embed.outlet import OUTLET
from tests.support.logged import logged


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The loggers of records that were counted as lost."""
    loggers: list[str] = []
    monkeypatch.setattr(OUTLET, "lose", lambda logger, _reason: loggers.append(logger))
    return loggers


class Raising(logging.Handler):
    """A handler that raises what it should handle."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())
        raise OSError("disk gone")


@pytest.mark.parametrize("name", ["raising.deep", "raising", None])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_handler_that_raises_costs_no_record_and_counts_none_twice(
    name: str | None, is_first: bool, lost: list[str]
) -> None:
    """Whether it is asked before ours or after it; nothing is raised where somebody logs."""
    raising, root = Raising(), logging.getLogger()
    with logged() as records:
        place = logging.getLogger("raising") if name else root
        place.addHandler(raising)
        if is_first and place is root:
            root.handlers.reverse()
        logging.getLogger(name).warning("kept")
        place.removeHandler(raising)
        logging.getLogger(name).warning("after")
    assert records.messages == ["kept", "after"]
    assert (raising.seen, lost) == (["kept"], [])


def test_a_filter_that_raises_holds_the_record_back(lost: list[str]) -> None:
    """It may be there to keep a secret: the record is counted as lost."""

    def fails(_record: logging.LogRecord) -> bool:
        raise ValueError("no")

    log = get_logger("failing.filter")
    log.addFilter(fails)
    with logged() as records:
        log.info("secret")
    log.removeFilter(fails)
    assert (records.messages, lost) == ([], ["failing.filter"])
