"""What answers say about their own questions."""

import pytest

from tamis.errors import QueryCancelledError, QueryTimeoutError
from tamis.record.attributes import Value
from tamis.record.model import Columns, Record
from tamis.server.questions.params import Asked
from tamis.server.questions.search import Searcher
from tamis.store.base import Budget, FieldList, Question
from tamis.store.memory import MemoryStore


class SlowStore(MemoryStore):
    """A store whose list of fields never comes in time."""

    error: type[Exception] = QueryTimeoutError

    def fields(self, question: Question, budget: Budget) -> FieldList:
        raise self.error("too late")


def filled(store: MemoryStore) -> Searcher:
    attributes: dict[str, Value] = {"status": 404, "user": {"id": 7}, "level": "gold"}
    store.append(Columns.of([Record(timestamp=1, message="hello", level="AUDIT", attributes=attributes)]))
    return Searcher(store, rows_max=100)


@pytest.fixture
def searcher() -> Searcher:
    return filled(MemoryStore())


def warnings(searcher: Searcher, q: str) -> list[str]:
    return searcher.search(Asked(q), Budget()).warnings


def test_every_answer_tells_slips_and_unknown_fields(searcher: Searcher) -> None:
    """All of them when they are empty."""
    asked, budget = Asked("levle:error not x"), Budget()
    given = [
        searcher.search(asked, budget),
        searcher.count(asked, budget),
        searcher.histogram(asked, budget),
        searcher.facets(asked, budget, field="service"),
        searcher.fields(asked, budget),
        searcher.patterns(asked, budget),
        searcher.stats(Asked(f"{asked.q} | stats count()"), budget),
        searcher.stats(Asked(f"{asked.q} | stats count() by host"), budget),
        searcher.delete(asked, budget),
    ]
    for answer in given:
        assert len(answer.warnings) == 2, answer
        assert "the word not is searched" in answer.warnings[0]
        assert answer.warnings[1] == "no record has a field levle; did you mean level?"


@pytest.mark.parametrize(
    ("q", "warning"),
    [
        ("statsu>400", "no record has a field statsu; did you mean status?"),
        ("usr.id:7", "no record has a field usr.id; did you mean user.id?"),
        ("zzz:*", "no record has a field zzz"),
        ("attributes.levle:gold", "no record has a field attributes.levle; did you mean attributes.level?"),
    ],
)
def test_a_field_that_no_record_has_is_named(searcher: Searcher, q: str, warning: str) -> None:
    """With the one that was perhaps meant."""
    assert warnings(searcher, q) == [warning]


@pytest.mark.parametrize(
    "q", ["status:500", "user:x", "user.id:8", "attributes.level:x", "service:x", "trace_id:x", "absent"]
)
def test_fields_that_are_there_bring_no_warning(searcher: Searcher, q: str) -> None:
    """Core fields always are, and objects by the name of what is in them."""
    assert warnings(searcher, q) == []


UNKNOWN = "no record has a field srvice; did you mean service?"


@pytest.mark.parametrize(
    "q",
    [
        "| stats count() by srvice",
        "hello | stats count(), sum(srvice)",
        "| stats count(srvice) by level",
        "| stats count_distinct(srvice), first(status)",
        "| stats count() by status, srvice | sort count",
    ],
)
def test_an_unknown_field_of_statistics_is_named(searcher: Searcher, q: str) -> None:
    """As a group and in an aggregate."""
    assert searcher.stats(Asked(q), Budget()).warnings == [UNKNOWN]


@pytest.mark.parametrize(
    "q", ["| sort srvice", "| sort status desc, srvice", "| fields id, attributes, message, srvice"]
)
def test_an_unknown_field_of_records_is_named(searcher: Searcher, q: str) -> None:
    """In the order and in the choice of fields; `id` and `attributes` are there always."""
    assert warnings(searcher, q) == [UNKNOWN]


def test_an_unknown_field_of_counts_is_named(searcher: Searcher) -> None:
    """Where the field is a parameter."""
    assert searcher.facets(Asked(), Budget(), field="srvice").warnings == [UNKNOWN]
    assert searcher.histogram(Asked(), Budget(), by="srvice").warnings == [UNKNOWN]


def test_fields_of_stages_that_are_there_bring_no_warning(searcher: Searcher) -> None:
    """Also when none of the records found has them, and objects, which have no value of their own."""
    for q in (
        "| stats count(), sum(status), first(user) by service, level, user.id",
        "absent | stats max(status)",
    ):
        assert searcher.stats(Asked(q), Budget()).warnings == [], q
    for q in ("| sort service, status, user", "| fields user, user.id, trace_id", "absent | fields status"):
        assert warnings(searcher, q) == [], q
    assert searcher.facets(Asked(), Budget(), field="host").warnings == []
    assert searcher.histogram(Asked(), Budget(), by=None).warnings == []


def test_an_answer_with_records_does_not_ask_for_fields(searcher: Searcher) -> None:
    """A field of which nothing depends may be unknown, a level of one's own is known."""
    assert warnings(searcher, "hello NOT levle:x level:audit") == []


def test_an_empty_store_names_no_fields() -> None:
    """Every field would be unknown."""
    assert warnings(Searcher(MemoryStore(), rows_max=100), "levle:x") == []


def test_a_late_list_of_fields_leaves_the_answer_as_it_is() -> None:
    """What was found is answered; only calling off ends the question."""
    store = SlowStore()
    assert warnings(filled(store), "levle:x") == []
    store.error = QueryCancelledError
    with pytest.raises(QueryCancelledError):
        warnings(Searcher(store, rows_max=100), "levle:x")
