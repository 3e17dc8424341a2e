"""From a question to the rows that have to be looked at: what tallies decide, and SQL for the rest."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa

from tamis.query.ast import Filter
from tamis.query.match import compile_match
from tamis.store.base import Budget, Question
from tamis.store.embedded.ask.bound import FALSE, TRUE, quoted
from tamis.store.embedded.ask.compile import Compiler, Parameters, joined
from tamis.store.embedded.ask.condition import Condition, condition_of, is_cut, out_of_reach, seen_up_to
from tamis.store.embedded.ask.decide import hour_start_ns, undecided_hours
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.remembered import remembered_rows
from tamis.store.embedded.ask.shapes import MAYBE, NO, YES, States, is_message_leaf
from tamis.store.embedded.format.columns import NAMES, to_records
from tamis.store.embedded.format.part import Part, Snapshot
from tamis.store.embedded.format.tally import Tally

ROWS_AT_A_TIME = 10_000
_HOURS_MAX = 64
_WORD = re.compile("[a-z_]+")


@dataclass(frozen=True)
class Decided:
    """A part with its condition, and what its tally says: NO, MAYBE or YES for each row of the tally."""

    part: Part
    condition: Condition
    tally: Tally
    states: States


@dataclass
class Plan:
    """A question over a snapshot, decided as far as tallies go. Parts without any record are left out."""

    snapshot: Snapshot
    question: Question
    engine: Engine
    budget: Budget
    parts: list[Decided] = field(default_factory=list)

    @property
    def as_of(self) -> int:
        """The ingest sequence that the answer sees up to."""
        return seen_up_to(self.question, self.snapshot)


def plan_of(
    snapshot: Snapshot, question: Question, engine: Engine, budget: Budget, *, by_hour: bool = False
) -> Plan:
    """The parts that may hold records of the question, decided.

    `by_hour`: the tallies' rows are needed hour by hour; otherwise only where a time cuts through a part.
    """
    plan = Plan(snapshot, question, engine, budget)
    for part in snapshot.parts:
        budget.remaining_s()
        condition = condition_of(question, snapshot, part)
        if out_of_reach(condition, part):
            continue
        tally = part.tally()
        if not by_hour and not is_cut(condition, part):
            tally = tally.without_hours
        states = engine.decider.decide(condition, part, tally)
        if states.any():
            plan.parts.append(Decided(part, condition, tally, states))
    return plan


@dataclass(frozen=True)
class Split:
    """What is known from tallies (YES rows in hours without doubt), and what has to be scanned.

    `hours`: the hours to scan, None for all of them.
    """

    known: list[tuple[Decided, Any]]
    scanned: list[Decided]
    hours: frozenset[int] | None


def split(plan: Plan, doubt: Callable[[Decided], Any] | None = None) -> Split:
    """Divide a plan by hours. `doubt(decided)` marks tally rows that the answer cannot take whole."""
    states = [_with_doubt(decided, doubt) for decided in plan.parts]
    if any(
        not decided.tally.hourly and (state == MAYBE).any()
        for decided, state in zip(plan.parts, states, strict=True)
    ):
        return _split_by_part(plan, states)
    hours: set[int] = set()
    for decided, state in zip(plan.parts, states, strict=True):
        if decided.tally.hourly:
            hours |= undecided_hours(decided.tally, state)
    if len(hours) > _HOURS_MAX:
        return _split_by_part(plan, states)
    known, scanned = [], []
    wanted = np.fromiter(hours, np.int64, len(hours))
    for decided, state in zip(plan.parts, states, strict=True):
        in_doubt = np.isin(decided.tally.hour, wanted) & decided.tally.hourly
        known.append((decided, (state == YES) & ~in_doubt))
        if (state[in_doubt] != NO).any():
            scanned.append(decided)
    return Split(known, scanned, frozenset(hours))


def _split_by_part(plan: Plan, states: list[States]) -> Split:
    known, scanned = [], []
    for decided, state in zip(plan.parts, states, strict=True):
        if (state == MAYBE).any():
            scanned.append(decided)
        else:
            known.append((decided, state == YES))
    return Split(known, scanned, None)


def _with_doubt(decided: Decided, doubt: Callable[[Decided], Any] | None) -> States:
    if doubt is None:
        return decided.states
    return np.where((decided.states == YES) & doubt(decided), MAYBE, decided.states).astype(np.int8)


def all_scanned(plan: Plan) -> Split:
    """Nothing from tallies."""
    return Split([], plan.parts, None)


Projection = Callable[[Part, Parameters], Sequence[str]]
"""SQL expressions with names for one part; every part gives the same names in the same order."""


def select(
    plan: Plan, parts: Sequence[Decided], projection: Projection, *, hours: frozenset[int] | None = None
) -> "Source":
    """The relation of all matching rows of `parts`, projected."""
    parameters = Parameters()
    compiler = _compiler(plan, parts, parameters)
    only = _hours_sql(hours)
    grouped: dict[tuple[str, str], list[Part]] = {}
    for decided in parts:
        where = joined([compiler.condition(decided.condition, decided.part), only], "AND")
        if where != FALSE:
            grouped.setdefault((where, ", ".join(projection(decided.part, parameters))), []).append(
                decided.part
            )
    tables: dict[str, pa.Table] = {}
    selects = [
        f"SELECT {columns} FROM {relation} WHERE {where}"
        for (where, columns), members in grouped.items()
        for relation in _relations(members, f"{columns} {where}", parameters, tables)
    ]
    return Source(plan, " UNION ALL ".join(selects), parameters, tables)


def _relations(parts: list[Part], sql: str, parameters: Parameters, tables: dict[str, pa.Table]) -> list[str]:
    """What to select from: all files at once, and each part in memory with the columns that `sql` names."""
    files = [part.path for part in parts if part.path is not None]
    relations = [f"read_parquet({parameters.add(tuple(files))})"] if files else []
    for part in parts:
        if part.path is None:
            name = f"hot{len(tables)}"
            tables[name] = part.read(range(len(part.row_groups())), _named_in(sql, part))
            relations.append(name)
    return relations


def _named_in(sql: str, part: Part) -> list[str]:
    """The part's columns that the SQL names, one at least: SQL has no rows without columns."""
    words = set(_WORD.findall(sql))
    named = (name in words if name.isidentifier() else quoted(name) in sql for name in part.facts.columns)
    return list(compress(part.facts.columns, named)) or ["seq"]


def _hours_sql(hours: frozenset[int] | None) -> str:
    if hours is None:
        return TRUE
    runs: list[list[int]] = []
    for hour in sorted(hours):
        if runs and runs[-1][1] == hour:
            runs[-1][1] = hour + 1
        else:
            runs.append([hour, hour + 1])
    terms = [
        f"(timestamp >= make_timestamp_ns({hour_start_ns(a)}) AND timestamp < make_timestamp_ns({hour_start_ns(b)}))"
        for a, b in runs
    ]
    return joined(terms, "OR")


@dataclass
class Source:
    """Rows to ask about, as SQL; empty `sql`: there are none."""

    plan: Plan
    sql: str
    parameters: Parameters
    tables: dict[str, pa.Table]

    def ask(self, statement: str) -> pa.Table | None:
        """Run a statement in which ``{rows}`` stands for the relation; None when there are no rows at all."""
        if not self.sql:
            return None
        values = self.parameters.used_in(self.sql + statement)
        sql = statement.replace("{rows}", f"({self.sql}) AS rows")
        tables = {**self.tables, **self.parameters.as_tables()}
        return self.plan.engine.run(sql, values, tables, self.plan.budget)

    def rows(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement's result, few of them held at a time; none when there is nothing to ask."""
        table = self.ask(statement)
        for batch in () if table is None else table.to_batches(max_chunksize=ROWS_AT_A_TIME):
            self.plan.budget.remaining_s()
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _compiler(plan: Plan, parts: Sequence[Decided], parameters: Parameters) -> Compiler:
    members = [decided.part for decided in parts]
    sources: dict[str, Any] = {
        "shapes_say": _shapes_say(plan, parts),
        "verified": _verified(plan, parts),
        "values": _known_values(members),
    }

    def look(leaf: Filter, part: Part) -> tuple[str, dict[str, Any], dict[str, Any]]:
        own = Parameters()
        sql = Compiler(own, members, **sources, remembered=lambda *_: None).looked_at(leaf, part)
        return sql, own.used_in(sql), own.as_tables()

    pairs = [(decided.part, decided.condition) for decided in parts]
    remembered = remembered_rows(pairs, look, plan.engine, plan.budget)
    return Compiler(parameters, members, **sources, remembered=remembered)


def _known_values(parts: Sequence[Part]) -> dict[str, set[str]]:
    """All values of the fields that have few of them in every part."""
    values: dict[str, set[str]] = {}
    for name in NAMES:
        holders = [part.facts for part in parts if name in part.facts.columns]
        if all(name in facts.values for facts in holders):
            values[name] = {value for facts in holders for value in facts.values[name]}
    return values


def _shapes_say(
    plan: Plan, parts: Sequence[Decided]
) -> Callable[[Any], tuple[frozenset[int], frozenset[int], int] | None]:
    decider = plan.engine.decider
    known: dict[Any, tuple[frozenset[int], frozenset[int], int] | None] = {}

    def say(leaf: Any) -> tuple[frozenset[int], frozenset[int], int] | None:
        if leaf not in known:
            known[leaf] = _ids(leaf)
        return known[leaf]

    def _ids(leaf: Any) -> tuple[frozenset[int], frozenset[int], int] | None:
        tallies = [decided.part.tally() for decided in parts]
        if not is_message_leaf(leaf) or any(len(t.shape_ids) > decider.shapes_max for t in tallies):
            return None
        said = [(tally.shape_ids, decider.shapes.states(leaf, tally)) for tally in tallies]
        sure = np.unique(np.concatenate([ids[states == YES] for ids, states in said]))
        possible = np.unique(np.concatenate([ids[states == MAYBE] for ids, states in said]))
        return frozenset(sure.tolist()), frozenset(possible.tolist()), max(len(ids) for ids, _ in said)

    return say


def _verified(plan: Plan, parts: Sequence[Decided]) -> Callable[[Filter, tuple[str, ...]], set[int]]:
    known: dict[tuple[Filter, tuple[str, ...]], set[int]] = {}

    def verified(leaf: Filter, columns: tuple[str, ...]) -> set[int]:
        key = (leaf, columns)
        if key not in known:
            known[key] = {
                seq for decided in parts for seq in matching_rows(decided.part, leaf, columns, plan.budget)
            }
        return known[key]

    return verified


def matching_rows(part: Part, leaf: Filter, columns: tuple[str, ...], budget: Budget) -> list[int]:
    """Sequences of the part's rows that have a value in `columns` and match the leaf, by `query.match`."""
    if not any(column in part.facts.columns for column in columns):
        return []
    matches = compile_match(leaf)
    found: list[int] = []
    for group in part.row_groups():
        budget.remaining_s()
        table = part.read([group.index], ["seq", "timestamp", "received", *columns])
        present = [table[column].is_valid() for column in columns if column in table.column_names]
        mask = present[0]
        rows = to_records(table.filter(mask))
        found.extend(row.seq for row in rows if matches(row))
    return found


def column_sql(name: str, part: Part, kind: str) -> str:
    """A column, or NULL of its type where the part has none."""
    return f"CAST({quoted(name)} AS {kind})" if name in part.facts.columns else f"NULL::{kind}"


def start_sql(interval_ns: int) -> str:
    """The start of the interval that a record's timestamp lies in, as UTC nanoseconds (floor, also before 1970)."""
    stamp, width = "epoch_ns(timestamp)", f"{interval_ns:d}"
    return f"({stamp} - (({stamp} % {width}) + {width}) % {width})"
