"""The meaning of the language, case by case."""

import time

import pytest
from hypothesis import given, settings

from tamis.errors import QueryError
from tamis.query import ast
from tamis.query.match import compile_match, match
from tamis.query.parser import parse
from tamis.query.resolve import resolve
from tamis.query.scalar import scalar_test
from tamis.record.model import Record, StoredRecord
from tamis.record.shape import pattern_id, shape, shape_id
from tests.support.language_cases import CASES, NOW_NS, Case
from tests.support.strategies import filters, records


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.query} on {case.fields}"[:100])
def test_a_query_finds_what_it_means(case: Case) -> None:
    """Each sentence of the language's description holds for the record beside it."""
    filter = resolve(parse(case.query), NOW_NS).filter
    assert match(filter, case.record, received=NOW_NS) is case.found


@settings(deadline=None)
@given(filters(), records())
def test_not_is_the_opposite(given_filter: ast.Filter, record: Record) -> None:
    """Exactly one of a filter and its negation finds a record."""
    filter = resolve(ast.Query(given_filter), NOW_NS).filter
    assert match(filter, record) is not match(ast.Not(filter), record)


def test_a_pattern_finds_the_records_of_its_shape() -> None:
    """pattern: finds every message that differs in digit-bearing tokens only."""
    id = pattern_id(shape_id(shape("order 42 placed")))
    filter = resolve(parse(f"pattern:{id}"), NOW_NS).filter
    assert match(filter, Record(timestamp=0, message="order 7 placed"))
    assert not match(filter, Record(timestamp=0, message="order x placed"))


def test_unresolved_filters_are_refused() -> None:
    """match never guesses what now is."""
    for text in ("_time:-15m", "pattern:p_1", "received>-5m"):
        with pytest.raises(QueryError):
            compile_match(parse(text).filter)


def test_none_inside_attributes_is_absent() -> None:
    """None does not exist, wherever it stands."""
    record = Record(timestamp=0, attributes={"x": None, "y": [None, "a"]})  # type: ignore[dict-item, list-item]
    assert not match(ast.Exists("x"), record)
    assert match(ast.Phrase("y", "a"), record)


def test_received_is_compared_as_an_instant() -> None:
    """received is the instant of receipt, not of the event."""
    stored = StoredRecord(seq=1, received=NOW_NS, record=Record(timestamp=0))
    assert compile_match(resolve(parse("received>=now"), NOW_NS).filter)(stored)
    assert not compile_match(resolve(parse("received>now"), NOW_NS).filter)(stored)


def test_a_word_is_decided_over_thousands_of_shapes_in_milliseconds() -> None:
    """2,400 shapes are decided in well under a tenth of a second (the aim is 10 ms)."""
    shapes = [
        f"worker {i:x} of node a{i}b has <*> items left in queue of service shop-{i % 7}"
        for i in range(2_400)
    ]
    test = scalar_test(ast.Phrase("message", "timeout"))
    started = time.perf_counter()
    found = sum(map(test, shapes))
    assert found == 0
    assert time.perf_counter() - started < 0.1
