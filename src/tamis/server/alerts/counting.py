"""What the store says of a rule: counts by group and step, and what else its kind needs. Reads only."""

from dataclasses import dataclass
from typing import Any

from tamis.query.ast import Aggregate, Bin, By, Filter
from tamis.query.ast import Stats as StatsStage
from tamis.store.base import Budget, Question, Store

_COUNT = Aggregate("count", None, "count")
_NEWEST = Aggregate("max", "timestamp", "newest")


@dataclass(frozen=True, slots=True)
class Span:
    """Which records are read: those that came after `after_seq` up to `as_of`, with times in start <= t < end."""

    after_seq: int | None
    as_of: int
    start_ns: int | None = None
    end_ns: int | None = None

    def question(self, found: Filter) -> Question:
        """A filter's question over it."""
        return Question(found, self.start_ns, self.end_ns, self.as_of, self.after_seq)


@dataclass(frozen=True, slots=True)
class Counted:
    """So many records of a group in a step."""

    values: tuple[Any, ...]
    step: int
    count: int


def count_steps(
    store: Store, found: Filter, fields: tuple[str, ...], span: Span, budget: Budget, *, step_ns: int
) -> list[Counted]:
    """Counts by group and step of time."""
    by: tuple[By | Bin, ...] = (*map(By, fields), Bin(step_ns, "step"))
    table = store.stats(span.question(found), budget, stats=StatsStage((_COUNT,), by))
    return [Counted(tuple(row[:-2]), row[-2] // step_ns, row[-1]) for row in table.rows]


def newest(
    store: Store, found: Filter, fields: tuple[str, ...], span: Span, budget: Budget
) -> list[tuple[tuple[Any, ...], int]]:
    """The time of the newest record of each group."""
    stats = StatsStage((_NEWEST,), tuple(map(By, fields)))
    table = store.stats(span.question(found), budget, stats=stats)
    return [(row[:-1], row[-1]) for row in table.rows if row[-1] is not None]


def shapes(store: Store, found: Filter, span: Span, budget: Budget) -> dict[int, int]:
    """The shapes there are, each with the time of its first record."""
    made = store.patterns(span.question(found), budget)
    return {one.shape_id: one.first_seen for one in made.patterns}
