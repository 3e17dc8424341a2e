"""Records in order of time, a page at a time: newest row groups first, stopping as soon as the page is full."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count, islice

import numpy as np

from tamis.store.base import Budget, Order, Page, Question
from tamis.store.cursor import Cursor, decode_cursor, encode_cursor
from tamis.store.embedded.ask.condition import seen_up_to
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.matched import Asked
from tamis.store.embedded.ask.recent import located_recent, names_an_id
from tamis.store.embedded.ask.rows import LOCATION, Located, Slice, fetch, located, whole
from tamis.store.embedded.ask.scan import Decided, Plan, plan_of, select
from tamis.store.embedded.ask.shapes import NO
from tamis.store.embedded.format.part import Part, PartFacts, RowGroup, Snapshot
from tamis.store.embedded.format.tally import HOUR_NS

_GROUPS_MAX = 16
"""When more row groups than this have to be read, everything is asked for at once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many records from where on, in which order."""

    limit: int
    order: Order
    after: tuple[int, int] | None = None
    """(timestamp, seq) of the last record that the reader has."""


def search(
    snapshot: Snapshot,
    question: Question,
    budget: Budget,
    engine: Engine,
    *,
    limit: int,
    order: Order,
    cursor: str | None,
) -> Page:
    """One page of records."""
    position = None if cursor is None else decode_cursor(cursor, question, order)
    as_of = seen_up_to(question, snapshot)
    if position is not None:
        as_of = position.as_of
    pinned = replace(question, as_of=as_of)
    after = None if position is None else (position.timestamp, position.seq)
    found, parts = locate(snapshot, pinned, budget, engine, wanted=Wanted(limit + 1, order, after))
    records = fetch(parts, found[:limit], engine.kept)
    following = None
    if len(found) > limit and records:
        last = found[limit - 1]
        following = encode_cursor(Cursor(as_of, last.ts, last.seq), question, order)
    return Page(as_of=as_of, warnings=snapshot.warnings, records=records, next_cursor=following)


def locate(
    snapshot: Snapshot, question: Question, budget: Budget, engine: Engine, *, wanted: Wanted
) -> tuple[list[Located], list[Part]]:
    """Where the first records of the question are, in the order wanted, and the parts they are in."""
    asked = Asked(snapshot, _narrowed(question, wanted), engine, budget)
    recent = located_recent(
        asked, limit=wanted.limit, newest_first=wanted.order == "desc", after=wanted.after
    )
    return _located(asked, wanted) if recent is None else recent


def _located(asked: Asked, wanted: Wanted) -> tuple[list[Located], list[Part]]:
    plan = plan_of(asked.snapshot, asked.question, asked.engine, asked.budget)
    if names_an_id(asked):
        return _rest(plan, wanted), [decided.part for decided in plan.parts]
    groups = candidates(plan, wanted.order)
    following = next(groups, None)
    found: list[Located] = []
    size, read = 1, 0
    while following is not None:
        wave = [following, *islice(groups, size - 1)]
        found = _merged(found, _wave(plan, wave, wanted), wanted)
        read += len(wave)
        following = next(groups, None)
        if following is None or _is_settled(found, following[1], wanted):
            break
        size = _next_size(found, read, wanted)
        if size > _GROUPS_MAX:
            found = _rest(plan, wanted)
            break
    return _merged(found, [], wanted), [decided.part for decided in plan.parts]


def _next_size(found: list[Located], read: int, wanted: Wanted) -> int:
    """How many row groups fill the page, by what those read so far gave."""
    if not found:
        return _GROUPS_MAX + 1
    return max(1, -(-(wanted.limit - len(found)) * read // len(found)))


def _narrowed(question: Question, wanted: Wanted) -> Question:
    if wanted.after is None:
        return question
    stamp = wanted.after[0]
    if wanted.order == "desc":
        end = stamp + 1 if question.end_ns is None else min(question.end_ns, stamp + 1)
        return replace(question, end_ns=end)
    start = stamp if question.start_ns is None else max(question.start_ns, stamp)
    return replace(question, start_ns=start)


def candidates(plan: Plan, order: Order) -> Iterator[tuple[Decided, RowGroup]]:
    """Row groups that may hold records of the question, in the order in which they have to be read.

    Which hours of a part come into question is worked out when the part's turn comes.
    """
    newest_first = order == "desc"
    parts = sorted(
        plan.parts, key=lambda decided: _turn(decided.part.facts, newest_first=newest_first), reverse=True
    )
    waiting: list[tuple[int, int, Decided, RowGroup]] = []
    number = count()
    while parts or waiting:
        while parts and (
            not waiting or _turn(parts[-1].part.facts, newest_first=newest_first) <= waiting[0][0]
        ):
            decided = parts.pop()
            for group in _groups_of(plan, decided):
                heappush(waiting, (_turn(group, newest_first=newest_first), next(number), decided, group))
        if waiting:
            _, _, decided, group = heappop(waiting)
            yield decided, group


def _turn(reach: PartFacts | RowGroup, *, newest_first: bool) -> int:
    """When a part or a row group is to be read: the least comes first."""
    return -reach.max_ts if newest_first else reach.min_ts


def _groups_of(plan: Plan, decided: Decided) -> Iterator[RowGroup]:
    tally, states = decided.part.tally(), decided.states
    if not decided.tally.hourly:
        states = plan.engine.decider.decide(decided.condition, decided.part, tally)
    hours = np.unique(tally.hour[states != NO])
    start, end = decided.condition.wanted.start_ns, decided.condition.wanted.end_ns
    for group in decided.part.row_groups():
        if (start is None or group.max_ts >= start) and (end is None or group.min_ts < end):
            first = np.searchsorted(hours, group.min_ts // HOUR_NS)
            if first < len(hours) and hours[first] <= group.max_ts // HOUR_NS:
                yield group


def _wave(plan: Plan, groups: Sequence[tuple[Decided, RowGroup]], wanted: Wanted) -> list[Located]:
    by_part: dict[str, tuple[Decided, list[RowGroup]]] = {}
    for decided, group in groups:
        by_part.setdefault(decided.part.name, (decided, []))[1].append(group)
    slices = [replace(decided, part=Slice(decided.part, chosen)) for decided, chosen in by_part.values()]
    return _first(plan, slices, wanted)


def _rest(plan: Plan, wanted: Wanted) -> list[Located]:
    return _first(plan, [replace(d, part=whole(d.part)) for d in plan.parts], wanted)


def _first(plan: Plan, parts: Sequence[Decided], wanted: Wanted) -> list[Located]:
    source = select(plan, parts, lambda part, _: LOCATION)
    direction = "DESC" if wanted.order == "desc" else "ASC"
    order = f"ORDER BY ts {direction}, seq {direction} LIMIT {wanted.limit:d}"
    return located(source.ask(f"SELECT * FROM {{rows}}{_after_sql(wanted)} {order}"))


def _after_sql(wanted: Wanted) -> str:
    if wanted.after is None:
        return ""
    stamp, seq = wanted.after
    sign = "<" if wanted.order == "desc" else ">"
    return f" WHERE (ts {sign} {stamp:d} OR (ts = {stamp:d} AND seq {sign} {seq:d}))"


def _merged(one: list[Located], other: list[Located], wanted: Wanted) -> list[Located]:
    return sorted([*one, *other], reverse=wanted.order == "desc")[: wanted.limit]


def _is_settled(found: list[Located], following: RowGroup, wanted: Wanted) -> bool:
    """Whether no row of the groups that follow can come before the last one found."""
    if len(found) < wanted.limit:
        return False
    if wanted.order == "desc":
        return found[-1].ts > following.max_ts
    return found[-1].ts < following.min_ts
