"""What sentences there are: shapes with their counts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tamis.record.shape import shape
from tamis.store.base import Budget, PatternFacts, PatternList, Question
from tamis.store.embedded.ask.compile import Parameters
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.scan import Decided, Plan, column_sql, plan_of, select, split
from tamis.store.embedded.part import Part, Snapshot


@dataclass
class _Found:
    """One shape's facts as they come together."""

    template: str
    count: int = 0
    first_seen: int = 2**63 - 1
    last_seen: int = -(2**63)
    levels: Counter[str] = field(default_factory=Counter)
    services: Counter[str] = field(default_factory=Counter)
    example: str | None = None
    example_at: int = -(2**63)

    def add(self, number: int, first: int, last: int, level: str | None, service: str | None) -> None:
        """Count records of one level and service."""
        self.count += number
        self.first_seen = min(self.first_seen, first)
        self.last_seen = max(self.last_seen, last)
        self.levels[level or ""] += number
        self.services[service or ""] += number

    def offer(self, example: str | None, at: int) -> None:
        """Take an example when it is newer than the one there is."""
        if example is not None and at >= self.example_at:
            self.example, self.example_at = example, at


def patterns(
    snapshot: Snapshot, question: Question, budget: Budget, engine: Engine, *, limit: int | None
) -> PatternList:
    """The shapes of the records asked for, most frequent first."""
    plan = plan_of(snapshot, question, engine, budget)
    parted = split(plan)
    found: dict[int, _Found] = {}
    for decided, rows in parted.known:
        _add_tally(found, decided, np.flatnonzero(rows))
    _add_scan(found, plan, parted.scanned, parted.hours)
    ranked = sorted(found.items(), key=lambda item: (-item[1].count, item[1].template))
    shown = ranked if limit is None else ranked[:limit]
    _fetch_examples(plan, {number: facts for number, facts in shown if facts.example is None})
    return PatternList(
        as_of=plan.as_of,
        warnings=snapshot.warnings,
        patterns=tuple(_facts(number, facts) for number, facts in shown),
        unmatched=sum(facts.count for _, facts in ranked[len(shown) :]),
    )


def _facts(number: int, found: _Found) -> PatternFacts:
    return PatternFacts(
        shape_id=number,
        template=found.template,
        count=found.count,
        first_seen=found.first_seen,
        last_seen=found.last_seen,
        levels=dict(found.levels.most_common()),
        services=dict(found.services.most_common()),
        example=found.example or "",
    )


def _add_tally(found: dict[int, _Found], decided: Decided, rows: Any) -> None:
    """Fold the rows of a tally by shape, level and service, then add each sum."""
    tally = decided.tally
    if not len(rows):
        return
    combined = (tally.shape[rows] * len(tally.levels) + tally.level[rows]) * len(
        tally.services
    ) + tally.service[rows]
    keys, group = np.unique(combined, return_inverse=True)
    counts = np.bincount(group, weights=tally.count[rows])
    first = np.full(len(keys), 2**63 - 1, np.int64)
    np.minimum.at(first, group, tally.min_ts[rows])
    last = np.full(len(keys), -(2**63), np.int64)
    np.maximum.at(last, group, tally.max_ts[rows])
    for place, key in enumerate(keys.tolist()):
        rest, service = divmod(key, len(tally.services))
        code, level = divmod(rest, len(tally.levels))
        facts = found.setdefault(int(tally.shape_ids[code]), _Found(tally.shapes[code]))
        facts.add(
            int(counts[place]),
            int(first[place]),
            int(last[place]),
            tally.levels[level],
            tally.services[service],
        )
    _offer_examples(found, tally, rows)


def _offer_examples(found: dict[int, _Found], tally: Any, rows: Any) -> None:
    with_example = rows[tally.example.is_valid().to_numpy(zero_copy_only=False)[rows]]
    texts = tally.example.take(with_example).to_pylist()
    for row, text in zip(with_example.tolist(), texts, strict=True):
        found[int(tally.shape_ids[tally.shape[row]])].offer(text, int(tally.max_ts[row]))


def _add_scan(
    found: dict[int, _Found], plan: Plan, parts: list[Decided], hours: frozenset[int] | None
) -> None:
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
    statement = (
        "SELECT shape_id, level, service, count(*), min(ts), max(ts), arg_max(message, ts) "
        "FROM {rows} GROUP BY shape_id, level, service"
    )
    for number, level, service, count, first, last, example in source.rows(statement):
        facts = found.get(number)
        if facts is None:
            facts = found[number] = _Found(shape(example))
        facts.add(count, first, last, level, service)
        facts.offer(example, last)


def _fetch_examples(plan: Plan, lacking: dict[int, _Found]) -> None:
    """Messages for shapes whose example in the tally is not among the records asked for."""
    if not lacking:
        return
    source = select(plan, plan.parts, lambda part, _: ["shape_id", "message", "epoch_ns(timestamp) AS ts"])
    wanted = source.parameters.among("shape_id", lacking)
    for number, example in source.rows(
        f"SELECT shape_id, arg_max(message, ts) FROM {{rows}} WHERE {wanted} GROUP BY 1"
    ):
        lacking[number].example = example
