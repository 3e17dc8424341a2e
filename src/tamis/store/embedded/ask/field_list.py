"""Which fields there are."""

from collections import Counter
from collections.abc import Iterable

from tamis.record.model import CORE_TEXT
from tamis.store.base import Budget, FieldFacts, FieldList, Question
from tamis.store.embedded.ask.bound import quoted
from tamis.store.embedded.ask.compile import Parameters
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.fields import public_name
from tamis.store.embedded.ask.scan import Decided, Plan, plan_of, select
from tamis.store.embedded.ask.shapes import YES
from tamis.store.embedded.format.columns import REST, attribute_path, is_attribute
from tamis.store.embedded.format.part import Part, PartFacts, Snapshot

TYPE_NAMES = {"i": "int", "f": "float", "s": "text", "b": "bool", "n": "int", "j": "json"}

Counts = Counter[tuple[str, str]]
"""How many records have a field (name, ""), and how many have it with a type (name, type)."""


def fields(snapshot: Snapshot, question: Question, budget: Budget, engine: Engine) -> FieldList:
    """The fields of the records asked for."""
    plan = plan_of(snapshot, question, engine, budget)
    counts: Counts = Counter()
    scanned = []
    for decided in plan.parts:
        if (decided.states == YES).all() and _is_plain(decided.part.facts):
            _add_facts(counts, decided.part.facts)
        else:
            scanned.append(decided)
    _add_scan(counts, plan, scanned)
    names = sorted(name for (name, kind), number in counts.items() if not kind and number)
    facts = tuple(FieldFacts(name, counts[name, ""], _types(counts, name)) for name in names)
    return FieldList(as_of=plan.as_of, warnings=snapshot.warnings, fields=facts)


def _types(counts: Counts, name: str) -> dict[str, int]:
    kinds = sorted(set(TYPE_NAMES.values()))
    return {kind: counts[name, kind] for kind in kinds if counts[name, kind]}


def _public(column: str) -> tuple[str, str]:
    """A column's public name and type; no name for columns that are not fields."""
    if is_attribute(column):
        return public_name(column), TYPE_NAMES[attribute_path(column)[1]]
    return (column, "text") if column in CORE_TEXT else ("", "")


def _is_plain(facts: PartFacts) -> bool:
    """Whether no record can have a field twice (``a.b`` and ``a`` with ``b`` in it): then counts add up."""
    paths = {column.rpartition("#")[0] or column for column in facts.columns if _public(column)[0]}
    return REST not in facts.columns and len({public_name(f"{path}#s") for path in paths}) == len(paths)


def _add_facts(counts: Counts, facts: PartFacts) -> None:
    for column, number in facts.columns.items():
        name, kind = _public(column)
        if name:
            counts[name, ""] += number
            counts[name, kind] += number


def _add_scan(counts: Counts, plan: Plan, parts: list[Decided]) -> None:
    columns = sorted({name for decided in parts for name in decided.part.facts.columns if _public(name)[0]})
    if not columns:
        return

    def projection(part: Part, _: Parameters) -> list[str]:
        present = part.facts.columns
        flags = [f"{quoted(name)} IS NOT NULL" if name in present else "FALSE" for name in columns]
        rest = REST if REST in present else "NULL::VARCHAR"
        return [*(f"{flag} AS c{place}" for place, flag in enumerate(flags)), f"{rest} AS rest"]

    source = select(plan, parts, projection)
    asked = _flags(columns)
    sums = ", ".join(f"count(*) FILTER ({' OR '.join(flags)})" for _, flags in asked)
    for row in source.rows(f"SELECT {sums} FROM {{rows}}"):
        counts.update({key: number for (key, _), number in zip(asked, row, strict=True)})
    keys = "SELECT unnest(json_keys(rest)) AS key FROM {rows} WHERE rest IS NOT NULL"
    for column, number in source.rows(f"SELECT key, count(*) FROM ({keys}) GROUP BY key"):
        name, kind = _public(column)
        counts[name, ""] += number
        counts[name, kind] += number


def _flags(columns: Iterable[str]) -> list[tuple[tuple[str, str], list[str]]]:
    """For each field, and each field with a type: the flags of its columns."""
    flags: dict[tuple[str, str], list[str]] = {}
    for place, column in enumerate(columns):
        name, kind = _public(column)
        flags.setdefault((name, ""), []).append(f"c{place}")
        flags.setdefault((name, kind), []).append(f"c{place}")
    return list(flags.items())
