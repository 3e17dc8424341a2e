"""The contract of stores: each promise of `store/base.py`, kept by every member."""

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tamis.errors import JournalClosedError, QueryCancelledError, QueryError, QueryTimeoutError
from tamis.query import ast
from tamis.query.parser import parse
from tamis.record.model import Columns, StoredRecord
from tamis.record.shape import shape, shape_id
from tamis.store.base import Budget, Question, Store
from tests.contracts.agreement import all_pages, exact_record
from tests.contracts.store_bench import T0, Bench, S, at, with_values
from tests.support.language_cases import CASES
from tests.support.strategies import SCALARS

# append


def test_the_store_has_an_id_of_eight_hexadecimal_digits(bench: Bench) -> None:
    """store_id is part of public record ids."""
    assert re.fullmatch("[0-9a-f]{8}", bench.store.store_id)


def test_sequences_count_from_one_without_a_gap(bench: Bench) -> None:
    """Records are numbered as they come, batch after batch; an empty batch takes no number."""
    assert bench.put(at(0), at(1)) == 1
    empty = bench.store.append(Columns.of([]))
    assert (empty.first_seq, empty.count, empty.duplicate) == (3, 0, False)
    assert bench.put(at(0)) == 3
    bench.settle()
    assert bench.put(at(0)) == 4
    found = all_pages(bench.store, bench.question(), order="asc", limit=10)
    assert sorted(stored.seq for stored in found) == [1, 2, 3, 4]


def test_records_come_back_as_they_were(bench: Bench, arrive: Callable[..., int]) -> None:
    """Every type, name and nesting of attributes comes back exactly, with the instant of receipt."""
    names = (
        "a",
        "a.b",
        "weird field",
        "x#i",
        "a/b",
        "a~b",
        "~1",
        "größe",
        "level",
        "seq",
        "attributes_rest",
        "#",
        "",
    )
    records = [
        *with_values(*SCALARS),
        *with_values(
            [1, "a", [2.5, True]], {"b": {"c": 1}}, {}, [], {"a": []}, [{"x": 1}], {"a.b": 1, "c": {}}
        ),
        *(at(0, attributes={name: name}) for name in names),
        at(
            0,
            "all",
            level="ERROR",
            service="s",
            host="h",
            logger="l",
            trace_id="t",
            span_id="p",
            correlation_id="c",
        ),
        at(0, ""),
        at(0, "\x00 nul, \u2028 and 🦉"),
    ]
    arrive(*records)
    found = all_pages(bench.store, bench.question(), order="asc", limit=7)
    found.sort(key=lambda stored: stored.seq)
    expected = [StoredRecord(seq=n, received=T0, record=record) for n, record in enumerate(records, 1)]
    for ours, theirs in zip(found, expected, strict=True):
        assert exact_record(ours) == exact_record(theirs)


def test_a_missing_timestamp_is_the_instant_of_receipt(bench: Bench) -> None:
    """A record that says no time happened when it came."""
    bench.store.append(Columns(length=2, timestamp=[None, T0 + 5], core={"message": ["a", None]}))
    found = all_pages(bench.store, bench.question(), order="asc", limit=10)
    assert [(one.record.timestamp, one.record.message) for one in found] == [(T0, "a"), (T0 + 5, "")]


def test_a_batch_under_the_same_id_is_stored_once(bench: Bench) -> None:
    """The second append stores nothing and gives back what the first one was given."""
    first = bench.store.append(Columns.of([at(0, "one")]), batch_id="b1", receipt=b"r1")
    bench.settle()
    second = bench.store.append(Columns.of([at(0, "two"), at(1, "three")]), batch_id="b1", receipt=b"r2")
    assert not first.duplicate
    assert (second.duplicate, second.first_seq, second.count, second.receipt) == (True, 1, 1, b"r1")
    assert bench.messages() == ["one"]
    assert bench.put(at(2), batch_id="b2") == 2


def test_an_empty_batch_keeps_its_receipt(bench: Bench) -> None:
    """A batch of which nothing could be stored is remembered too."""
    bench.store.append(Columns.of([]), batch_id="empty", receipt=b"all rejected")
    bench.settle()
    found = bench.store.find_batch("empty")
    assert found is not None
    assert (found.count, found.receipt) == (0, b"all rejected")


def test_batches_are_found_by_their_id(bench: Bench) -> None:
    """find_batch tells what became of a batch; None for one that never came."""
    bench.put(at(0), at(1), batch_id="b")
    found = bench.store.find_batch("b")
    assert found is not None
    assert (found.first_seq, found.count) == (1, 2)
    assert bench.store.find_batch("other") is None


def test_batch_ids_are_forgotten_after_a_day(bench: Bench) -> None:
    """After 24 h the same id is a new batch; before, it is not."""
    bench.put(at(0, "one"), batch_id="b")
    bench.clock.pass_s(23 * 3_600)
    assert bench.put(at(0, "two"), batch_id="b") == 1
    bench.clock.pass_s(2 * 3_600)
    assert bench.put(at(0, "three"), batch_id="b") == 2
    assert bench.messages() == ["one", "three"]


def test_concurrent_appends_under_one_id_store_one_batch(bench: Bench) -> None:
    """Whoever comes while the first is under way waits for it, and gets its answer."""
    seqs: list[int] = []
    barrier = threading.Barrier(4)

    def put() -> None:
        barrier.wait()
        seqs.append(bench.put(at(0, "a"), at(1, "b"), batch_id="same"))

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seqs == [1, 1, 1, 1]
    assert bench.count() == 2


def test_concurrent_appends_lose_and_double_nothing(bench: Bench) -> None:
    """Batches from many threads are all there, each in one run of sequences."""
    firsts: dict[int, int] = {}

    def put(thread: int) -> None:
        for batch in range(5):
            number = thread * 5 + batch
            firsts[number] = bench.put(*(at(0, f"batch{number} r{row}") for row in range(3)))

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = all_pages(bench.store, bench.question(), order="asc", limit=1_000)
    assert [stored.seq for stored in found] == list(range(1, 61))
    for stored in found:
        number, row = re.fullmatch(r"batch(\d+) r(\d)", stored.record.message).groups()  # type: ignore[union-attr]
        assert stored.seq == firsts[int(number)] + int(row)


def test_what_was_appended_is_seen_by_the_next_read(bench: Bench) -> None:
    """Each read sees all that append returned for."""
    for number in range(1, 6):
        bench.put(at(0, f"n{number}"))
        assert bench.count() == number
        if number % 2:
            bench.settle()


# search


def test_records_stand_in_order_of_time_then_arrival(bench: Bench) -> None:
    """Newest first unless asked otherwise; equal instants by sequence."""
    bench.put(at(5, "c"), at(1, "a"))
    bench.settle()
    bench.put(at(5, "d"), at(3, "b"), at(-1, "z"))
    assert bench.messages() == ["z", "a", "b", "c", "d"]
    assert bench.messages(order="desc") == ["d", "c", "b", "a", "z"]
    page = bench.store.search(bench.question(), Budget())
    assert [stored.record.message for stored in page.records] == ["d", "c", "b", "a", "z"]


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_together_are_everything_once(bench: Bench, order: Any, limit: int) -> None:
    """Cursor after cursor, each record comes once and in order; the last page says that nothing follows."""
    bench.put(*(at(n // 3, f"m{n}") for n in range(4)))
    bench.settle()
    bench.put(*(at(n // 3, f"m{n}") for n in range(4, 7)))
    found = all_pages(bench.store, bench.question(), order=order, limit=limit)
    expected = [f"m{n}" for n in range(7)]
    assert [stored.record.message for stored in found] == (expected if order == "asc" else expected[::-1])


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_pages_stay_right_while_records_arrive(bench: Bench, order: Any) -> None:
    """A cursor carries its as_of: what comes later is on none of its pages."""
    bench.put(*(at(n, f"m{n}") for n in range(6)))
    question = bench.question()
    first = bench.store.search(question, Budget(), limit=2, order=order)
    bench.put(*(at(n + 0.5, "late") for n in range(-2, 9)))
    bench.settle()
    second = bench.store.search(question, Budget(), limit=9, order=order, cursor=first.next_cursor)
    messages = [stored.record.message for stored in (*first.records, *second.records)]
    assert sorted(messages) == [f"m{n}" for n in range(6)]
    assert (first.as_of, second.as_of) == (6, 6)


def test_a_cursor_goes_with_its_search_only(bench: Bench) -> None:
    """Another query, order or as_of, and what is no cursor at all, are errors and not other records."""
    bench.put(*(at(n, "a b") for n in range(5)))
    cursor = bench.store.search(bench.question("a"), Budget(), limit=2).next_cursor
    assert cursor is not None
    for question, order in (
        (bench.question("b"), "desc"),
        (bench.question("a"), "asc"),
        (bench.question("a", as_of=3), "desc"),
    ):
        with pytest.raises(QueryError):
            bench.store.search(question, Budget(), limit=2, order=order, cursor=cursor)  # type: ignore[arg-type]
    for text in ("", "x", cursor[:-1], cursor + "A", cursor[::-1], "é", "A" * 100_000):
        with pytest.raises(QueryError):
            bench.store.search(bench.question("a"), Budget(), limit=2, cursor=text)


def test_a_cursor_outlives_the_passing_of_time(bench: Bench) -> None:
    """A relative time that is resolved anew for the second page is still the same search."""
    bench.put(*(at(n, f"m{n}") for n in range(5)))
    first = bench.store.search(bench.question("_time:-1h"), Budget(), limit=3, order="asc")
    bench.clock.pass_s(60)
    second = bench.store.search(bench.question("_time:-1h"), Budget(), order="asc", cursor=first.next_cursor)
    assert [stored.record.message for stored in second.records] == ["m3", "m4"]


def test_the_start_is_included_and_the_end_is_not(bench: Bench, arrive: Callable[..., int]) -> None:
    """start <= timestamp < end, together with what the query itself says."""
    arrive(*(at(n, f"m{n}") for n in range(5)))
    assert bench.messages(start_ns=T0 + S, end_ns=T0 + 3 * S) == ["m1", "m2"]
    assert bench.messages("NOT m1", start_ns=T0 + S, end_ns=T0 + 3 * S) == ["m2"]
    assert bench.messages("_time:[now TO +2s]", start_ns=T0 + S) == ["m1"]
    assert bench.messages(start_ns=T0 + 3 * S, end_ns=T0 + S) == []


def test_as_of_repeats_an_answer(bench: Bench) -> None:
    """With an as_of, every read sees only the records up to it."""
    bench.put(*(at(n, f"a {n}", service="s") for n in range(3)))
    as_of = bench.store.count(bench.question(), Budget()).as_of
    assert as_of == 3
    bench.put(*(at(n, f"a {n}", service="s") for n in range(4)))
    bench.settle()
    question = bench.question("a", as_of=as_of)
    store = bench.store
    assert store.count(question, Budget()).count == 3
    assert len(store.search(question, Budget()).records) == 3
    assert store.facets(question, Budget(), field="service").values == (("s", 3),)
    assert sum(facts.count for facts in store.patterns(question, Budget()).patterns) == 3
    assert store.histogram(question, Budget(), interval_ns=S, by=None).buckets[-1] == (T0 + 2 * S, {"": 1})
    assert bench.stats("a | stats count()", as_of=as_of) == [(3,)]
    assert {facts.count for facts in store.fields(question, Budget()).fields} == {3}
    assert store.count(question, Budget()).as_of == 3
    assert store.count(bench.question(), Budget()).as_of == 7


def test_every_sentence_of_the_language_holds(bench: Bench, arrive: Callable[..., int]) -> None:
    """Each case of the language's description finds its record, or does not, in the store as in `match`."""
    arrive(*(case.record for case in CASES))
    wrong = []
    for seq, case in enumerate(CASES, 1):
        found = bench.store.search(bench.question(case.query), Budget(), limit=10_000).records
        if (seq in {stored.seq for stored in found}) is not case.found:
            wrong.append((case.query, case.fields))
    assert wrong == []


def test_sorting_puts_missing_values_last(bench: Bench, arrive: Callable[..., int]) -> None:
    """Ascending or descending: numbers, texts, JSON by value; then records without the field, newest first."""
    arrive(*with_values("b", None, 10, True, 9.5, "B", [1], None, False, 2**70, -1))

    def messages(text: str, limit: int = 100) -> list[str]:
        sort = parse(text).stages[0]
        assert isinstance(sort, ast.Sort)
        page = bench.store.sorted(bench.question(), Budget(), sort=sort, limit=ast.Limit(limit))
        return [stored.record.message for stored in page.records]

    ascending = ["m10", "m4", "m2", "m9", "m5", "m0", "m8", "m3", "m6"]
    assert messages("| sort x") == [*ascending, "m7", "m1"]
    assert messages("| sort x desc") == [*ascending[::-1], "m7", "m1"]
    assert messages("| sort x", 3) == ["m10", "m4", "m2"]
    assert messages("| sort timestamp", 2) == ["m0", "m1"]
    assert messages("| sort nowhere", 2) == ["m10", "m9"]


def test_sorting_by_several_keys_takes_them_in_turn(bench: Bench, arrive: Callable[..., int]) -> None:
    """Equal first keys are told apart by the second, and equal records stand newest first."""
    rows = [("b", 1), ("a", 1), ("a", 2), ("b", 2), ("a", 2)]
    arrive(*(at(n, f"m{n}", service=s, attributes={"x": x}) for n, (s, x) in enumerate(rows)))
    sort = ast.Sort((ast.SortKey("service", False), ast.SortKey("x", True)))
    page = bench.store.sorted(bench.question(), Budget(), sort=sort, limit=ast.Limit(9))
    assert [stored.record.message for stored in page.records] == ["m4", "m2", "m1", "m3", "m0"]


# patterns and context


def test_patterns_add_up_to_what_was_found(bench: Bench, arrive: Callable[..., int]) -> None:
    """One pattern for each shape with its facts; the counts add up to the count of the question."""
    arrive(
        at(0, "order 1 placed", level="INFO", service="a"),
        at(9, "order 22 placed", level="INFO"),
        at(5, "order 3 placed", level="ERROR", service="a"),
        at(1, "started", service="b"),
        at(2, "stopped"),
    )
    answer = bench.store.patterns(bench.question(), Budget())
    assert answer.unmatched == 0
    first = answer.patterns[0]
    assert (first.template, first.count) == ("order <*> placed", 3)
    assert first.shape_id == shape_id(shape("order 7 placed"))
    assert (first.first_seen, first.last_seen) == (T0, T0 + 9 * S)
    assert first.levels == {"INFO": 2, "ERROR": 1}
    assert first.services == {"a": 2, "": 1}
    assert first.example == "order 22 placed"
    assert [facts.template for facts in answer.patterns] == ["order <*> placed", "started", "stopped"]
    limited = bench.store.patterns(bench.question(), Budget(), limit=1)
    assert (len(limited.patterns), limited.unmatched) == (1, 2)
    some = bench.store.patterns(bench.question("service:a"), Budget())
    assert [(facts.template, facts.count, facts.example) for facts in some.patterns] == [
        ("order <*> placed", 2, "order 3 placed")
    ]


def test_a_pattern_drills_down_to_its_records(bench: Bench, arrive: Callable[..., int]) -> None:
    """Shapes as a filter find exactly the records that the pattern counted."""
    arrive(*(at(n, f"order {n} placed") for n in range(3)), at(9, "order placed"))
    for facts in bench.store.patterns(bench.question(), Budget()).patterns:
        question = Question(ast.Shapes(frozenset({facts.shape_id})))
        assert bench.store.count(question, Budget()).count == facts.count
    assert bench.store.count(Question(ast.Shapes(frozenset())), Budget()).count == 0


def test_context_is_what_stands_around_in_service_and_host(bench: Bench) -> None:
    """Neighbours by time then arrival, ascending, of the same service and host, absent ones among themselves."""
    bench.put(*(at(n, f"a{n}", service="a", host="h") for n in range(4)), at(1, "other", service="a"))
    bench.settle()
    bench.put(at(2, "late", service="a", host="h"), at(2, "alien", service="b", host="h"))
    found = bench.store.context(3, Budget(), before=1, after=2)
    assert found.record is not None
    assert found.record.record.message == "a2"
    assert [stored.record.message for stored in found.before] == ["a1"]
    assert [stored.record.message for stored in found.after] == ["late", "a3"]
    alone = bench.store.context(5, Budget())
    assert (alone.before, alone.after) == ((), ())
    nothing = bench.store.context(3, Budget(), before=0, after=0)
    assert nothing.record is not None
    assert (nothing.before, nothing.after) == ((), ())
    assert bench.store.context(99, Budget()).record is None


# export and delete


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_export_gives_everything_as_it_stood(bench: Bench, order: Any) -> None:
    """All records in order, in lists; what arrives meanwhile is not among them."""
    bench.put(*(at(n % 50, f"m{n}") for n in range(3_000)))
    bench.settle()
    bench.put(*(at(n % 50, f"m{n}") for n in range(3_000, 4_000)))
    found = []
    with bench.store.export(bench.question(), Budget(), order=order) as lists:
        for some in lists:
            assert 0 < len(some) <= 20_000
            found.extend(some)
            bench.put(at(0, "late"))
    expected = sorted(((n % 50, n + 1) for n in range(4_000)), reverse=order == "desc")
    assert [stored.seq for stored in found] == [seq for _, seq in expected]


def test_deleted_records_are_gone_from_every_answer(bench: Bench, arrive: Callable[..., int]) -> None:
    """Hidden at once, from every read, also under an earlier as_of; the rest stays."""
    arrive(
        *(at(n, f"secret {n}", service="s", attributes={"x": n}) for n in range(3)),
        at(5, "kept", service="t"),
    )
    hidden = bench.store.delete(bench.question("secret"), Budget())
    assert hidden.hidden == 3
    assert bench.messages() == ["kept"]
    for as_of in (None, 4):
        question = bench.question(as_of=as_of)
        store = bench.store
        assert store.count(question, Budget()).count == 1
        assert [facts.template for facts in store.patterns(question, Budget()).patterns] == ["kept"]
        assert store.facets(question, Budget(), field="service").values == (("t", 1),)
        assert store.facets(question, Budget(), field="x").values == ()
        assert [facts.name for facts in store.fields(question, Budget()).fields] == ["message", "service"]
        assert store.histogram(question, Budget(), interval_ns=S, by=None).buckets == ((T0 + 5 * S, {"": 1}),)
        assert bench.stats("* | stats count(), sum(x)", as_of=as_of) == [(1, None)]
    assert bench.store.context(1, Budget()).record is None
    assert bench.store.delete(bench.question("secret"), Budget()).hidden == 0
    bench.settle()
    assert bench.messages() == ["kept"]


def test_a_deletion_takes_only_what_is_there_now(bench: Bench) -> None:
    """The same words may come again, and stay."""
    bench.put(at(0, "secret old"), batch_id="b")
    bench.store.delete(bench.question("secret"), Budget())
    bench.put(at(1, "secret new"))
    bench.settle()
    assert bench.messages() == ["secret new"]
    assert bench.put(at(0, "secret old"), batch_id="b") == 1
    assert bench.messages() == ["secret new"]


def test_a_deletion_keeps_to_its_range(bench: Bench, arrive: Callable[..., int]) -> None:
    """Start, end and as_of of the question bound what is deleted."""
    arrive(*(at(n, f"m{n}") for n in range(5)))
    assert bench.store.delete(bench.question(start_ns=T0 + S, end_ns=T0 + 3 * S), Budget()).hidden == 2
    assert bench.messages() == ["m0", "m3", "m4"]
    assert bench.store.delete(bench.question(as_of=4), Budget()).hidden == 2
    assert bench.messages() == ["m4"]


# limits, health, end


READS: dict[str, Callable[[Store, Question, Budget], Any]] = {
    "search": lambda store, question, budget: store.search(question, budget),
    "sorted": lambda store, question, budget: store.sorted(
        question, budget, sort=ast.Sort((ast.SortKey("x", False),)), limit=ast.Limit(5)
    ),
    "count": lambda store, question, budget: store.count(question, budget),
    "histogram": lambda store, question, budget: store.histogram(question, budget, interval_ns=S, by="level"),
    "facets": lambda store, question, budget: store.facets(question, budget, field="x"),
    "fields": lambda store, question, budget: store.fields(question, budget),
    "stats": lambda store, question, budget: store.stats(
        question, budget, stats=ast.Stats((ast.Aggregate("count", None, "n"),))
    ),
    "patterns": lambda store, question, budget: store.patterns(question, budget),
    "context": lambda store, _, budget: store.context(1, budget),
    "delete": lambda store, question, budget: store.delete(question, budget),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_reads_end_when_called_off_or_out_of_time(bench: Bench, read: Callable[..., Any]) -> None:
    """A cancelled budget and one without time left end every read with their own error."""
    bench.put(*with_values(1, 2, 3))
    cancelled = Budget()
    cancelled.cancel()
    with pytest.raises(QueryCancelledError):
        read(bench.store, bench.question("m1"), cancelled)
    spent = Budget(5.0, bench.clock)
    bench.clock.pass_s(6)
    with pytest.raises(QueryTimeoutError):
        read(bench.store, bench.question("m1"), spent)
    assert bench.count() == 3


def test_reads_of_an_empty_store_are_empty(bench: Bench) -> None:
    """Nothing is not an error."""
    store, question = bench.store, bench.question()
    assert store.search(question, Budget()).records == ()
    assert store.search(question, Budget()).next_cursor is None
    assert store.count(question, Budget()) == type(store.count(question, Budget()))(as_of=0, count=0)
    assert store.histogram(question, Budget(), interval_ns=S, by="level").buckets == ()
    assert store.facets(question, Budget(), field="x").values == ()
    assert store.fields(question, Budget()).fields == ()
    assert store.patterns(question, Budget()).patterns == ()
    assert store.context(1, Budget()).record is None
    assert store.delete(question, Budget()).hidden == 0
    with store.export(question, Budget()) as lists:
        assert [stored for some in lists for stored in some] == []


def test_health_counts_records(bench: Bench) -> None:
    """A store that works says ready, and how many records it has."""
    assert (bench.store.health().state, bench.store.health().records) == ("ready", 0)
    bench.put(at(0), at(1))
    bench.settle()
    bench.put(at(2))
    assert (bench.store.health().state, bench.store.health().records) == ("ready", 3)


def test_a_closed_store_takes_nothing_more(bench: Bench) -> None:
    """close can be called again; append says what is wrong; health says closed."""
    bench.put(at(0))
    bench.store.close()
    bench.store.close()
    with pytest.raises(JournalClosedError):
        bench.put(at(1))
    assert bench.store.health().state == "closed"
