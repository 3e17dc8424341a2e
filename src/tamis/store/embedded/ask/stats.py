"""Aggregates by groups."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from tamis.clock import NS_PER_S
from tamis.query.aggregate import Row, stats_columns
from tamis.query.ast import Aggregate, Bin, Stats
from tamis.query.table import FirstRows, first_rows
from tamis.store.base import Budget, Question, Table
from tamis.store.embedded.ask.aggregates import AggregateSql, aggregate_sql, seconds_of
from tamis.store.embedded.ask.compile import Parameters
from tamis.store.embedded.ask.condition import bounds
from tamis.store.embedded.ask.count import spans_intervals, tally_values
from tamis.store.embedded.ask.decide import TALLIED
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.scan import Decided, Plan, plan_of, select, split, start_sql
from tamis.store.embedded.ask.values import FieldSql, field_sql, read_columns
from tamis.store.embedded.format.part import Part, Snapshot


def stats(
    snapshot: Snapshot, question: Question, budget: Budget, engine: Engine, *, stats: Stats, first: FirstRows
) -> Table:
    """The aggregates of each group, the `first` of them."""
    plan = plan_of(snapshot, question, engine, budget, by_hour=any(isinstance(by, Bin) for by in stats.by))
    rows: Iterable[Row] = _counted(plan, stats) if _is_counting(stats) else _aggregated(plan, stats)
    found, total = first_rows(rows, stats, first)
    return Table(
        as_of=plan.as_of,
        warnings=snapshot.warnings,
        columns=stats_columns(stats),
        rows=tuple(found),
        total=total,
    )


def _is_counting(stats: Stats) -> bool:
    """Whether tallies can answer."""
    return all(a.function in ("count", "rate") and a.field is None for a in stats.aggregates) and all(
        isinstance(by, Bin) or by.field in TALLIED for by in stats.by
    )


def _counted(plan: Plan, stats: Stats) -> list[tuple[Any, ...]]:
    """Counts from tallies, and from scans of the hours that they leave open."""
    width = next((by.interval_ns for by in stats.by if isinstance(by, Bin)), None)
    parted = split(plan, None if width is None else lambda decided: spans_intervals(decided, width))
    counts: dict[tuple[Any, ...], int] = {}
    first, last = 2**63 - 1, -(2**63)
    for decided, rows in parted.known:
        tally, places = decided.tally, np.flatnonzero(rows)
        if len(places):
            first, last = (
                min(first, int(tally.min_ts[places].min())),
                max(last, int(tally.max_ts[places].max())),
            )
            for group, number in _tally_groups(tally, places, stats):
                counts[group] = counts.get(group, 0) + number
    scan = _scan(plan, parted.scanned, Stats((Aggregate("count", None, "count"),), stats.by), parted.hours)
    for group, values, low, high in scan:
        counts[group] = counts.get(group, 0) + values[0]
        first, last = min(first, low), max(last, high)
    if not stats.by:
        counts.setdefault((), 0)
    seconds = _seconds(plan, stats, (first, last))
    return [
        (*group, *(_count_or_rate(a, number, seconds) for a in stats.aggregates))
        for group, number in counts.items()
    ]


def _count_or_rate(aggregate: Aggregate, number: int, seconds: float | None) -> Any:
    if aggregate.function == "count":
        return number
    return number / seconds if seconds else None


def _tally_groups(tally: Any, rows: Any, stats: Stats) -> list[tuple[tuple[Any, ...], int]]:
    """Sums of a tally's rows by group."""
    key = np.zeros(len(rows), np.int64)
    decoders: list[list[Any]] = []
    for by in stats.by:
        if isinstance(by, Bin):
            starts, codes = np.unique(tally.min_ts[rows] // by.interval_ns, return_inverse=True)
            values = (starts * by.interval_ns).tolist()
        else:
            all_codes, values = tally_values(tally, by.field)
            codes = all_codes[rows]
        key = key * len(values) + codes
        decoders.append(values)
    keys, group = np.unique(key, return_inverse=True)
    sums = np.bincount(group, weights=tally.count[rows])
    return [(_decoded(int(k), decoders), int(n)) for k, n in zip(keys, sums, strict=True)]


def _decoded(key: int, decoders: list[list[Any]]) -> tuple[Any, ...]:
    values: list[Any] = []
    for known in reversed(decoders):
        key, code = divmod(key, len(known))
        values.append(known[code])
    return tuple(reversed(values))


def _aggregated(plan: Plan, stats: Stats) -> Iterator[Row]:
    needs_range = any(a.function == "rate" for a in stats.aggregates)
    reached = _reached(plan) if needs_range and _seconds(plan, stats, None) is None else None
    seconds = _seconds(plan, stats, reached)
    is_empty = True
    for group, values, _, _ in _scan(plan, plan.parts, stats, None, seconds=seconds):
        is_empty = False
        yield (*group, *values)
    if is_empty and not stats.by:
        yield tuple(_of_nothing(aggregate, seconds) for aggregate in stats.aggregates)


def _of_nothing(aggregate: Aggregate, seconds: float | None) -> Any:
    if aggregate.function in ("count", "count_distinct"):
        return 0
    return 0.0 if aggregate.function == "rate" and seconds else None


def _reached(plan: Plan) -> tuple[int, int] | None:
    """The first and last timestamp among the records of the question."""
    source = select(plan, plan.parts, lambda part, _: ["epoch_ns(timestamp) AS ts"])
    for low, high in source.rows("SELECT min(ts), max(ts) FROM {rows}"):
        if low is not None:
            return low, high
    return None


def _seconds(plan: Plan, stats: Stats, reached: tuple[int, int] | None) -> float | None:
    """What a rate divides by: the bin, else the question's range, else from the first to the last record."""
    width = next((by.interval_ns for by in stats.by if isinstance(by, Bin)), None)
    if width is not None:
        return width / NS_PER_S
    known = seconds_of(*bounds(plan.question))
    if known is not None or reached is None:
        return known
    return seconds_of(*reached)


@dataclass(frozen=True)
class _Columns:
    """The columns of a scan: groups, aggregated fields."""

    groups: tuple[FieldSql | Bin, ...]
    fields: dict[str, FieldSql]

    def project(self, part: Part, parameters: Parameters) -> list[str]:
        """The expressions for one part."""
        sql = ["epoch_ns(timestamp) AS ts", "seq"]
        for place, group in enumerate(self.groups):
            if isinstance(group, Bin):
                sql.append(f"{start_sql(group.interval_ns)} AS bin{place}")
            else:
                sql.extend(group.project(part, parameters))
        for field in self.fields.values():
            sql.extend(field.project(part, parameters))
        return sql

    @property
    def keys(self) -> list[str]:
        """The columns to group by."""
        return [
            name
            for place, group in enumerate(self.groups)
            for name in ([f"bin{place}"] if isinstance(group, Bin) else group.columns)
        ]

    def readers(self) -> list[Callable[[Row], Any]]:
        """What takes each value of a group out of a row that begins with the columns of `keys`."""
        found: list[Callable[[Row], Any]] = []
        at = 0
        for group in self.groups:
            kinds = ("s",) if isinstance(group, Bin) else group.kinds
            plain = kinds == ("s",)
            found.append(itemgetter(at) if plain else partial(_value, kinds, slice(at, at + len(kinds))))
            at += len(kinds)
        return found


def _value(kinds: Sequence[str], where: slice, row: Row) -> Any:
    return read_columns(kinds, row[where])


def _scan(
    plan: Plan,
    parts: Sequence[Decided],
    stats: Stats,
    hours: frozenset[int] | None,
    *,
    seconds: float | None = None,
) -> Iterator[tuple[Row, list[Any], int, int]]:
    """For each group: its values, its aggregates, its first and last timestamp."""
    members = [decided.part for decided in parts]
    columns = _Columns(
        tuple(
            by if isinstance(by, Bin) else field_sql(by.field, f"g{i}", members)
            for i, by in enumerate(stats.by)
        ),
        {name: field_sql(name, f"a{i}", members) for i, name in enumerate(_aggregated_fields(stats))},
    )
    wanted = [
        aggregate_sql(a, columns.fields[a.field] if a.field else None, seconds=seconds)
        for a in stats.aggregates
    ]
    source = select(plan, parts, columns.project, hours=hours)
    selected = [*columns.keys, "min(ts)", "max(ts)", *(sql for item in wanted for sql in item.expressions)]
    grouping = f" GROUP BY {', '.join(columns.keys)}" if columns.keys else ""
    at, readers = len(columns.keys), columns.readers()
    aggregates = list(_aggregate_readers(wanted, at + 2))
    for row in source.rows(f"SELECT {', '.join(selected)} FROM {{rows}}{grouping}"):
        if row[at] is not None:
            group = tuple([read(row) for read in readers])
            yield group, [read(row[where]) for read, where in aggregates], row[at], row[at + 1]


def _aggregated_fields(stats: Stats) -> list[str]:
    return list(dict.fromkeys(a.field for a in stats.aggregates if a.field is not None))


def _aggregate_readers(
    wanted: Sequence[AggregateSql], at: int
) -> Iterator[tuple[Callable[[Sequence[Any]], Any], slice]]:
    """How each aggregate is read, and from where in a row."""
    for item in wanted:
        yield item.read, slice(at, at := at + len(item.expressions))
