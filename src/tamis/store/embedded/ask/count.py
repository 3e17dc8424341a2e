"""How many, and when."""

from typing import Any

import numpy as np

from tamis.query.values import canonical_text
from tamis.store.base import Budget, Counted, Histogram, Question
from tamis.store.embedded.ask.compile import Parameters
from tamis.store.embedded.ask.condition import seen_up_to
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.matched import Asked
from tamis.store.embedded.ask.recent import count_recent, histogram_recent
from tamis.store.embedded.ask.scan import Decided, Plan, all_scanned, plan_of, select, split, start_sql
from tamis.store.embedded.ask.values import field_sql, read_tagged
from tamis.store.embedded.format.part import Part, Snapshot


def count(snapshot: Snapshot, question: Question, budget: Budget, engine: Engine) -> Counted:
    """How many records the question means."""
    recent = count_recent(Asked(snapshot, question, engine, budget))
    if recent is not None:
        return Counted(as_of=seen_up_to(question, snapshot), warnings=snapshot.warnings, count=recent)
    plan = plan_of(snapshot, question, engine, budget)
    parted = split(plan)
    total = sum(int(decided.tally.count[rows].sum()) for decided, rows in parted.known)
    source = select(plan, parted.scanned, lambda part, _: ["1 AS one"], hours=parted.hours)
    table = source.ask("SELECT count(*) FROM {rows}")
    if table is not None:
        total += table.column(0)[0].as_py()
    return Counted(as_of=plan.as_of, warnings=snapshot.warnings, count=total)


def histogram(
    snapshot: Snapshot,
    question: Question,
    budget: Budget,
    engine: Engine,
    *,
    interval_ns: int,
    by: str | None,
) -> Histogram:
    """Counts by interval and by the text of a field's value."""
    asked = Asked(snapshot, question, engine, budget)
    buckets = histogram_recent(asked, interval_ns=interval_ns, by=by)
    if buckets is None:
        buckets = _tallied_and_scanned(asked, interval_ns=interval_ns, by=by)
    return Histogram(
        as_of=seen_up_to(question, snapshot),
        warnings=snapshot.warnings,
        interval_ns=interval_ns,
        buckets=_by_start(buckets),
    )


def _tallied_and_scanned(asked: Asked, *, interval_ns: int, by: str | None) -> dict[tuple[int, str], int]:
    plan = plan_of(asked.snapshot, asked.question, asked.engine, asked.budget, by_hour=True)
    buckets: dict[tuple[int, str], int] = {}
    tallied = by is None or by in ("service", "level")
    parted = (
        split(plan, lambda decided: spans_intervals(decided, interval_ns)) if tallied else all_scanned(plan)
    )
    for decided, rows in parted.known:
        _add_tally(buckets, decided, rows, interval_ns=interval_ns, by=by)
    _add_scan(buckets, plan, parted.scanned, parted.hours, interval_ns=interval_ns, by=by)
    return buckets


def spans_intervals(decided: Decided, interval_ns: int) -> Any:
    """Which rows of the tally hold records of more than one interval."""
    tally = decided.tally
    return tally.min_ts // interval_ns != tally.max_ts // interval_ns


def _add_tally(
    buckets: dict[tuple[int, str], int], decided: Decided, rows: Any, *, interval_ns: int, by: str | None
) -> None:
    tally = decided.tally
    codes, values = tally_values(tally, by)
    starts, places = np.unique(tally.min_ts[rows] // interval_ns, return_inverse=True)
    sums = np.bincount(places * len(values) + codes[rows], weights=tally.count[rows])
    for place in np.flatnonzero(sums):
        start, code = divmod(int(place), len(values))
        bucket = (int(starts[start]) * interval_ns, values[code] or "")
        buckets[bucket] = buckets.get(bucket, 0) + int(sums[place])


def tally_values(tally: Any, by: str | None) -> tuple[Any, list[str | None]]:
    """The codes and values of a tallied field; one value for all when there is none."""
    if by == "service":
        return tally.service, list(tally.services)
    if by == "level":
        return tally.level, list(tally.levels)
    return np.zeros(len(tally), np.int64), [None]


def _add_scan(
    buckets: dict[tuple[int, str], int],
    plan: Plan,
    scanned: list[Decided],
    hours: frozenset[int] | None,
    *,
    interval_ns: int,
    by: str | None,
) -> None:
    field = field_sql(by, "v", [d.part for d in scanned]) if by is not None else None

    def projection(part: Part, parameters: Parameters) -> list[str]:
        values = field.project(part, parameters) if field is not None else []
        return [f"{start_sql(interval_ns)} AS start", *values]

    source = select(plan, scanned, projection, hours=hours)
    tag = field.tagged() if field is not None else "NULL::VARCHAR"
    for start, text, number in source.rows(
        f"SELECT start, {tag} AS tag, count(*) AS n FROM {{rows}} GROUP BY ALL"
    ):
        value = read_tagged(text)
        bucket = (start, "" if value is None else canonical_text(value))
        buckets[bucket] = buckets.get(bucket, 0) + number


def _by_start(buckets: dict[tuple[int, str], int]) -> tuple[tuple[int, dict[str, int]], ...]:
    starts: dict[int, dict[str, int]] = {}
    for (start, value), number in sorted(buckets.items()):
        starts.setdefault(start, {})[value] = number
    return tuple(starts.items())
