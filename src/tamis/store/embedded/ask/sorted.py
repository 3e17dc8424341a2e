"""Records by the values of fields."""

from dataclasses import replace

from tamis.query.ast import Limit, Sort
from tamis.store.base import Budget, Page, Question
from tamis.store.embedded.ask.compile import Parameters
from tamis.store.embedded.ask.condition import seen_up_to
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.rows import LOCATION, fetch, located, whole
from tamis.store.embedded.ask.scan import plan_of, select
from tamis.store.embedded.ask.values import FieldSql, field_sql
from tamis.store.embedded.format.part import Part, Snapshot


def sorted_page(
    snapshot: Snapshot, question: Question, budget: Budget, engine: Engine, *, sort: Sort, limit: Limit
) -> Page:
    """The first records by the keys of `sort`, then newest first."""
    as_of = seen_up_to(question, snapshot)
    plan = plan_of(snapshot, replace(question, as_of=as_of), engine, budget)
    parts = [replace(d, part=whole(d.part)) for d in plan.parts]
    keys = [field_sql(key.name, f"k{place}", [d.part for d in parts]) for place, key in enumerate(sort.keys)]

    def projection(part: Part, parameters: Parameters) -> list[str]:
        return [*LOCATION, *(sql for key in keys for sql in key.project(part, parameters))]

    source = select(plan, parts, projection)
    order = [
        term for key, given in zip(keys, sort.keys, strict=True) for term in _order(key, given.descending)
    ]
    ordering = ", ".join([*order, "ts DESC", "seq DESC"])
    rows = f"SELECT ts, seq, place, row FROM {{rows}} ORDER BY {ordering} LIMIT {limit.count:d}"
    found = located(source.ask(rows))
    records = fetch([d.part for d in plan.parts], found)
    return Page(as_of=as_of, warnings=snapshot.warnings, records=records)


def _order(key: FieldSql, descending: bool) -> list[str]:
    """Missing last; numbers, texts, booleans, JSON; by value within each."""
    direction = "DESC" if descending else "ASC"
    if not key.kinds:
        return []
    numbers = [f"{key.alias}_{kind}" for kind in key.kinds if kind in "ifn"]
    number = f"COALESCE({', '.join(f'CAST({name} AS DOUBLE)' for name in numbers)})" if numbers else None
    classes = {"s": 1, "b": 2, "j": 3}
    cases = [
        f"WHEN {key.alias}_{kind} IS NOT NULL THEN {classes[kind]}" for kind in key.kinds if kind in classes
    ]
    terms = [f"CASE WHEN {key.present} THEN 0 ELSE 1 END ASC"]
    if cases:
        terms.append(f"CASE {' '.join(cases)} ELSE 0 END {direction}")
    if number is not None:
        terms.append(f"{number} {direction}")
    if "i" in key.kinds:
        terms.append(f"{key.alias}_i {direction}")
    terms.extend(f"{key.alias}_{kind} {direction}" for kind in key.kinds if kind in classes)
    return terms
