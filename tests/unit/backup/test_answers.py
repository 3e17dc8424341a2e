"""A restored store gives the answers of the original at the moment of the backup."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tamis.backup.restore import restore_folder
from tamis.query.ast import Phrase, Sort, SortKey, Stats
from tamis.query.parser import parse
from tamis.query.resolve import resolve
from tamis.record.model import Columns, Record
from tamis.store.base import Budget, Question
from tamis.store.embedded.face import EmbeddedStore
from tests.contracts.agreement import Ask, Pair, all_pages, assert_agreement, exact_record
from tests.support.backups import QUICK, BackupPlace
from tests.support.embedded import open_quiet
from tests.support.language_cases import CASES, NOW_NS

QUERIES = sorted({case.query for case in CASES})


def records() -> list[Record]:
    return [case.record for case in CASES]


@pytest.mark.parametrize(
    "queries",
    [pytest.param(QUERIES[::12], id="some"), pytest.param(QUERIES, id="all", marks=pytest.mark.full)],
)
def test_a_restored_store_answers_as_the_original_did(tmp_path: Path, queries: list[str]) -> None:
    """The queries of the language's cases, now and as of earlier, over segments, journal and deletions."""
    place = BackupPlace(tmp_path / "home", tmp_path / "repository")
    store = filled(place)
    made = place.back_up(store)
    expected = {query: _answers(store, query) for query in queries}
    store.append(Columns.of(records()[:20]))
    assert not restore_folder(place.open(), made.name, tmp_path / "back", QUICK).lost
    store.close()
    with closing(open_quiet(tmp_path / "back", disk=QUICK)) as again:
        assert again.health().state == "ready"
        assert {query: _answers(again, query) for query in queries} == expected
        assert again.find_batch("second") is not None
        assert again.append(Columns.of(records()[:1]), batch_id="first").duplicate


@pytest.mark.parametrize("text", ["*", "NOT a"])
def test_every_kind_of_question_has_the_same_answer(tmp_path: Path, text: str) -> None:
    """Pages, counts, histograms, facets, fields, patterns, tables and contexts, as of two moments."""
    place = BackupPlace(tmp_path / "home", tmp_path / "repository")
    with closing(filled(place)) as store:
        made = place.back_up(store)
        restore_folder(place.open(), made.name, tmp_path / "back", QUICK)
        with closing(open_quiet(tmp_path / "back", disk=QUICK)) as again:
            for as_of in (None, 3, len(CASES) // 2 + 5):
                question = Question(resolve(parse(text), NOW_NS).filter, as_of=as_of)
                assert_agreement(Pair(again, store), _ask(question))


def filled(place: BackupPlace) -> EmbeddedStore:
    """Records in a segment, in the journal, and some deleted."""
    store = open_quiet(place.data, disk=QUICK)
    rows, half = records(), len(CASES) // 2
    store.append(Columns.of(rows[:half]), batch_id="first", receipt=b"1")
    store.seal_now()
    store.delete(Question(Phrase("message", "refused")), Budget())
    store.append(Columns.of(rows[half:]), batch_id="second", receipt=b"2")
    return store


def _ask(question: Question) -> Ask:
    stats = parse("* | stats count(), sum(n), p95(n) by level").stages[0]
    assert isinstance(stats, Stats)
    return Ask(question, stats, Sort((SortKey("message", descending=False),)), "n", 10**9, page=50)


def _answers(store: EmbeddedStore, text: str) -> list[Any]:
    found: list[Any] = []
    for as_of in (None, 3, len(CASES) // 2 + 5):
        question = Question(resolve(parse(text), NOW_NS).filter, as_of=as_of)
        found.append([exact_record(one) for one in all_pages(store, question, order="desc", limit=1_000)])
        found.append(store.count(question, Budget()).count)
    return found
