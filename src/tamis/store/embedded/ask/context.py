"""What stands around a record in its service and host."""

from dataclasses import replace

from tamis.query.ast import All, And, Exact, Exists, Filter, Not
from tamis.record.model import StoredRecord
from tamis.store.base import Budget, Context, Order, Question
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.page import Wanted, locate
from tamis.store.embedded.ask.rows import LOCATION, fetch, located, whole
from tamis.store.embedded.ask.scan import plan_of, select
from tamis.store.embedded.format.part import Snapshot


def context(
    snapshot: Snapshot, seq: int, budget: Budget, engine: Engine, *, before: int, after: int
) -> Context:
    """The record of this sequence with its neighbours."""
    record = _find(snapshot, seq, budget, engine)
    if record is None:
        return Context(as_of=snapshot.last_seq, warnings=snapshot.warnings)
    question = Question(And((_same("service", record.record.service), _same("host", record.record.host))))
    place = (record.record.timestamp, record.seq)

    def neighbours(count: int, order: Order) -> tuple[StoredRecord, ...]:
        if count <= 0:
            return ()
        wanted = Wanted(count, order, place)
        found, parts = locate(snapshot, question, budget, engine, wanted=wanted)
        return fetch(parts, found, engine.kept)

    return Context(
        as_of=snapshot.last_seq,
        warnings=snapshot.warnings,
        record=record,
        before=tuple(reversed(neighbours(before, "desc"))),
        after=neighbours(after, "asc"),
    )


def _same(field: str, value: str | None) -> Filter:
    return Not(Exists(field)) if value is None else Exact(field, value)


def _find(snapshot: Snapshot, seq: int, budget: Budget, engine: Engine) -> StoredRecord | None:
    plan = plan_of(snapshot, Question(All(), as_of=seq), engine, budget)
    near = [d for d in plan.parts if d.part.facts.min_seq <= seq <= d.part.facts.max_seq]
    source = select(plan, [replace(d, part=whole(d.part)) for d in near], lambda part, _: LOCATION)
    found = located(source.ask(f"SELECT * FROM {{rows}} WHERE seq = {seq:d}"))
    records = fetch([d.part for d in near], found)
    return records[0] if records else None
