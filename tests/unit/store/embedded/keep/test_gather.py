"""Segments read column by column are what they are read whole."""

import pytest

from tamis.clock import NS_PER_S
from tamis.record.model import Columns, Record
from tamis.store.embedded.format.columns import COLUMNS_MAX, concat
from tamis.store.embedded.format.segment import in_time_order
from tamis.store.embedded.format.segment_files import read_rows
from tamis.store.embedded.keep.gather import gathered
from tests.support.embedded import NOON, open_quiet


def records(first, count, **more):
    """Records a second apart, from the last to the first, so that segments overlap and nothing is in order."""
    return Columns.of(
        Record(
            timestamp=NOON - (number * 7 % count) * NS_PER_S,
            message=f"message {number}",
            level="INFO" if number % 3 else None,
            service=more.pop("service", None) if number == first else None,
            attributes={key: value(number) for key, value in more.items()},
        )
        for number in range(first, first + count)
    )


@pytest.fixture
def store(tmp_path):
    store = open_quiet(tmp_path / "data")
    yield store
    store.close()


@pytest.mark.parametrize("wide", [0, COLUMNS_MAX])
def test_rows_are_those_of_whole_tables_in_order(store, wide):
    """Columns that one segment lacks are null there; so many attributes that some move into the rest as well."""
    wider = {f"w{number}": float for number in range(wide)}
    store.append(records(0, 100, service="shop", n=int, only=str))
    store.seal_now()
    store.append(records(100, 100, n=str, s=str, **wider))
    store.seal_now()
    store.append(records(200, 3))
    store.seal_now()
    with store.parts.shop.catalog.segments() as (_, segments):
        parts = list(segments.values())
        made, whole = gathered(parts), in_time_order(concat([read_rows(one) for one in parts]))
        assert gathered(parts[:1]).to_pylist() == read_rows(parts[0]).to_pylist()
    assert made.num_rows == 203
    assert made.column_names == whole.column_names
    assert made.to_pylist() == whole.to_pylist()
