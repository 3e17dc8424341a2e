"""Everything that matches, in order, with constant memory."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tamis.record.model import StoredRecord
from tamis.store.base import Budget, Order, Question
from tamis.store.embedded.ask.condition import seen_up_to
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.page import candidates
from tamis.store.embedded.ask.rows import LOCATION, Located, Slice, fetch, located
from tamis.store.embedded.ask.scan import Decided, Plan, plan_of, select
from tamis.store.embedded.format.part import RowGroup, Snapshot

LIST_RECORDS = 5_000
FETCHED_RECORDS = 20_000
"""So many whole records are in memory at a time."""


def export(
    snapshot: Snapshot, question: Question, budget: Budget, engine: Engine, *, order: Order
) -> Iterator[list[StoredRecord]]:
    """Lists of records in order of (timestamp, seq).

    Row groups are looked through in order of time for where their matching rows are; rows that come before
    everything in the groups that follow are fetched and given out. What waits is four numbers a row.
    """
    as_of = seen_up_to(question, snapshot)
    plan = plan_of(snapshot, replace(question, as_of=as_of), engine, budget)
    parts = [decided.part for decided in plan.parts]
    groups = list(candidates(plan, order))
    waiting: list[Located] = []
    for place, (decided, group) in enumerate(groups):
        budget.remaining_s()
        waiting = sorted([*waiting, *_matching(plan, decided, group)], reverse=order == "desc")
        ready = len(waiting)
        if place + 1 < len(groups):
            ready = _ready(waiting, groups[place + 1][1], order)
        for first in range(0, ready, FETCHED_RECORDS):
            yield from _lists(fetch(parts, waiting[first : min(first + FETCHED_RECORDS, ready)]))
        waiting = waiting[ready:]


def _lists(records: Sequence[StoredRecord]) -> Iterator[list[StoredRecord]]:
    for first in range(0, len(records), LIST_RECORDS):
        yield list(records[first : first + LIST_RECORDS])


def _ready(waiting: Sequence[Located], following: RowGroup, order: Order) -> int:
    """How many of the rows come before everything in the groups that follow."""
    if order == "asc":
        return bisect_left(waiting, following.min_ts, key=lambda row: row.ts)
    return bisect_left(waiting, -following.max_ts, key=lambda row: -row.ts)


def _matching(plan: Plan, decided: Decided, group: RowGroup) -> list[Located]:
    piece = replace(decided, part=Slice(decided.part, [group]))
    return located(select(plan, [piece], lambda part, _: LOCATION).ask("SELECT * FROM {rows}"))
