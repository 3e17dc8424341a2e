"""Bounds of numbers and names of hosts, decided without SQL, mean what they mean in the reference."""

from collections.abc import Iterator
from typing import Any

import pytest

from tamis.query.parser import parse
from tamis.query.resolve import resolve
from tamis.record.model import Columns, Record
from tamis.store.base import Budget, Question, Store
from tamis.store.embedded.ask import rowwise
from tamis.store.embedded.options import StoreOptions
from tamis.store.embedded.store import EmbeddedStore, open_store
from tamis.store.memory import MemoryStore

T0 = 1_795_255_200_000_000_000
WHOLE = (None, 0, 1, -1, 5, 2**53, 2**53 + 1, 2**63 - 1, -(2**63))
FRACTIONS = (None, 0.0, -0.0, 0.1, 2.5, 5.0, float(2**53), 1e300, -1e300)
MIXED = (None, 5, 2.5, "5", "x", True, [5, 7], {"a": 5}, 2**70)
BOUNDS = (
    "0", "5", "5.0", "2.5", "-1", "4.9999999999999999", "9007199254740993", "9007199254740992.5", "1e300", "1e308",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "99999999999999999999999", "x", "true",
)  # fmt: skip
LEAVES = (
    "{field}>{bound}", "{field}>={bound}", "{field}<{bound}", "{field}<={bound}", "{field}:{bound}",
    "{field}:={bound}", "{field}:[{bound} TO *]", "{field}:[-3 TO {bound}]", "NOT {field}>{bound}",
    "alpha {field}<={bound}", "beta OR NOT {field}:{bound}", "host:h1 OR {field}>{bound}",
)  # fmt: skip
OTHERS = (
    "host:h1",
    "host:=H1",
    "host>h1",
    "NOT host:h1",
    "host:h1 alpha",
    "logger:a.b",
    "nowhere>5",
    "trace_id>5",
)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedStore, Store]]:
    """The same records in a segment, in memory, and in the reference."""
    options = StoreOptions(background=False, query_kept_bytes=8 << 20)
    embedded, reference = open_store(tmp_path_factory.mktemp("rows") / "data", options), MemoryStore()
    for _ in range(2):
        for store in (embedded, reference):
            store.append(Columns.of(list(records())))
        if not embedded.health().facts["segments"]:
            embedded.seal_now()
    yield embedded, reference
    for one in (embedded, reference):
        one.close()


def records() -> Iterator[Record]:
    """Every value beside some others."""
    for at, values in enumerate(zip(WHOLE, FRACTIONS, MIXED, strict=True)):
        held: dict[str, Any] = {
            name: value for name, value in zip(("i", "f", "m"), values, strict=True) if value is not None
        }
        texts = {"host": (None, "h1", "h2")[at % 3], "logger": "a.b" if at % 2 else None}
        yield Record(timestamp=T0 + at, message=("alpha", "beta 7")[at % 2], attributes=held, **texts)


@pytest.mark.parametrize("leaf", LEAVES)
def test_numbers_mean_what_they_mean_in_the_reference(stores: tuple[EmbeddedStore, Store], leaf: str) -> None:
    """Whole numbers, fractions, both and others mixed, against bounds at the edge of what 64 bits tell apart."""
    for field in ("i", "f", "m"):
        for bound in BOUNDS:
            same(stores, leaf.format(field=field, bound=bound))


def test_names_mean_what_they_mean_in_the_reference(
    stores: tuple[EmbeddedStore, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So do hosts and loggers, also when there are too many to look at each."""
    for text in OTHERS:
        same(stores, text)
    monkeypatch.setattr(rowwise, "VALUES_MAX", 1)
    for text in OTHERS:
        same(stores, f"{text} OR never")


def test_bounds_of_numbers_need_no_sql(
    stores: tuple[EmbeddedStore, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What kept columns tell is not asked of the files."""
    monkeypatch.setattr("tamis.store.embedded.ask.engine._execute", None)
    same(stores, "alpha i>3.25 NOT f<=2.5 host:h1")


def same(stores: tuple[EmbeddedStore, Store], text: str) -> None:
    """Both count the same."""
    question = Question(resolve(parse(text), T0).filter)
    found, wanted = (store.count(question, Budget()).count for store in stores)
    assert found == wanted, text
