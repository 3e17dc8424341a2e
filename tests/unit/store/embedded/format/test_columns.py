"""Batches become tables and records again, with every value as it was."""

import pyarrow as pa
import pytest
from hypothesis import given

from tamis.errors import WireError
from tamis.record.attributes import Value, safe_text
from tamis.record.model import INSTANT_MAX, INSTANT_MIN, Columns, Record
from tamis.store.embedded.format.columns import (
    COLUMNS_MAX,
    REST,
    Room,
    attribute_columns,
    attribute_path,
    concat,
    decode_batch,
    encode_batch,
    is_attribute,
    path_part,
    table_bytes,
    to_records,
    to_table,
    with_seq,
)
from tests.support import strategies

MIXED: list[Value] = [1, "a", 2.5, True, 2**70, -(2**63) - 1, {"b": {"c": 1}}, {}, "1", 1.0, "é\n\x00"]
MIXED.append([1, "x", {"y": 2}])


def stored(records: list[Record]) -> list[Record]:
    """The records after a table, a journal frame and back."""
    table = decode_batch(encode_batch(to_table(Columns.of(records), received_ns=7)))
    return [item.record for item in to_records(with_seq(table, 1))]


def test_one_field_keeps_every_type() -> None:
    """A field that is a number, a text, a boolean, a huge integer, an object and a list in successive records
    gives each value back."""
    records = [Record(timestamp=5, message="m", attributes={"f": value}) for value in MIXED]
    assert [record.attributes for record in stored(records)] == [{"f": value} for value in MIXED]
    kinds = [type(record.attributes["f"]) for record in stored(records)]
    assert kinds == [type(value) for value in MIXED]


def test_names_with_separators_stay_apart() -> None:
    """Dots, slashes, tildes and number signs in names are not taken for the table's own separators."""
    attributes: dict[str, Value] = {"a.b": 1, "a": {"b": 2}, "a/b": 3, "a~b": {"c/d": 4}, "a#i": 5, "": 6}
    assert stored([Record(timestamp=1, attributes=attributes)])[0].attributes == attributes


@given(strategies.batches())
def test_any_records_come_back(batches: list[list[Record]]) -> None:
    """Whatever records hold, a table holds: nothing is lost but what is absent."""
    for batch in batches:
        for given_record, back in zip(batch, stored(batch), strict=True):
            assert back.message == safe_text(given_record.message or "")
            assert back.timestamp == given_record.timestamp
            assert (back.level, back.service, back.host) == (
                given_record.level,
                given_record.service,
                given_record.host,
            )


def test_too_many_names_share_one_column() -> None:
    """Beyond the limit, the rarest names move into one JSON column, and come back from it exactly."""
    common: dict[str, Value] = {f"k{place}": place for place in range(COLUMNS_MAX - 1)}
    rare: dict[str, Value] = {f"rare{place}": value for place, value in enumerate(MIXED)}
    records = [Record(timestamp=1, attributes={**common, **rare}), Record(timestamp=2, attributes=common)]
    table = to_table(Columns.of(records), received_ns=1)
    assert sum(is_attribute(name) for name in table.column_names) == COLUMNS_MAX
    assert REST in table.column_names
    assert [record.attributes for record in stored(records)] == [{**common, **rare}, common]


def test_tables_with_other_columns_unite() -> None:
    """A column that one table lacks is absent in its rows, and dictionaries are united."""
    one = to_table(Columns.of([Record(timestamp=1, service="a", attributes={"x": 1})]), received_ns=1)
    two = to_table(Columns.of([Record(timestamp=2, service="b", attributes={"x": "t"})]), received_ns=1)
    records = [item.record for item in to_records(with_seq(concat([one, two]), 1))]
    assert [(record.service, record.attributes) for record in records] == [("a", {"x": 1}), ("b", {"x": "t"})]


def test_columns_of_another_length_are_refused() -> None:
    """A decoder's mistake is an error with the column's name, not a table that is wrong."""
    with pytest.raises(WireError, match="'service' has 1 values for 2 records"):
        to_table(Columns(2, [1, 2], {"message": ["a", "b"], "service": ["s"]}), received_ns=1)
    with pytest.raises(WireError, match="cannot be"):
        to_table(Columns(1, [1], {}, {"x": pa.array([b"bytes"])}), received_ns=1)


def test_a_missing_time_is_the_receipt() -> None:
    """Records without a time of their own happened when they came."""
    table = to_table(Columns(2, [None, 3], {"message": ["a", "b"]}), received_ns=9)
    assert [item.record.timestamp for item in to_records(with_seq(table, 1))] == [9, 3]


def test_paths_are_read_as_they_are_written() -> None:
    """The name of a column says the attribute's path and type."""
    assert attribute_path("http.status#i") == (("http.status",), "i")
    assert attribute_path("a~1b/c~0d#s") == (("a/b", "c~d"), "s")
    assert attribute_path("a~2b/~02#s") == (("a\0b", "~2"), "s")


@pytest.mark.parametrize("name", ["\0", "a\0b", "~2", "~02", "~0\0", "~", "/", "a#s"])
def test_any_name_has_a_column_of_its_own(name: str) -> None:
    """What SQL or Parquet would not take in a name is written otherwise, and read again as it was."""
    columns = attribute_columns(path_part(name), ["x"], Room.of(1))
    assert all("\0" not in column for column in columns)
    assert [attribute_path(column) for column in columns] == [((name,), "s")]


def test_instants_that_no_engine_holds_are_the_receipt() -> None:
    """The ends of 64 bits are infinity to some engines: such a record is kept, with the instant of its receipt."""
    stamps = [2**63 - 1, -(2**63), -(2**63) + 1, INSTANT_MAX, INSTANT_MIN]
    table = to_table(Columns(5, stamps, {"message": ["a"] * 5}), received_ns=9)
    found = [item.record.timestamp for item in to_records(with_seq(table, 1))]
    assert found == [9, 9, 9, INSTANT_MAX, INSTANT_MIN]


def test_objects_of_very_many_names_cost_no_column_each() -> None:
    """The frequent names have columns, the others a text beside them; what comes out is what went in."""
    values = [
        {f"n{row}": row, "often": 1, "in": {f"x{row}": [1, "a"], "big": 2**70}}
        if row % 3
        else {f"n{row}": 1.5, "e": {}}
        for row in range(5_000)
    ]
    batch = Columns(5_000, [1] * 5_000, {"message": ["m"] * 5_000}, {"rest": values, "other": values[::-1]})
    table = to_table(batch, received_ns=1)
    assert table.num_columns < COLUMNS_MAX + 10
    assert table_bytes(table) < 20_000_000
    assert {"rest/often#i", "rest/in/big#n"} <= set(table.column_names)
    found = [one.record.attributes for one in to_records(with_seq(table, 0))]
    assert found == [{"rest": one, "other": two} for one, two in zip(values, values[::-1], strict=True)]
