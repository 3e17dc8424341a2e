"""Sampling: which repeats are kept."""

import pytest

from tamis.clock import NS_PER_S
from tamis.pipeline.processors.sample import Sample, sample_from
from tamis.record.model import Record
from tamis.settings import SampleSettings
from tests.support.strategies import BASE_NS


def record(level: str, at_s: float = 0.0, message: str = "tick", service: str = "shop") -> Record:
    return Record(timestamp=BASE_NS + int(at_s * NS_PER_S), level=level, message=message, service=service)


def kept(sample: Sample, *records: Record) -> int:
    return sum(sample.process(one) is not None for one in records)


@pytest.mark.parametrize(
    ("level", "share"), [("DEBUG", 0.1), ("TRACE", 0.1), ("INFO", 1.0), ("WARNING", 1.0)]
)
def test_repeats_are_kept_at_the_rate_of_their_level(level: str, share: float) -> None:
    """By default a tenth of DEBUG, and everything above."""
    sample = sample_from(SampleSettings(seed=1))
    assert kept(sample, *[record(level, n / 20_000) for n in range(10_000)]) == pytest.approx(
        10_000 * share, rel=0.1
    )


@pytest.mark.parametrize("level", ["ERROR", "CRITICAL", "AUDIT", None])
def test_errors_and_unknown_levels_always_go_on(level: str) -> None:
    """Even when every rate is 0."""
    sample = Sample({1: 0.0, 9: 0.0, 13: 0.0})
    assert kept(sample, *[record(level) for _ in range(100)]) == 100


def test_only_the_same_service_and_message_is_a_repeat() -> None:
    """Another message, another service, or a second later: a new one."""
    sample = Sample({1: 0.0})
    assert kept(sample, record("DEBUG"), record("DEBUG", message="x"), record("DEBUG", service="y")) == 3
    assert kept(sample, record("DEBUG", 0.5), record("DEBUG", 0.999)) == 0
    assert kept(sample, record("DEBUG", 1.0), record("DEBUG", 1.5), record("DEBUG", 2.1)) == 2


def test_the_same_seed_makes_the_same_choice() -> None:
    """So a test, or a replay, can be repeated."""

    def choice(seed: int) -> list[bool]:
        sample = sample_from(SampleSettings(seed=seed, info=0.5))
        return [sample.process(record("INFO")) is not None for _ in range(200)]

    assert choice(3) == choice(3)
    assert choice(3) != choice(4)


def test_a_clock_that_is_set_back_silences_nothing() -> None:
    """A record from before its first one begins anew."""
    sample = Sample({1: 0.0})
    assert kept(sample, record("DEBUG", 10), record("DEBUG", 5), record("DEBUG", 5.5)) == 2
