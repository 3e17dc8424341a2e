"""The one path of every question: text, to a tree, to a question for the store, to an answer."""

import dataclasses
import time
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.errors import QueryError
from tamis.query import ast
from tamis.query.aggregate import stats_columns
from tamis.query.resolve import narrow
from tamis.query.table import FirstRows
from tamis.query.times import parse_duration, print_instant
from tamis.server.problems import ParameterError, ProblemError
from tamis.server.questions import answers, stages
from tamis.server.questions.advice import advise, unseen_in_records, unseen_in_table
from tamis.server.questions.params import Asked
from tamis.server.questions.place import read_place
from tamis.server.questions.understood import Read, understand
from tamis.store.base import Answer, Budget, Order, Page, Question, Store

A = TypeVar("A", bound=answers.Read)

PAGE_RECORDS = 100
BUCKETS_AIM = 60
BUCKETS_MAX = 20_000
STEPS_S = (
    0.001, 0.01, 0.1, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
)  # fmt: skip
"""Intervals that people find on an axis."""


class Searcher:
    """Answers questions from a store, in the words of the HTTP interface. Thread-safe; every method blocks.

    Raises QueryError for the text, ProblemError for the rest of the question, and what the store raises.
    """

    def __init__(self, store: Store, *, rows_max: int, clock: Clock = SYSTEM_CLOCK) -> None:
        self.store, self._rows_max, self._clock = store, rows_max, clock

    def read(
        self,
        asked: Asked,
        endpoint: str,
        allowed: tuple[type[ast.Stage], ...] = (),
        *,
        now_ns: int | None = None,
    ) -> Read:
        """What is asked, understood; relative times count from now, or from `now_ns`."""
        now_ns = self._clock.now_ns() if now_ns is None else now_ns
        return understand(asked, endpoint, allowed, store_id=self.store.store_id, now_ns=now_ns)

    def search(
        self,
        asked: Asked,
        budget: Budget,
        *,
        limit: int | None = None,
        order: Order = "desc",
        cursor: str | None = None,
    ) -> answers.Found:
        """Records; `| sort`, `| limit` and `| fields` work. `| limit` says how many there are in all: what it
        gives is one page, of `limit` records at most when both are given."""
        place = read_place(cursor, self._clock.now_ns())
        allowed = (ast.Sort, ast.Limit, ast.Fields)
        read = self.read(asked, "/api/v1/search", allowed, now_ns=place.now_ns)
        kept, question = read.stages, read.question
        bounds = [bound for bound in (limit, kept.limit.count if kept.limit else None) if bound is not None]
        count = min([*bounds, self._rows_max] if bounds else [PAGE_RECORDS])
        if kept.sort:
            if cursor:
                raise ParameterError("cursor", cursor, "absent with `| sort`: sorted records have no pages")
            page = self.store.sorted(question, budget, sort=kept.sort, limit=ast.Limit(count))
        else:
            page = _page(self.store, question, budget, count, order=order, cursor=place.cursor)
        following = None
        if page.next_cursor is not None and not kept.limit:
            later = self.read(asked, "/api/v1/search", allowed, now_ns=place.now_ns + NS_PER_S)
            following = place.following(page.next_cursor, is_relative=later.question != question)
        if kept.fields:
            records = stages.project(page.records, kept.fields.names, self.store.store_id)
        else:
            records = answers.public_records(page.records, self.store.store_id)
        found = self._with(page, answers.Found, records=records, next_cursor=following)
        if kept.limit and kept.limit.count > self._rows_max:
            found.warnings.append(
                f"an answer has at most {self._rows_max:,} records (query.rows_max); export has no such limit"
            )
        is_found = bool(page.records) or cursor is not None or count == 0
        unseen = unseen_in_records(kept.record_fields(), page.records) if cursor is None else ()
        return self._advised(found, read, budget, is_found=is_found, unseen=unseen)

    def count(self, asked: Asked, budget: Budget) -> answers.Count:
        """How many."""
        read = self.read(asked, "/api/v1/count")
        made = self.store.count(read.question, budget)
        return self._advised(
            self._with(made, answers.Count, count=made.count), read, budget, is_found=made.count > 0
        )

    def histogram(
        self, asked: Asked, budget: Budget, *, interval: str = "auto", by: str | None = "level"
    ) -> answers.HistogramAnswer:
        """Counts over time. `interval` is a duration, or `auto` for about sixty buckets."""
        read = self.read(asked, "/api/v1/histogram")
        question = read.question
        if interval == "auto":
            question, interval_ns = _auto_interval(self.store, question, budget)
        else:
            interval_ns = _interval(interval)
        _check_buckets(question, interval, interval_ns)
        made = self.store.histogram(question, budget, interval_ns=interval_ns, by=by)
        if len(made.buckets) > BUCKETS_MAX:
            raise ParameterError("interval", interval, f"longer: there would be over {BUCKETS_MAX:,} buckets")
        answer = answers.histogram_answer(made, self.store.store_id)
        start, end = narrow(question.filter, (question.start_ns, question.end_ns))
        answer.start = None if start is None else print_instant(start)
        answer.end = None if end is None else print_instant(end)
        unseen = [by] if by is not None and not any(any(counts) for _, counts in made.buckets) else []
        return self._advised(answer, read, budget, is_found=bool(made.buckets), unseen=unseen)

    def facets(self, asked: Asked, budget: Budget, *, field: str, limit: int = 10) -> answers.FacetsAnswer:
        """The most frequent values of a field."""
        read = self.read(asked, "/api/v1/facets")
        made = self.store.facets(read.question, budget, field=field, limit=limit)
        answer = answers.facets_answer(made, self.store.store_id)
        is_found = bool(made.values or made.other or made.missing)
        return self._advised(answer, read, budget, is_found=is_found, unseen=() if made.values else (field,))

    def fields(self, asked: Asked, budget: Budget) -> answers.FieldsAnswer:
        """Which fields there are."""
        read = self.read(asked, "/api/v1/fields")
        made = self.store.fields(read.question, budget)
        rows = [answers.FieldAnswer(one.name, one.count, one.types) for one in made.fields]
        return self._advised(
            self._with(made, answers.FieldsAnswer, fields=rows), read, budget, is_found=bool(rows)
        )

    def stats(self, asked: Asked, budget: Budget) -> answers.TableAnswer:
        """A table; `| sort`, `| limit` and `| fields` (its columns) work on it."""
        read = self.read(asked, "/api/v1/stats", (ast.Stats, ast.Sort, ast.Limit, ast.Fields))
        if read.stages.stats is None:
            raise ProblemError(
                400, "There is nothing to compute: add `| stats count() by service`, for example."
            )
        first, limit = self._first_rows(read.stages.stats, read.stages)
        made = self.store.stats(read.question, budget, stats=read.stages.stats, first=first)
        columns, rows = _shaped(made.columns, [list(row) for row in made.rows], read.stages)
        warnings = []
        wanted = made.total if limit is None else min(made.total, limit)
        if wanted > self._rows_max:
            warnings.append(
                f"the table has {wanted:,} rows; the first {self._rows_max:,} are here (query.rows_max)"
            )
        answer = self._with(made, answers.TableAnswer, columns=columns, rows=rows)
        answer.warnings = [*answer.warnings, *warnings]
        is_found = bool(made.rows) if read.stages.stats.by else any(made.rows[0])
        unseen = unseen_in_table(read.stages.stats, made.rows)
        return self._advised(answer, read, budget, is_found=is_found, unseen=unseen)

    def _first_rows(self, stats: ast.Stats, kept: stages.Stages) -> tuple[FirstRows, int | None]:
        """Which rows of the table are to be shown, and the limit that the question has."""
        for key in kept.sort.keys if kept.sort else ():
            stages.column_index(stats_columns(stats), key.name)
        limit = kept.limit.count if kept.limit else None
        return FirstRows(kept.sort, self._rows_max if limit is None else min(limit, self._rows_max)), limit

    def patterns(self, asked: Asked, budget: Budget, *, limit: int | None = None) -> answers.PatternsAnswer:
        """What sentences there are."""
        read = self.read(asked, "/api/v1/patterns", (ast.Patterns, ast.Limit))
        kept = read.stages.limit
        bounds = [bound for bound in (limit, kept.count if kept else None) if bound is not None]
        made = self.store.patterns(read.question, budget, limit=min(bounds, default=None))
        answer = answers.patterns_answer(made, self.store.store_id)
        return self._advised(answer, read, budget, is_found=bool(made.patterns or made.unmatched))

    def context(
        self, record: str, budget: Budget, *, before: int = 10, after: int = 10
    ) -> answers.ContextAnswer:
        """What stands around a record."""
        seq = answers.parse_record_id(record, self.store.store_id)
        if seq is None:
            raise ParameterError("id", record, "the id of a record of this store")
        made = self.store.context(seq, budget, before=before, after=after)
        if made.record is None:
            raise ProblemError(404, f"There is no record {record} (any more).")
        store_id = self.store.store_id
        return self._with(
            made,
            answers.ContextAnswer,
            record=answers.public_records([made.record], store_id)[0],
            before=answers.public_records(made.before, store_id),
            after=answers.public_records(made.after, store_id),
        )

    def delete(self, asked: Asked, budget: Budget) -> answers.Deleted:
        """Hide what is found, for good."""
        if not asked.q.strip() and asked.start is None and asked.end is None:
            raise ParameterError("q", asked.q, "a query, to delete what it finds (* for everything)")
        read = self.read(asked, "/api/v1/delete")
        made = self.store.delete(read.question, budget)
        return self._advised(
            self._with(made, answers.Deleted, hidden=made.hidden), read, budget, is_found=made.hidden > 0
        )

    def _advised(
        self, answer: A, read: Read, budget: Budget, *, is_found: bool, unseen: Iterable[str] = ()
    ) -> A:
        return advise(
            answer,
            read.query,
            read.text,
            store=self.store,
            budget=budget,
            is_found=is_found,
            unseen=unseen,
        )

    def _with(self, made: Answer, kind: type[A], **fields: Any) -> A:
        as_of = answers.record_id(self.store.store_id, made.as_of)
        return kind(as_of=as_of, warnings=list(made.warnings), **fields)


def timed(answer: A, began_s: float) -> A:
    """The answer with the time since `began_s` (`time.perf_counter`)."""
    answer.took_ms = round((time.perf_counter() - began_s) * 1_000, 3)
    return answer


def _page(
    store: Store, question: Question, budget: Budget, limit: int, *, order: Order, cursor: str | None
) -> Page:
    try:
        return store.search(question, budget, limit=limit, order=order, cursor=cursor)
    except QueryError as error:
        if cursor is None:
            raise
        reason = f"the next_cursor of the page before, with the same question ({error.reason})"
        raise ParameterError("cursor", cursor, reason) from None


def _auto_interval(store: Store, question: Question, budget: Budget) -> tuple[Question, int]:
    """A nice interval for the range of time that is asked, or that the records found cover."""
    start, end = narrow(question.filter, (question.start_ns, question.end_ns))
    if start is None or end is None:
        last = store.search(question, budget, limit=1, order="desc")
        question = dataclasses.replace(question, as_of=last.as_of)
        first = store.search(question, budget, limit=1, order="asc")
        if not first.records or not last.records:
            return question, 60 * NS_PER_S
        start = first.records[0].record.timestamp if start is None else start
        end = last.records[0].record.timestamp + 1 if end is None else end
    wanted_s = (end - start) / NS_PER_S / BUCKETS_AIM if end - start > 1 else 1
    step_s = next((step for step in STEPS_S if step >= wanted_s), STEPS_S[-1])
    return question, int(step_s * NS_PER_S)


def _interval(text: str) -> int:
    try:
        interval_ns = parse_duration(text)
    except QueryError as error:
        raise ParameterError(
            "interval", text, f"auto, or a duration such as 5m or 1h ({error.reason})"
        ) from None
    if interval_ns < 1_000_000:
        raise ParameterError("interval", text, "1ms or longer")
    return interval_ns


def _check_buckets(question: Question, text: str, interval_ns: int) -> None:
    start, end = narrow(question.filter, (question.start_ns, question.end_ns))
    if start is None or end is None:
        return
    count = (end - start) // interval_ns
    if count > BUCKETS_MAX:
        raise ParameterError("interval", text, f"longer: {count:,} buckets are over {BUCKETS_MAX:,}")


def _shaped(
    columns: Sequence[str], rows: list[list[Any]], kept: stages.Stages
) -> tuple[list[str], list[list[Any]]]:
    """A table with printed times, of the columns that are wanted."""
    names = list(columns)
    for at in stages.time_columns(kept.stats) if kept.stats else ():
        for row in rows:
            if isinstance(row[at], int):
                row[at] = print_instant(row[at])
    if kept.fields:
        places = [stages.column_index(names, name) for name in kept.fields.names]
        names = list(kept.fields.names)
        rows = [[row[at] for at in places] for row in rows]
    return names, rows
