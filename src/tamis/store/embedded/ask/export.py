"""Everything that matches, in order, with constant memory."""

from collections.abc import Iterator
from dataclasses import replace

from tamis.record.model import StoredRecord
from tamis.store.base import Budget, Order, Question
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.page import candidates
from tamis.store.embedded.ask.rows import LOCATION, Slice, columns_for, fetch, located
from tamis.store.embedded.ask.scan import Decided, Plan, plan_of, select
from tamis.store.embedded.part import RowGroup, Snapshot

LIST_RECORDS = 5_000


def export(
    snapshot: Snapshot, question: Question, budget: Budget, engine: Engine, *, order: Order
) -> Iterator[list[StoredRecord]]:
    """Lists of records in order of (timestamp, seq).

    Row groups are read in order of time; what is older than the group that comes next is given out, so that only
    groups which overlap in time are in memory together.
    """
    as_of = question.as_of if question.as_of is not None else snapshot.last_seq
    plan = plan_of(snapshot, replace(question, as_of=as_of), engine, budget)
    groups = candidates(plan, order)
    waiting: list[StoredRecord] = []
    for place, (decided, group) in enumerate(groups):
        budget.remaining_s()
        waiting.extend(_matching(plan, decided, group))
        waiting.sort(key=_key, reverse=order == "desc")
        ready = len(waiting)
        if place + 1 < len(groups):
            ready = _ready(waiting, groups[place + 1][1], order)
        for first in range(0, ready, LIST_RECORDS):
            yield waiting[first : min(first + LIST_RECORDS, ready)]
        del waiting[:ready]


def _key(record: StoredRecord) -> tuple[int, int]:
    return record.record.timestamp, record.seq


def _ready(waiting: list[StoredRecord], following: RowGroup, order: Order) -> int:
    """How many of the records come before everything in the groups that follow."""
    if order == "asc":
        return sum(1 for record in waiting if record.record.timestamp < following.min_ts)
    return sum(1 for record in waiting if record.record.timestamp > following.max_ts)


def _matching(plan: Plan, decided: Decided, group: RowGroup) -> tuple[StoredRecord, ...]:
    piece = Slice(decided.part, [group], columns_for(decided.condition, decided.part))
    source = select(plan, [Decided(piece, decided.condition, decided.states)], lambda part, _: LOCATION)
    return fetch([decided.part], located(source.ask("SELECT * FROM {rows}")))
