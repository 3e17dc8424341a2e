"""An export that goes around damage it meets on its way."""

from collections.abc import Generator
from dataclasses import replace

import duckdb

from tamis.errors import DamageError
from tamis.record.model import StoredRecord
from tamis.store.base import Budget, Order, Question
from tamis.store.embedded.around import Around
from tamis.store.embedded.ask.export import export
from tamis.store.embedded.workshop import Workshop

_Key = tuple[int, int]


def exported(
    shop: Workshop, around: Around, question: Question, budget: Budget, *, order: Order
) -> Generator[list[StoredRecord], None, None]:
    """Lists of records in order. After damage it begins again behind the last record given out, with the same
    `as_of`."""
    last: _Key | None = None
    while True:
        try:
            with shop.catalog.snapshot(question) as snapshot:
                if question.as_of is None:
                    question = replace(question, as_of=snapshot.last_seq)
                rest = question if last is None else _from(question, last, order)
                for records in export(snapshot, rest, budget, shop.engine, order=order):
                    following = _behind(records, last, order)
                    if following:
                        last = _key(following[-1])
                        yield following
            return
        except (DamageError, duckdb.Error) as error:
            if not around.set_aside(error):
                raise


def _key(stored: StoredRecord) -> _Key:
    return stored.record.timestamp, stored.seq


def _from(question: Question, last: _Key, order: Order) -> Question:
    """The question, less what lies before the instant of the last record."""
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
