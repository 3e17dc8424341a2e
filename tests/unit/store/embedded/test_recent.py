"""Rows that are kept answer as the reference does, whatever comes, goes, is sealed and merged in between."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tamis.query.parser import parse
from tamis.query.resolve import resolve
from tamis.record.model import Columns, Record
from tamis.store.base import Budget, Question, Store
from tamis.store.embedded.ask import recent
from tamis.store.embedded.options import StoreOptions
from tamis.store.embedded.store import EmbeddedStore, open_store
from tamis.store.memory import MemoryStore

S = 1_000_000_000
T0 = 1_795_255_200 * S
SPAN_S = 300
TEXTS = (
    "*", "level:error", "level>=warning NOT alpha", "alpha", '"beta gamma"', "n>5", "service:a", "NOT service:*",
    "message:/d[0-9]+/", "alpha OR n:3", "_time:[{0} TO {1}] beta", "trace_id:=00000000000000000000000000000007",
    "zeta",
)  # fmt: skip


class Pair:
    """The same records in a store of small row groups and in the reference."""

    def __init__(self, folder: Path) -> None:
        options = StoreOptions(background=False, segment_records=60, merge_count=3, query_kept_bytes=1 << 20)
        self.embedded, self.reference = open_store(folder, options), MemoryStore()
        self.stores: tuple[Store, Store] = (self.embedded, self.reference)

    def append(self, records: list[Record]) -> None:
        for store in self.stores:
            store.append(Columns.of(records))

    def same(self, ask: Any) -> None:
        """Both give the same answer, the kept one twice."""
        found, again, wanted = ask(self.embedded), ask(self.embedded), ask(self.reference)
        assert found == wanted
        assert again == wanted


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    monkeypatch.setattr("tamis.store.embedded.format.segment.ROW_GROUP_ROWS", 7)
    monkeypatch.setattr("tamis.store.embedded.live.hot_part.GROUP_ROWS", 5)
    made = Pair(tmp_path / "data")
    yield made
    for store in made.stores:
        store.close()


@pytest.mark.parametrize("seed", range(3))
def test_kept_rows_answer_as_the_reference(pair: Pair, seed: int) -> None:
    """Counts, histograms and pages of ranges that move, in both orders and page by page."""
    rng = random.Random(seed)
    for _ in range(14):
        change(pair, rng)
        for _ in range(4):
            question = some_question(rng)
            by, interval = rng.choice([None, "level", "service", "host", "n"]), rng.choice([3, 10, 3_600]) * S
            pair.same(lambda store, q=question: store.count(q, Budget()).count)
            pair.same(
                lambda store, q=question, i=interval, b=by: (
                    store.histogram(q, Budget(), interval_ns=i, by=b).buckets
                )
            )
            order = rng.choice(["asc", "desc"])
            pair.same(lambda store, q=question, o=order: pages(store, q, o, 5))
    assert asked_of_kept(pair.embedded) > 50


def test_too_much_takes_the_other_way(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """So do questions as of an earlier moment, when that lies within a part; the answers are the same."""
    pair.append([some_record(random.Random(at)) for at in range(80)])
    everything = Question(resolve(parse("alpha"), T0).filter)
    for as_of in (None, 20, 79):
        question = Question(everything.filter, as_of=as_of)
        pair.same(lambda store, q=question: pages(store, q, "desc", 30))
        pair.same(lambda store, q=question: store.count(q, Budget()).count)
    monkeypatch.setattr(recent, "GROUPS_MAX", 2)
    pair.same(lambda store: store.count(everything, Budget()).count)
    pair.same(lambda store: pages(store, everything, "asc", 9))


def test_nothing_is_kept_when_that_is_wanted(tmp_path: Path) -> None:
    """With no memory for it, every question takes the other way."""
    store = open_store(tmp_path / "data", StoreOptions(background=False, query_kept_bytes=0))
    store.append(Columns.of([Record(timestamp=T0, message="x")]))
    assert store.count(Question(resolve(parse("x"), T0).filter), Budget()).count == 1
    assert asked_of_kept(store) == 0
    store.close()


def asked_of_kept(store: EmbeddedStore) -> int:
    counts = store.parts.shop.engine.kept.known.get_comprehensive_stats()["levels"]["memory"]
    hits: int = counts["hits"]
    return hits


def pages(store: Store, question: Question, order: Any, limit: int) -> list[tuple[int, int, str]]:
    found, cursor = [], None
    while True:
        page = store.search(question, Budget(), limit=limit, order=order, cursor=cursor)
        found += [(one.record.timestamp, one.seq, one.record.message) for one in page.records]
        cursor = page.next_cursor
        if cursor is None or len(found) > 60:
            return found


def some_question(rng: random.Random) -> Question:
    """Often the last seconds, as a clock would have it; sometimes open."""
    start = rng.choice([None, *(T0 + rng.randint(0, SPAN_S * S) for _ in range(4))])
    end = rng.choice([None, None if start is None else start + rng.randint(0, 60 * S)])
    low = T0 // S + rng.randint(0, SPAN_S)
    text = rng.choice(TEXTS).format(low, low + rng.randint(0, 90))
    return Question(resolve(parse(text), T0).filter, start, end)


def change(pair: Pair, rng: random.Random) -> None:
    what = rng.choice(["append"] * 5 + ["delete", "seal", "merge", "erase"])
    if what == "append":
        pair.append([some_record(rng) for _ in range(rng.randint(1, 30))])
    elif what == "delete":
        question = some_question(rng)
        hidden = [store.delete(question, Budget()).hidden for store in pair.stores]
        assert hidden[0] == hidden[1]
    else:
        store = pair.embedded
        {"seal": store.seal_now, "merge": store.merge_now, "erase": store.erase_now}[what]()


def some_record(rng: random.Random) -> Record:
    words = rng.sample(["alpha", "beta gamma", "delta d7", "d12", "Ärger", "omega"], 2)
    return Record(
        timestamp=T0 + rng.randint(0, SPAN_S) * S + rng.choice([0, 0, 1, S // 3]),
        level=rng.choice(["INFO", "ERROR", "DEBUG", None]),
        service=rng.choice(["a", "b", None]),
        host=rng.choice(["h1", "h2"]),
        message=" ".join(words),
        trace_id=f"{rng.randint(0, 9):032x}",
        attributes={"n": rng.choice([1, 3, 7, 2.5, "x"])} if rng.random() < 0.8 else {},
    )
