"""The most frequent values of a field; which fields there are."""

from collections import Counter
from typing import Any

import numpy as np

from tamis.query.values import identity_key, order_key
from tamis.record.model import CORE_TEXT
from tamis.store.base import Budget, Facets, FieldFacts, FieldList, Question
from tamis.store.embedded.ask.bound import quoted
from tamis.store.embedded.ask.compile import Parameters
from tamis.store.embedded.ask.count import tally_values
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.fields import public_name
from tamis.store.embedded.ask.scan import Decided, Plan, all_scanned, plan_of, select, split
from tamis.store.embedded.ask.shapes import YES
from tamis.store.embedded.ask.values import field_sql, read_columns
from tamis.store.embedded.columns import REST, attribute_path, is_attribute
from tamis.store.embedded.part import Part, Snapshot

TYPE_NAMES = {"i": "int", "f": "float", "s": "text", "b": "bool", "n": "int", "j": "json"}


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


def fields(snapshot: Snapshot, question: Question, budget: Budget, engine: Engine) -> FieldList:
    """The fields of the records asked for."""
    plan = plan_of(snapshot, question, engine, budget)
    counts: Counter[tuple[str, str]] = Counter()
    scanned = []
    for decided in plan.parts:
        if (decided.states == YES).all() and REST not in decided.part.facts.columns:
            counts.update(
                {
                    _public(name): number
                    for name, number in decided.part.facts.columns.items()
                    if _public(name)[0]
                }
            )
        else:
            scanned.append(decided)
    counts.update(_scanned_fields(plan, scanned))
    by_name: dict[str, dict[str, int]] = {}
    for (name, kind), number in counts.items():
        by_name.setdefault(name, {})[kind] = number
    facts = (
        FieldFacts(name, sum(kinds.values()), dict(sorted(kinds.items())))
        for name, kinds in sorted(by_name.items())
    )
    return FieldList(as_of=plan.as_of, warnings=snapshot.warnings, fields=tuple(facts))


def _public(column: str) -> tuple[str, str]:
    """A column's public name and type; no name for columns that are not fields."""
    if is_attribute(column):
        return public_name(column), TYPE_NAMES[attribute_path(column)[1]]
    return (column, "text") if column in CORE_TEXT else ("", "")


def _scanned_fields(plan: Plan, parts: list[Decided]) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    columns = sorted({name for decided in parts for name in decided.part.facts.columns if _public(name)[0]})
    if not columns:
        return counts

    def projection(part: Part, _: Parameters) -> list[str]:
        present = part.facts.columns
        flags = [f"{quoted(name)} IS NOT NULL" if name in present else "FALSE" for name in columns]
        rest = REST if REST in present else "NULL::VARCHAR"
        return [*(f"{flag} AS c{place}" for place, flag in enumerate(flags)), f"{rest} AS rest"]

    source = select(plan, parts, projection)
    sums = ", ".join(f"count(*) FILTER (c{place})" for place in range(len(columns)))
    for row in source.rows(f"SELECT {sums} FROM {{rows}}"):
        for name, number in zip(columns, row, strict=True):
            counts[_public(name)] += number
    keys = "SELECT unnest(json_keys(rest)) AS key FROM {rows} WHERE rest IS NOT NULL"
    for name, number in source.rows(f"SELECT key, count(*) FROM ({keys}) GROUP BY key"):
        counts[_public(name)] += number
    return Counter({key: number for key, number in counts.items() if number})
