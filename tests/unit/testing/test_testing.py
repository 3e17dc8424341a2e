"""What users' own tests are given."""

import logging

import pytest

from tamis.embed.install import get_logger
from tamis.pipeline.own import own_work
from tamis.testing import FakeClock, capture


def test_capture_collects_records_at_once() -> None:
    """From loggers of both kinds, from the level on; by index, by message, and it can be emptied."""
    with capture("INFO", service="shop") as records:
        get_logger("a").info("one", n=1)
        logging.getLogger("b").warning("two")
        get_logger("a").debug("not")
        assert records.messages == ["one", "two"]
        assert records[0].service == "shop"
        assert [record.level for record in records[0:2]] == ["INFO", "WARNING"]
        records.clear()
        assert len(records) == 0


def test_captures_may_nest() -> None:
    """The inner one takes, then the outer one again; afterwards nobody does."""
    log = get_logger("nested")
    with capture() as outer:
        log.info("a")
        with capture("WARNING") as inner:
            log.info("not")
            log.warning("b")
        log.debug("c")
    log.warning("d")
    assert (outer.messages, inner.messages) == (["a", "c"], ["b"])


def test_capture_ends_with_its_block_whatever_happens() -> None:
    """An assertion that fails within leaves nothing behind."""
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    with pytest.raises(AssertionError), capture():
        raise AssertionError
    assert (root.level, list(root.handlers)) == before


def test_the_fake_clock_moves_when_told() -> None:
    """By advance, and by sleep, which it remembers; never back."""
    clock = FakeClock(now_ns=5)
    clock.advance(1.5)
    clock.sleep(0.5)
    assert (clock.now_ns(), clock.monotonic_s(), clock.slept) == (2_000_000_005, 2.0, [0.5])
    with pytest.raises(ValueError, match="not go back"):
        clock.advance(-1)


def test_finalizers_in_the_middle_of_a_pipelines_own_work_are_captured() -> None:
    """Garbage is collected where it is, also while another pipeline delivers; that one's own words stay out."""

    class Garbage:
        def __del__(self) -> None:
            get_logger("garbage").info("collected")

    with capture() as records, own_work():
        get_logger("sink").info("connecting")
        Garbage()
    assert records.messages == ["collected"]
