"""What sentences there are: shapes with their counts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from tamis.record.shape import shape
from tamis.store.base import Budget, PatternFacts, PatternList, Question
from tamis.store.embedded.ask.compile import Parameters
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.scan import Decided, Plan, column_sql, plan_of, select, split
from tamis.store.embedded.format.part import Part, Snapshot
from tamis.store.embedded.format.tally import Ints


def patterns(
    snapshot: Snapshot, question: Question, budget: Budget, engine: Engine, *, limit: int | None
) -> PatternList:
    """The shapes of the records asked for, most frequent first."""
    plan = plan_of(snapshot, question, engine, budget)
    parted = split(plan)
    counts = _Counts()
    for decided, rows in parted.known:
        _add_tally(counts, decided, np.flatnonzero(rows))
    _add_scan(counts, plan, parted.scanned, parted.hours)
    found = counts.by_shape()
    templates = [counts.templates[number] for number in found.shape_ids.tolist()]
    ranked = sorted(range(len(templates)), key=lambda place: (-found.count[place], templates[place]))
    shown = ranked if limit is None else ranked[:limit]
    examples = _examples(plan, counts, [int(found.shape_ids[place]) for place in shown])
    return PatternList(
        as_of=plan.as_of,
        warnings=snapshot.warnings,
        patterns=tuple(_facts(found, place, templates[place], examples) for place in shown),
        unmatched=int(found.count.sum()) - sum(int(found.count[place]) for place in shown),
    )


@dataclass
class _Counts:
    """Counts of shapes by level and service as they come from tallies and scans: columns of equal length."""

    columns: list[tuple[Ints, Ints, Ints, Ints, Ints, Ints]] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    templates: dict[int, str] = field(default_factory=dict)
    examples: list[tuple[Ints, Ints, pa.Array]] = field(default_factory=list)
    """Known examples: of which shape, from when, and the message."""

    def codes(self, values: Sequence[str | None]) -> Ints:
        """Numbers for names of levels and services ("" when absent), the same for all parts."""
        return np.array([self.names.setdefault(value or "", len(self.names)) for value in values], np.int64)

    def newest_examples(self, shown: Sequence[int]) -> dict[int, str]:
        """The newest known example of each of these shapes; those without one are left out."""
        if not self.examples:
            return {}
        ids, stamps = (np.concatenate([known[place] for known in self.examples]) for place in (0, 1))
        order = np.lexsort((stamps, ids))
        wanted = np.unique(np.array(shown, np.int64))
        last = np.searchsorted(ids[order], wanted, side="right") - 1
        places = order[last[last >= 0]]
        places = places[np.isin(ids[places], wanted)]
        texts = pa.concat_arrays([known[2] for known in self.examples]).take(pa.array(places))
        return dict(zip(ids[places].tolist(), texts.to_pylist(), strict=True))

    def by_shape(self) -> "_ByShape":
        """The counts of each shape."""
        if not self.columns:
            empty = np.zeros(0, np.int64)
            return _ByShape(empty, empty, empty, empty, [], [])
        ids, level, service, count, first, last = (
            np.concatenate(column) for column in zip(*self.columns, strict=True)
        )
        shape_ids, rows = np.unique(ids, return_inverse=True)
        lowest, highest = np.full(len(shape_ids), 2**63 - 1), np.full(len(shape_ids), -(2**63))
        np.minimum.at(lowest, rows, first)
        np.maximum.at(highest, rows, last)
        total = np.bincount(rows, weights=count).astype(np.int64)
        names = list(self.names)
        return _ByShape(
            shape_ids,
            total,
            lowest,
            highest,
            _named(rows, level, count, names),
            _named(rows, service, count, names),
        )


@dataclass(frozen=True)
class _ByShape:
    """One row for each shape."""

    shape_ids: Ints
    count: Ints
    first: Ints
    last: Ints
    levels: Sequence[dict[str, int]]
    services: Sequence[dict[str, int]]


def _named(rows: Ints, codes: Ints, counts: Ints, names: Sequence[str]) -> list[dict[str, int]]:
    """For each row: how many of each name, most frequent first."""
    found: list[dict[str, int]] = [{} for _ in range(int(rows.max()) + 1)]
    keys, places = np.unique(rows * len(names) + codes, return_inverse=True)
    sums = np.bincount(places, weights=counts).astype(np.int64)
    order = np.argsort(-sums, kind="stable")
    for key, number in zip(keys[order].tolist(), sums[order].tolist(), strict=True):
        row, code = divmod(key, len(names))
        found[row][names[code]] = number
    return found


def _facts(found: _ByShape, place: int, template: str, examples: dict[int, str]) -> PatternFacts:
    number = int(found.shape_ids[place])
    return PatternFacts(
        shape_id=number,
        template=template,
        count=int(found.count[place]),
        first_seen=int(found.first[place]),
        last_seen=int(found.last[place]),
        levels=found.levels[place],
        services=found.services[place],
        example=examples.get(number, ""),
    )


def _add_tally(counts: _Counts, decided: Decided, rows: Ints) -> None:
    tally = decided.tally
    if not len(rows):
        return
    ids = tally.shape_ids[tally.shape[rows]]
    level = counts.codes(tally.levels)[tally.level[rows]]
    service = counts.codes(tally.services)[tally.service[rows]]
    counts.columns.append((ids, level, service, tally.count[rows], tally.min_ts[rows], tally.max_ts[rows]))
    counts.templates.update(zip(tally.shape_ids.tolist(), tally.shapes, strict=True))
    with_example = np.flatnonzero(tally.example.is_valid().to_numpy(zero_copy_only=False)[rows])
    texts = tally.example.take(pa.array(rows[with_example]))
    counts.examples.append((ids[with_example], tally.max_ts[rows[with_example]], texts))


def _add_scan(counts: _Counts, plan: Plan, parts: Sequence[Decided], hours: frozenset[int] | None) -> None:
    found = list(_scanned(plan, parts, hours))
    if not found:
        return
    ids, levels, services, number, first, last, examples = zip(*found, strict=True)
    shape_ids, count, low, high = (np.array(column, np.int64) for column in (ids, number, first, last))
    counts.columns.append((shape_ids, counts.codes(levels), counts.codes(services), count, low, high))
    counts.examples.append((shape_ids, high, pa.array(examples, pa.string())))
    for shape_number, example in zip(ids, examples, strict=True):
        if shape_number not in counts.templates:
            counts.templates[shape_number] = shape(example)


def _scanned(plan: Plan, parts: Sequence[Decided], hours: frozenset[int] | None) -> Iterator[tuple[Any, ...]]:
    def projection(part: Part, _: Parameters) -> list[str]:
        service, level = (column_sql(name, part, "VARCHAR") for name in ("service", "level"))
        return [
            "shape_id",
            "message",
            "epoch_ns(timestamp) AS ts",
            f"{service} AS service",
            f"{level} AS level",
        ]

    source = select(plan, parts, projection, hours=hours)
    return source.rows(
        "SELECT shape_id, level, service, count(*), min(ts), max(ts), arg_max(message, ts) "
        "FROM {rows} GROUP BY shape_id, level, service"
    )


def _examples(plan: Plan, counts: _Counts, shown: Sequence[int]) -> dict[int, str]:
    """A message of each shape, among the records asked for."""
    examples = counts.newest_examples(shown)
    lacking = [number for number in shown if number not in examples]
    if lacking:
        projection = ["shape_id", "message", "epoch_ns(timestamp) AS ts"]
        source = select(plan, plan.parts, lambda part, _: projection)
        wanted = source.parameters.among("shape_id", lacking)
        rows = source.rows(f"SELECT shape_id, arg_max(message, ts) FROM {{rows}} WHERE {wanted} GROUP BY 1")
        examples.update(dict(rows))
    return examples
