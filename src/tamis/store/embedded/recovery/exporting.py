"""An export that goes around damage it meets on its way."""

from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import duckdb

from tamis.errors import DamageError
from tamis.record.model import StoredRecord
from tamis.store.base import Budget, Order, Question
from tamis.store.embedded.ask.export import export
from tamis.store.embedded.format.part import Snapshot
from tamis.store.embedded.keep.workshop import Workshop
from tamis.store.embedded.recovery.around import Around

_Key = tuple[int, int]


def exported(
    shop: Workshop, around: Around, first: Snapshot, question: Question, budget: Budget, *, order: Order
) -> Generator[list[StoredRecord], None, None]:
    """Lists of records of a snapshot, in order. After damage it begins again behind the last record given out,
    over a new snapshot as of the first."""
    asked = replace(question, as_of=first.last_seq if question.as_of is None else question.as_of)
    source: AbstractContextManager[Snapshot] = nullcontext(first)
    last: _Key | None = None
    while True:
        seen = around.now
        try:
            with source as snapshot:
                for records in export(snapshot, _from(asked, last, order), budget, shop.engine, order=order):
                    following = _behind(records, last, order)
                    if following:
                        last = _key(following[-1])
                        yield following
            return
        except (DamageError, duckdb.Error) as error:
            if not around.set_aside(error, seen):
                raise
            source = shop.catalog.snapshot(question)


def _key(stored: StoredRecord) -> _Key:
    return stored.record.timestamp, stored.seq


def _from(question: Question, last: _Key | None, order: Order) -> Question:
    """The question, less what lies before the instant of the last record."""
    if last is None:
        return question
    if order == "asc":
        return replace(question, start_ns=last[0])
    return replace(question, end_ns=last[0] + 1)


def _behind(records: list[StoredRecord], last: _Key | None, order: Order) -> list[StoredRecord]:
    """The records that come after the last one."""
    if last is None:
        return records
    if order == "asc":
        return [record for record in records if _key(record) > last]
    return [record for record in records if _key(record) < last]
