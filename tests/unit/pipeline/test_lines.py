"""Lines of JSON on their way: made once by the pump, and never another thing than what the records say."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import tamis
from tamis.pipeline.base import BatchLimits
from tamis.pipeline.delivery.load import NOWHERE
from tamis.pipeline.delivery.waiting import Lot, Waiting
from tamis.pipeline.encode import encode_lines
from tamis.record.model import Record
from tamis.testing import MemorySink


def lot_of(first: int, count: int, *, lines: bool) -> Lot:
    records = [Record(timestamp=n, message=f"{n}") for n in range(first, first + count)]
    return Lot(records, NOWHERE, 100 * count, lines=encode_lines(records) if lines else None)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=8),
    st.lists(st.integers(1, 12), min_size=1, max_size=40),
)
def test_batches_have_their_own_lines_or_none(lots: list[tuple[int, bool]], sizes: list[int]) -> None:
    """However lots are put together and parted: every record comes once, in order, and lines are the records'."""
    waiting, first = Waiting(), 0
    for count, lines in lots:
        waiting.add(lot_of(first, count, lines=lines))
        first += count
    found: list[Record] = []
    while waiting.records:
        size = sizes[len(found) % len(sizes)]
        records, _, made = waiting.take(BatchLimits(records=size, bytes=1 << 30))
        assert 0 < len(records) <= size
        assert made is None or b"".join(made) == encode_lines(records)
        found += records
    assert [record.timestamp for record in found] == list(range(first))


def test_lots_with_lines_stay_whole_where_they_fit() -> None:
    """So that their lines are of use."""
    waiting = Waiting()
    for first in (0, 4, 8):
        waiting.add(lot_of(first, 4, lines=True))
    records, _, lines = waiting.take(BatchLimits(records=10, bytes=1 << 30))
    assert len(records) == 8
    assert lines is not None


def test_every_sink_has_the_same_records_as_the_file_has_lines(tmp_path: Path) -> None:
    """The file gets the lines that were made for it, with the same numbers, secrets masked."""
    path, sink = tmp_path / "app.jsonl", MemorySink()
    manager = tamis.configure(sinks=[f"file://{path}", sink], level="DEBUG", spool_folder=tmp_path)
    log = tamis.get_logger("lines")
    for number in range(700):
        log.info("mail %d to %s", number, "bob@example.com" if number % 30 == 0 else "nobody", place=number)
    try:
        raise LookupError("gone")
    except LookupError:
        log.exception("not there")
    assert manager.flush(60)
    manager.shutdown(60)
    manager.uninstall()
    assert path.read_bytes() == encode_lines(sink.records)
    assert b"bob@example.com" not in path.read_bytes()
    assert len(sink.records) == 701
