"""Percentiles and sums, against definitions written another way."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.query.aggregate import percentile, stats_columns, stats_rows
from tamis.query.ast import Aggregate, Bin, By, Stats
from tamis.record.model import Record, StoredRecord


def stored(*values: object) -> list[StoredRecord]:
    """Records that have these values in ``x``."""
    return [
        StoredRecord(seq=n, received=0, record=Record(timestamp=n, attributes={"x": value}))  # type: ignore[dict-item]
        for n, value in enumerate(values, 1)
    ]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_percentiles_agree_with_the_inclusive_quantiles_of_statistics(values: list[float]) -> None:
    """Linear interpolation, ends included."""
    expected = statistics.quantiles(values, n=100, method="inclusive")
    found = [percentile(sorted(values), percent) for percent in range(1, 100)]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_sums_past_the_largest_float_do_not_raise() -> None:
    """They become infinite, as floats do."""
    ((total,),) = stats_rows(stored(1.5e308, 1.5e308), Stats((Aggregate("sum", "x", "s"),)))
    assert total == float("inf")


def test_integers_beyond_floats_can_be_averaged() -> None:
    """An average over an integer that no float holds is infinite, not an error."""
    ((mean,),) = stats_rows(stored(10**400), Stats((Aggregate("avg", "x", "a"),)))
    assert mean == float("inf")


def test_columns_have_the_names_of_groups_and_aggregates() -> None:
    """A bin's column is called bin."""
    stats = Stats((Aggregate("count", None, "n"),), (By("service"), Bin(60, "60ns")))
    assert stats_columns(stats) == ("service", "bin", "n")
