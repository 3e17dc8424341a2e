"""The most frequent values of a field."""

from collections import Counter
from typing import Any

import numpy as np

from tamis.query.values import identity_key, order_key
from tamis.store.base import Budget, Facets, Question
from tamis.store.embedded.ask.count import tally_values
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.scan import Decided, Plan, all_scanned, plan_of, select, split
from tamis.store.embedded.ask.values import field_sql, read_columns
from tamis.store.embedded.format.part import Snapshot


def facets(
    snapshot: Snapshot, question: Question, budget: Budget, engine: Engine, *, field: str, limit: int
) -> Facets:
    """The values of a field with their counts, most frequent first."""
    plan = plan_of(snapshot, question, engine, budget)
    parted = split(plan) if field in ("service", "level") else all_scanned(plan)
    counts: Counter[Any] = Counter()
    values: dict[Any, Any] = {}
    for decided, rows in parted.known:
        tally = decided.tally
        codes, names = tally_values(tally, field)
        for code, number in enumerate(
            np.bincount(codes[rows], weights=tally.count[rows], minlength=len(names))
        ):
            _count(counts, values, names[code], int(number))
    for value, number in _scanned(plan, parted.scanned, parted.hours, field):
        _count(counts, values, value, number)
    missing = counts.pop(None, 0)
    ranked = sorted(
        ((values[key], number) for key, number in counts.items()), key=lambda v: (-v[1], order_key(v[0]))
    )
    return Facets(
        as_of=plan.as_of,
        warnings=snapshot.warnings,
        field=field,
        values=tuple(ranked[:limit]),
        other=sum(number for _, number in ranked[limit:]),
        missing=missing,
    )


def _count(counts: Counter[Any], values: dict[Any, Any], value: Any, number: int) -> None:
    if not number:
        return
    key = None if value is None else identity_key(value)
    values.setdefault(key, value)
    counts[key] += number


def _scanned(
    plan: Plan, parts: list[Decided], hours: frozenset[int] | None, field: str
) -> list[tuple[Any, int]]:
    sql = field_sql(field, "v", [decided.part for decided in parts])
    if not sql.kinds:
        source = select(plan, parts, lambda part, _: ["1 AS one"], hours=hours)
        return [(None, number) for (number,) in source.rows("SELECT count(*) FROM {rows}")]
    source = select(plan, parts, sql.project, hours=hours)
    names = ", ".join(sql.columns)
    statement = f"SELECT count(*) AS n, {names} FROM {{rows}} GROUP BY {names}"
    return [(read_columns(sql.kinds, row[1:]), row[0]) for row in source.rows(statement)]
