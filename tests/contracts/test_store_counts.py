"""The contract of stores: each promise of `store/base.py` about counts and tables, kept by every member."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tamis.query import ast
from tamis.query.parser import parse
from tamis.query.table import FirstRows
from tamis.query.values import order_key
from tamis.record.model import Record
from tamis.store.base import Budget
from tests.contracts.store_bench import T0, Bench, S, at, with_values


def test_a_histogram_counts_by_interval_and_value(bench: Bench, arrive: Callable[..., int]) -> None:
    """Intervals are aligned to 1970, also before it; empty ones are left out; "" stands for no value."""
    arrive(
        at(0, level="INFO"),
        at(59, level="ERROR"),
        at(59),
        at(180, level="INFO"),
        Record(timestamp=-1, level="INFO"),
    )
    answer = bench.store.histogram(bench.question(), Budget(), interval_ns=60 * S, by="level")
    minute = 60 * S
    assert answer.interval_ns == minute
    assert answer.buckets == (
        (-minute, {"INFO": 1}),
        (T0, {"INFO": 1, "ERROR": 1, "": 1}),
        (T0 + 3 * minute, {"INFO": 1}),
    )
    plain = bench.store.histogram(bench.question("level:*"), Budget(), interval_ns=minute, by=None)
    assert plain.buckets == ((-minute, {"": 1}), (T0, {"": 2}), (T0 + 3 * minute, {"": 1}))


def test_intervals_may_be_tiny_beside_the_time_they_span(bench: Bench, arrive: Callable[..., int]) -> None:
    """Memory goes by the records, not by the number of intervals between them."""
    arrive(at(0, level="INFO"), Record(timestamp=0, level="INFO"))
    for by in (None, "level", "x"):
        buckets = bench.store.histogram(bench.question(), Budget(), interval_ns=1, by=by).buckets
        assert [start for start, _ in buckets] == [0, T0]


def test_a_histogram_counts_by_any_field(bench: Bench, arrive: Callable[..., int]) -> None:
    """By the text of the value: 1, 1.0 and "1" are one text."""
    arrive(*with_values(1, 1.0, "1", True, [1, 2], None))
    answer = bench.store.histogram(bench.question(), Budget(), interval_ns=60 * S, by="x")
    assert answer.buckets == ((T0, {"1": 3, "true": 1, "[1,2]": 1, "": 1}),)


def test_facets_are_the_most_frequent_values(bench: Bench, arrive: Callable[..., int]) -> None:
    """Most frequent first, equal counts by value; 1 and 1.0 are one, 1, "1" and true are three."""
    arrive(*with_values("b", "b", 1, 1.0, "1", True, "a", [1], [1], None, [2], 404))
    answer = bench.store.facets(bench.question(), Budget(), field="x", limit=4)
    assert answer.field == "x"
    assert answer.values == ((1, 2), ("b", 2), ([1], 2), (404, 1))
    assert (answer.other, answer.missing) == (4, 1)
    whole = bench.store.facets(bench.question("x:b"), Budget(), field="x")
    assert (whole.values, whole.other, whole.missing) == ((("b", 2),), 0, 0)


@pytest.mark.parametrize("text", ["", "a", "NOT level:/x/", "level:INFO", "nowhere:*"])
def test_a_field_that_no_record_has_is_missing_everywhere(
    bench: Bench, arrive: Callable[..., int], text: str
) -> None:
    """Whatever is asked about it, and whatever the filter looks at."""
    arrive(at(0, "a", level="INFO"), at(1, "a", level="INFO"))
    question, many = bench.question(text), 0 if "nowhere" in text else 2
    answer = bench.store.facets(question, Budget(), field="nowhere")
    assert (answer.values, answer.other, answer.missing) == ((), 0, many)
    buckets = bench.store.histogram(question, Budget(), interval_ns=60 * S, by="nowhere").buckets
    assert buckets == (((T0, {"": many}),) if many else ())
    groups = bench.stats(f"{text} | stats count(), count(nowhere), sum(nowhere) by nowhere")
    assert groups == ([(None, many, 0, None)] if many else [])
    sort = ast.Sort((ast.SortKey("nowhere", False),))
    assert len(bench.store.sorted(question, Budget(), sort=sort, limit=ast.Limit(9)).records) == many


def test_an_object_has_no_value_of_its_own(bench: Bench, arrive: Callable[..., int]) -> None:
    """The fields of an object are counted, the object is missing."""
    arrive(*with_values({"id": 7}, {"id": 7}, {}, 5))
    answer = bench.store.facets(bench.question(), Budget(), field="x")
    assert (answer.values, answer.missing) == (((5, 1),), 3)
    assert bench.store.facets(bench.question(), Budget(), field="x.id").values == ((7, 2),)


def test_fields_are_listed_with_types(bench: Bench, arrive: Callable[..., int]) -> None:
    """Every field of the records found, by name, with the number of records for each type."""
    arrive(
        at(0, "a", service="s", attributes={"x": 1, "user": {"id": 7}, "level": "x"}),
        at(0, "a", attributes={"x": "1", "user": {"id": 2.5}}),
        at(0, "b", attributes={"x": True, "only_b": 1}),
        at(0, "a", attributes={"x": [1], "e": {}, "big": 2**70}),
    )
    found = bench.store.fields(bench.question("a"), Budget()).fields
    assert {facts.name: (facts.count, facts.types) for facts in found} == {
        "attributes.level": (1, {"text": 1}),
        "big": (1, {"int": 1}),
        "e": (1, {"json": 1}),
        "message": (3, {"text": 3}),
        "service": (1, {"text": 1}),
        "user.id": (2, {"float": 1, "int": 1}),
        "x": (3, {"int": 1, "json": 1, "text": 1}),
    }
    assert [facts.name for facts in found] == sorted(facts.name for facts in found)


# stats


STATS_CASES = [
    ("count(), count(x)", [1, None, "a"], (3, 2)),
    ("sum(x)", [1, 2, 2**70], (2**70 + 3,)),
    ("sum(x)", [1, 2.5, "4.5", "abc", True, [9]], (8.0,)),
    ("sum(x), avg(x), min(x), p50(x), first(x)", [None], (None,) * 5),
    ("min(x), max(x)", [3, "2.5", "abc", 10], (2.5, 10)),
    ("min(x), max(x)", ["b", "a", True, "B"], ("B", "b")),
    ("min(x), max(x)", [True, [1]], (None, None)),
    ("min(x), max(x)", [2**70, -(2**70), 0.5], (-(2**70), 2**70)),
    ("avg(x)", [1, 2, "6"], (3.0,)),
    ("p50(x), p95(x), p0(x)", [1, 2, 3, 4], (2.5, 3.85, 1.0)),
    ("p99.9(x)", [5], (5.0,)),
    ("count_distinct(x)", [1, 1.0, "1", True, [1], [1], None, "a", "a"], (5,)),
    ("first(x), last(x)", [None, "a", 2, [1], None], ("a", [1])),
    ("first(x), last(x)", [{"y": 1}, 3], (3, 3)),
    ("min(timestamp), max(message)", [1, 2], (T0, "m1")),
]


@pytest.mark.parametrize(("aggregates", "values", "expected"), STATS_CASES)
def test_aggregates(
    bench: Bench, arrive: Callable[..., int], aggregates: str, values: list[Any], expected: Any
) -> None:
    """Numbers count as numbers, also as text; what is no number is passed over; no value gives nothing."""
    arrive(*with_values(*values))
    (row,) = bench.stats(f"* | stats {aggregates}")
    for found, wanted in zip(row, expected, strict=True):
        assert found == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)


def test_sums_of_integers_are_integers(bench: Bench, arrive: Callable[..., int]) -> None:
    """A sum of whole numbers is a whole number; one fraction makes it a float."""
    arrive(*with_values(2**62, 2**62, 2**62))
    ((total,),) = bench.stats("* | stats sum(x)")
    assert (total, type(total)) == (3 * 2**62, int)
    bench.put(*with_values(0.5))
    ((total,),) = bench.stats("* | stats sum(x)")
    assert isinstance(total, float)


def test_groups_stand_by_value_missing_first(bench: Bench, arrive: Callable[..., int]) -> None:
    """One row for each value; 404 stays a number beside "404"."""
    arrive(*with_values("b", 404, None, "404", 404.0, True, [1], 7))
    rows = bench.stats("* | stats count() as n by x")
    assert rows == [(None, 1), (7, 1), (404, 2), ("404", 1), ("b", 1), (True, 1), ([1], 1)]
    assert bench.stats("nothing | stats count() by x") == []


def value_key(at_: int, row: list[Any]) -> Any:
    return order_key(row[at_])


@pytest.mark.parametrize("count", [None, 0, 2, 5, 100])
@pytest.mark.parametrize("text", ["", "| sort n desc", "| sort n, x desc", "| sort x desc", "| sort most"])
def test_the_first_rows_are_those_of_the_whole_table(
    bench: Bench, arrive: Callable[..., int], text: str, count: int | None
) -> None:
    """In the order that is asked for, missing values last in both directions, equal rows by their groups; and how many
    rows there are."""
    arrive(*with_values("b", 404, None, "404", 404.0, True, [1], 7, "b", False, "a"))
    query = parse(f"* | stats count() as n, max(x) as most by x {text}")
    stats, *sorts = query.stages
    assert isinstance(stats, ast.Stats)
    (sort,) = sorts or (None,)
    assert sort is None or isinstance(sort, ast.Sort)
    whole = [list(row) for row in bench.stats("* | stats count() as n, max(x) as most by x")]
    for key in reversed(sort.keys if sort else ()):
        at_ = ("x", "n", "most").index(key.name)
        present = [row for row in whole if row[at_] is not None]
        present.sort(key=partial(value_key, at_), reverse=key.descending)
        whole = present + [row for row in whole if row[at_] is None]
    found = bench.store.stats(bench.question(), Budget(), stats=stats, first=FirstRows(sort, count))
    assert ([list(row) for row in found.rows], found.total) == (whole[:count], len(whole))


def test_bins_are_aligned_to_1970(bench: Bench, arrive: Callable[..., int]) -> None:
    """bin() groups by the start of the interval, beside other groups."""
    arrive(at(0, service="a"), at(59, service="b"), at(60, service="a"), Record(timestamp=-1, service="a"))
    rows = bench.stats("* | stats count() by bin(1m), service")
    assert rows == [(-60 * S, "a", 1), (T0, "a", 1), (T0, "b", 1), (T0 + 60 * S, "a", 1)]


def test_columns_are_groups_then_aggregates(bench: Bench) -> None:
    """Names are those of the query."""
    query = parse("* | stats count(), p95(x) as slow by service, bin(5m)")
    stats = query.stages[0]
    assert isinstance(stats, ast.Stats)
    answer = bench.store.stats(bench.question(), Budget(), stats=stats)
    assert answer.columns == ("service", "bin", "count", "slow")
    assert answer.rows == ()


def test_no_records_give_one_row_without_groups(bench: Bench) -> None:
    """Counts are zero, the rest is nothing."""
    rows = bench.stats("* | stats count(), count(x), sum(x), avg(x), count_distinct(x), rate()")
    assert rows == [(0, 0, None, None, 0, None)]


def test_a_rate_is_per_second_of_what_was_asked(bench: Bench, arrive: Callable[..., int]) -> None:
    """Of the bin; else of the range that was asked; else from the first to the last record."""
    arrive(*(at(n, "a") for n in range(5)), at(8, "b"))
    assert bench.stats("* | stats rate() by bin(10s)") == [(T0, pytest.approx(0.6))]
    assert bench.stats("a | stats rate()", start_ns=T0, end_ns=T0 + 20 * S) == [(pytest.approx(0.25),)]
    assert bench.stats("a _time:[now TO +10s] | stats rate()") == [(pytest.approx(0.5),)]
    assert bench.stats("a | stats rate()") == [(pytest.approx(1.25),)]
    assert bench.stats("b | stats rate()") == [(None,)]
    assert bench.stats("none _time:[now TO +10s] | stats rate()") == [(0.0,)]
