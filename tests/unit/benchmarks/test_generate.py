import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import generate
from tamis.record.shape import shape

BLOCK = 20_000
RECORDS = 1_000_000
FIELDS = ["timestamp", "level", "service", "host", "logger", "message", "trace_id", "duration_ms", "status"]


def records_of(block: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in block.splitlines()]


@pytest.fixture(scope="module")
def block() -> bytes:
    return generate.block(0, BLOCK, records=RECORDS)


def test_the_same_place_gives_the_same_bytes(block: bytes) -> None:
    """A corpus can be made again anywhere; another place of it is other."""
    assert generate.block(0, BLOCK, records=RECORDS) == block
    assert generate.block(BLOCK, 100, records=RECORDS) != generate.block(0, 100, records=RECORDS)


def test_every_line_has_the_nine_fields(block: bytes) -> None:
    """A record has the promised fields in their types, on about 290 bytes."""
    records = records_of(block)
    assert len(records) == BLOCK
    assert all(list(record) == FIELDS for record in records)
    assert all(len(str(record["trace_id"])) == 32 for record in records)
    assert all(type(record["duration_ms"]) is float and type(record["status"]) is int for record in records)
    assert 260 < len(block) / BLOCK < 320


def test_levels_services_and_sentences_are_as_uneven_as_real_ones(block: bytes) -> None:
    """Mostly INFO, twelve services, a few sentences make half of the records while thousands are rare."""
    records = records_of(block)
    levels = Counter(record["level"] for record in records)
    shapes = Counter(shape(str(record["message"])) for record in records)
    assert 0.75 < levels["INFO"] / BLOCK < 0.83
    assert set(levels) == set(generate.LEVEL_SHARES)
    assert len({record["service"] for record in records}) == 12
    assert 1_500 < len(shapes) < 3_000
    assert sum(count for _, count in shapes.most_common(20)) > BLOCK / 3


def test_a_day_has_its_rhythm() -> None:
    """Records of ten places of the corpus lie on one day, more of them at its busiest hour than at its quietest."""
    hours = Counter(
        str(record["timestamp"])[:13]
        for first in range(0, RECORDS, RECORDS // 500)
        for record in records_of(generate.block(first, 20, records=RECORDS))
    )
    days = Counter(hour[:10] for hour in hours.elements())
    assert days.most_common(1)[0][0] == "2026-11-21"
    assert days.most_common(1)[0][1] > 0.99 * days.total()
    full = [count for hour, count in hours.items() if hour.startswith("2026-11-21")]
    assert len(full) == 24
    assert max(full) > 3 * min(full)


def test_traces_join_a_few_records(block: bytes) -> None:
    """A trace id stands in about three records."""
    traces = Counter(str(record["trace_id"]) for record in records_of(block))
    assert 2.5 < BLOCK / len(traces) < 3.5


def test_mixed_records_change_type_and_one_line_in_a_hundred_is_bad() -> None:
    """Successive records differ in the type of a field, and every kind of bad line occurs."""
    lines = generate.block(0, BLOCK, records=RECORDS, variant="mixed").splitlines()
    good, bad = [], 0
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            bad += 1
            continue
        if isinstance(record, dict):
            good.append(record)
        else:
            bad += 1
    assert 0.005 < bad / BLOCK < 0.015
    assert {type(record["detail"]) for record in good[:8]} >= {int, str, float, bool, dict, list}
    assert any(record["detail"] == 2**70 for record in good[:8])


def test_many_shapes_are_many() -> None:
    """Half of the records of the shapes variant have sentences of their own."""
    records = records_of(generate.block(0, BLOCK, records=RECORDS, variant="shapes"))
    assert len({shape(str(record["message"])) for record in records}) > BLOCK * 0.4


def test_files_hold_every_record_once(tmp_path: Path) -> None:
    """A corpus goes into as many files as asked, and bodies cut it at ends of lines only."""
    whole = generate.write_files(tmp_path, "one", 400)
    parts = generate.write_files(tmp_path, "four", 400, files=4)
    assert [path.name for path in parts] == [
        "part-00.ndjson",
        "part-01.ndjson",
        "part-02.ndjson",
        "part-03.ndjson",
    ]
    assert sum(path.read_bytes().count(b"\n") for path in parts) == 400
    cut = [bytes(body) for body in generate.bodies(whole, 5_000)]
    assert b"".join(cut) == whole[0].read_bytes()
    assert all(len(body) <= 5_000 and body.endswith(b"\n") for body in cut)
