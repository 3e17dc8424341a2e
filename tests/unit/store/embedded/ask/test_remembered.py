"""Rows that were looked for once are found again, and are the right ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.query.match import compile_match
from tamis.query.parser import parse
from tamis.record.model import Columns, Record, StoredRecord
from tamis.store.base import Budget, Question
from tamis.store.embedded.ask.remembered import PART_ROWS_MIN, FoundRows
from tamis.store.embedded.face import EmbeddedStore
from tamis.store.embedded.options import StoreOptions
from tamis.store.embedded.store import create_store

COUNT = PART_ROWS_MIN + 5_000
RECORDS = [
    Record(timestamp=place * 1_000, message=f"call {place} took {place % 997} ms", attributes={"n": place})
    for place in range(COUNT)
]
QUERIES = (
    "message:/took 99[0-9] ms/",
    "message:/took 99[0-9] ms/ n<5000",
    "NOT message:/took 99[0-9] ms/",
    "995 OR 996",
    "99*",
    "message:/took/",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """One large segment, and a few records that are hot."""
    opened = create_store(Path(tmp_path_factory.mktemp("store")), StoreOptions(background=False))
    opened.append(Columns.of(RECORDS[:-100]))
    opened.seal_now()
    opened.append(Columns.of(RECORDS[-100:]))
    yield opened
    opened.close()


def expected(text: str, records: list[Record]) -> int:
    """How many match, one by one."""
    matches = compile_match(parse(text).filter)
    return sum(matches(StoredRecord(seq=1, received=0, record=record)) for record in records)


def counted(store: EmbeddedStore, text: str, end_ns: int | None = None) -> int:
    """How many the store finds."""
    return store.count(Question(parse(text).filter, end_ns=end_ns), Budget()).count


@pytest.mark.parametrize("text", QUERIES)
def test_the_second_answer_is_the_first(store: EmbeddedStore, text: str) -> None:
    """Asked again, in sealed and hot records, the answer is what `match` says; also within a range of time."""
    assert [counted(store, text) for _ in range(3)] == [expected(text, RECORDS)] * 3
    assert counted(store, text, end_ns=7_000_000) == expected(text, RECORDS[:7_000])


def test_what_is_deleted_is_not_remembered(tmp_path: Path) -> None:
    """A deletion hides rows that were remembered before it."""
    store = create_store(tmp_path, StoreOptions(background=False))
    try:
        store.append(Columns.of(RECORDS))
        store.seal_now()
        before = counted(store, QUERIES[0])
        gone = store.delete(Question(parse("n<5000").filter), Budget()).hidden
        assert gone == 5_000
        assert counted(store, QUERIES[0]) == before - expected(QUERIES[1], RECORDS)
        store.erase_now()
        assert counted(store, QUERIES[0]) == before - expected(QUERIES[1], RECORDS)
    finally:
        store.close()


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least recently used rows are forgotten when there are too many."""
    monkeypatch.setattr("tamis.store.embedded.ask.remembered.KEPT_ROWS_MAX", 5)
    found = FoundRows()
    leaves = [parse(word).filter for word in ("a", "b", "c")]
    for leaf in leaves:
        found.keep(leaf, "part", (1, 2))
    assert [found.known(leaf, "part") for leaf in leaves] == [False, True, True]
    found.keep(leaves[0], "part", None)
    assert found.known(leaves[0], "part")
    assert found.get(leaves[0], "part") is None
