"""Two stores with the same records: every answer of one is the answer of the other, in the same order."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tamis.query import ast
from tamis.query.values import identity_key
from tamis.record.model import Columns, Record, StoredRecord
from tamis.record.shape import shape
from tamis.store.base import Budget, Facets, Histogram, PatternList, Question, Store, Table

RELATIVE = 1e-9


@dataclass(frozen=True)
class Ask:
    """A question with everything that can be asked about it."""

    question: Question
    stats: ast.Stats
    sort: ast.Sort
    field: str
    interval_ns: int
    page: int


@dataclass(frozen=True)
class Pair:
    """A store and its reference."""

    store: Store
    reference: Store

    def both(self, ask: Callable[[Store], Any]) -> tuple[Any, Any]:
        """The same question to both."""
        return ask(self.store), ask(self.reference)

    def append(self, records: Sequence[Record]) -> None:
        """The same batch into both."""
        done, expected = self.both(lambda store: store.append(Columns.of(records)))
        assert (done.first_seq, done.count) == (expected.first_seq, expected.count)


def exact(value: Any) -> Any:
    """A value so that only the very same value is equal: 1, 1.0 and True are three."""
    if isinstance(value, dict):
        return ("dict", tuple(sorted((name, exact(inner)) for name, inner in value.items())))
    if isinstance(value, list):
        return ("list", tuple(map(exact, value)))
    return (type(value).__name__, repr(value))


def exact_record(stored: StoredRecord) -> Any:
    """A stored record so that only the very same one is equal."""
    record = stored.record
    core = tuple(getattr(record, name) for name in Record.__struct_fields__ if name != "attributes")
    return (stored.seq, stored.received, core, exact(record.attributes))


def all_pages(store: Store, question: Question, *, order: Any, limit: int) -> list[StoredRecord]:
    """Every record of a search, page by page."""
    records: list[StoredRecord] = []
    cursor = None
    for _ in range(10_000):
        page = store.search(question, Budget(), limit=limit, order=order, cursor=cursor)
        assert len(page.records) <= limit
        records.extend(page.records)
        cursor = page.next_cursor
        if cursor is None:
            return records
        assert len(page.records) == limit, "a page that is not the last is full"
    raise AssertionError("pages without end")


def assert_agreement(pair: Pair, ask: Ask) -> None:
    """Every read gives the same answer."""
    assert_same_records(pair, ask)
    assert_same_counts(pair, ask)
    assert_same_tables(pair, ask)


def assert_same_records(pair: Pair, ask: Ask) -> None:
    """search over all pages, sorted, export, context."""
    for order in ("desc", "asc"):
        found, expected = pair.both(lambda s, o=order: all_pages(s, ask.question, order=o, limit=ask.page))  # type: ignore[misc]
        assert list(map(exact_record, found)) == list(map(exact_record, expected)), order
    limit = ast.Limit(ask.page)
    found, expected = pair.both(
        lambda s: s.sorted(ask.question, Budget(), sort=ask.sort, limit=limit).records
    )
    assert list(map(exact_record, found)) == list(map(exact_record, expected))
    found, expected = pair.both(lambda s: _exported(s, ask.question))
    assert list(map(exact_record, found)) == list(map(exact_record, expected))
    for stored in expected[:2]:
        found, wanted = pair.both(lambda s, q=stored.seq: s.context(q, Budget(), before=2, after=3))  # type: ignore[misc]
        for name in ("before", "after"):
            ours, theirs = getattr(found, name), getattr(wanted, name)
            assert list(map(exact_record, ours)) == list(map(exact_record, theirs)), name


def _exported(store: Store, question: Question) -> list[StoredRecord]:
    with store.export(question, Budget()) as lists:
        return [stored for some in lists for stored in some]


def assert_same_counts(pair: Pair, ask: Ask) -> None:
    """count, histogram, facets, fields, patterns."""
    question, field = ask.question, ask.field
    found, expected = pair.both(lambda s: s.count(question, Budget()))
    assert found.count == expected.count
    if question.as_of is None:
        assert found.as_of == expected.as_of
    for by in (None, "level", field):
        ours, theirs = pair.both(
            lambda s, b=by: s.histogram(question, Budget(), interval_ns=ask.interval_ns, by=b)  # type: ignore[misc]
        )
        assert _histogram(ours) == _histogram(theirs), by
    for name in ("service", "level", field):
        ours, theirs = pair.both(lambda s, n=name: s.facets(question, Budget(), field=n, limit=3))  # type: ignore[misc]
        assert _facets(ours) == _facets(theirs), name
    ours, theirs = pair.both(lambda s: s.fields(question, Budget()).fields)
    assert _fields(ours) == _fields(theirs)
    for limit in (None, 2):
        ours, theirs = pair.both(lambda s, n=limit: s.patterns(question, Budget(), limit=n))  # type: ignore[misc]
        assert _patterns(ours) == _patterns(theirs), limit
        assert_examples(pair, question, ours)


def _histogram(answer: Histogram) -> Any:
    return answer.interval_ns, [(start, dict(counts)) for start, counts in answer.buckets]


def _facets(answer: Facets) -> Any:
    values = [(identity_key(value), count) for value, count in answer.values]
    return answer.field, values, answer.other, answer.missing


def _fields(fields: Any) -> Any:
    return [(facts.name, facts.count, facts.types) for facts in fields]


def _patterns(answer: PatternList) -> Any:
    return [replace(facts, example="") for facts in answer.patterns], answer.unmatched


def assert_examples(pair: Pair, question: Question, answer: PatternList) -> None:
    """Each example is a message of its pattern, among the records asked for."""
    found = {
        stored.record.message for stored in all_pages(pair.reference, question, order="asc", limit=1_000)
    }
    for facts in answer.patterns:
        assert facts.example in found
        assert shape(facts.example) == facts.template


def assert_same_tables(pair: Pair, ask: Ask) -> None:
    """stats; floats may differ in their last digits."""
    found, expected = pair.both(lambda s: s.stats(ask.question, Budget(), stats=ask.stats))
    scale = _scale(pair.reference)
    assert_same_table(found, expected, groups=len(ask.stats.by), tolerance=scale * RELATIVE)


def _scale(store: Store) -> float:
    """The sum of the sizes of all numbers below 2**53: how far sums in another order may drift."""
    values = [
        value
        for stored in all_pages(store, Question(ast.All()), order="asc", limit=1_000)
        for value in stored.record.attributes.values()
        if isinstance(value, (int, float)) and abs(value) < 2**53
    ]
    return float(sum(map(abs, values)))


def assert_same_table(found: Table, expected: Table, *, groups: int, tolerance: float) -> None:
    """The same rows in the same order; the groups exactly."""
    assert found.columns == expected.columns
    assert len(found.rows) == len(expected.rows)
    for ours, theirs in zip(found.rows, expected.rows, strict=True):
        assert list(map(identity_key, ours[:groups])) == list(map(identity_key, theirs[:groups]))
        for name, one, other in zip(found.columns, ours, theirs, strict=True):
            assert same_value(one, other, tolerance), f"{name}: {one!r} is not {other!r}"


def same_value(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two values of a table are the same."""
    numbers = [
        value for value in (one, other) if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    if len(numbers) == 2 and any(isinstance(number, float) for number in numbers):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=tolerance)
    return identity_key(one) == identity_key(other)
