"""Segments: what is written is read, and what is said of it is true."""

from collections import Counter
from pathlib import Path

import pytest

from tamis.errors import DamageError
from tamis.record.model import Columns, Record, StoredRecord
from tamis.record.shape import shape, shape_id
from tamis.store.embedded.format.columns import to_records, to_table, with_seq
from tamis.store.embedded.format.segment import Segment, encode_segment, open_segment, read_metadata
from tamis.store.embedded.format.tally import HOUR_NS, decode_tally, encode_tally, tally_table

RECORDS = [
    Record(
        timestamp=(7 * place % 50) * HOUR_NS // 3,
        message=f"request {place} of user{place % 3} done" if place % 4 else "cache cold – µs",
        level="ERROR" if place % 10 == 0 else "INFO",
        service=None if place % 5 == 0 else f"s{place % 3}",
        trace_id=f"{place:032x}",
        attributes={"n": place, "who": f"User {place}"},
    )
    for place in range(400)
]
TABLE = with_seq(to_table(Columns.of(RECORDS), received_ns=11), 100)
IN_ORDER = sorted(
    (StoredRecord(seq=100 + place, received=11, record=record) for place, record in enumerate(RECORDS)),
    key=lambda stored: (stored.record.timestamp, stored.seq),
)


def written(folder: Path, *, small: bool = False) -> Segment:
    """The records as a segment on disk."""
    encoded = encode_segment(TABLE, {"who": b"me"}, small=small)
    (folder / "s.parquet").write_bytes(encoded.parquet)
    (folder / "s.tally.parquet").write_bytes(encoded.tally)
    return open_segment("s", folder / "s.parquet", folder / "s.tally.parquet", encoded.facts)


@pytest.mark.parametrize("small", [False, True])
def test_a_segment_gives_its_records_in_order_of_time(tmp_path: Path, small: bool) -> None:
    """Rows come back whole, by (timestamp, seq), from either way of writing."""
    segment = written(tmp_path, small=small)
    assert to_records(segment.read(range(len(segment.row_groups())))) == IN_ORDER
    assert read_metadata(tmp_path / "s.parquet")["who"] == b"me"


def test_facts_are_true(tmp_path: Path) -> None:
    """Ranges, counts, alphabets and values that the manifest will hold are those of the rows."""
    facts = written(tmp_path).facts
    assert (facts.records, facts.min_seq, facts.max_seq) == (400, 100, 499)
    assert facts.min_ts == IN_ORDER[0].record.timestamp
    assert facts.max_ts == IN_ORDER[-1].record.timestamp
    assert facts.columns["service"] == sum(record.service is not None for record in RECORDS)
    assert facts.single_token == {"trace_id"}
    assert facts.alphabets["message"] == "µ–"
    assert facts.alphabets["who#s"] == ""
    assert facts.values["service"] == ["s0", "s1", "s2"]
    assert facts.shapes == len({shape(record.message) for record in RECORDS})


def test_row_groups_tell_their_times(tmp_path: Path) -> None:
    """Row groups cover all rows and know their first and last timestamp."""
    groups = written(tmp_path).row_groups()
    assert sum(group.rows for group in groups) == 400
    assert groups[0].min_ts == IN_ORDER[0].record.timestamp
    assert groups[-1].max_ts == IN_ORDER[-1].record.timestamp


def test_a_tally_counts_what_is_there(tmp_path: Path) -> None:
    """For each shape, service, level and hour: how many, from when to when; the same after a file."""
    expected = Counter(
        (shape_id(shape(r.message)), r.service, r.level, r.timestamp // HOUR_NS) for r in RECORDS
    )
    for tally in (
        tally_table(TABLE.sort_by([("timestamp", "ascending"), ("seq", "ascending")])),
        written(tmp_path).tally(),
    ):
        rows = zip(
            tally.shape_ids[tally.shape].tolist(),
            [tally.services[code] for code in tally.service],
            [tally.levels[code] for code in tally.level],
            tally.hour.tolist(),
            strict=True,
        )
        assert dict(zip(rows, tally.count.tolist(), strict=True)) == expected
        assert tally.records == 400


def test_examples_are_messages_of_their_row() -> None:
    """Each shape, service and level has one example, of that shape, on its newest row."""
    tally = decode_tally(encode_tally(tally_table(TABLE.sort_by([("timestamp", "ascending")]))))
    shown = [(row, text) for row, text in enumerate(tally.example.to_pylist()) if text is not None]
    groups = {(tally.shape[row], tally.service[row], tally.level[row]) for row, _ in shown}
    assert len(groups) == len(shown) == len(set(zip(tally.shape, tally.service, tally.level, strict=True)))
    assert all(shape(text) == tally.shapes[tally.shape[row]] for row, text in shown)


def test_damage_has_a_name(tmp_path: Path) -> None:
    """A file that is cut or gone is a DamageError with its path, not a wrong answer."""
    segment = written(tmp_path)
    (tmp_path / "s.parquet").write_bytes((tmp_path / "s.parquet").read_bytes()[:-20])
    (tmp_path / "s.tally.parquet").unlink()
    with pytest.raises(DamageError, match=r"s\.parquet"):
        segment.read([0])
    with pytest.raises(DamageError, match=r"s\.tally"):
        segment.tally()
