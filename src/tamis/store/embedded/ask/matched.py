"""Which rows of a row group a filter matches, kept: row groups never change, so that a question asked again over times
that moved, with records that came, looks only at what is new."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from tamis.query.ast import All, And, Filter, TimeRange
from tamis.store.base import Budget, Question
from tamis.store.embedded.ask.condition import Clause, Condition
from tamis.store.embedded.ask.engine import Engine
from tamis.store.embedded.ask.kept import KeptGroups, Numbers, key_of
from tamis.store.embedded.ask.rows import Picked
from tamis.store.embedded.ask.rowwise import SomeRows
from tamis.store.embedded.ask.scan import Decided, Plan, select
from tamis.store.embedded.ask.shapes import MAYBE, YES, States
from tamis.store.embedded.format.part import Part, RowGroup, Snapshot
from tamis.store.embedded.format.tally import Tally


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way through a snapshot."""

    snapshot: Snapshot
    question: Question
    engine: Engine
    budget: Budget


def matching_rows(
    asked: Asked, part: Part, condition: Condition, groups: Sequence[RowGroup]
) -> list[Numbers]:
    """For each group: the places of its rows that match, ascending, whatever their times."""
    known = asked.engine.kept.known
    timeless = replace(condition, wanted=Clause(without_times(condition.wanted.filter), None, None, None))
    name = hashlib.blake2b(repr(timeless).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    found: list[Numbers | None] = [known.get(key_of(part, group, name)) for group in groups]
    missing = [group for group, rows in zip(groups, found, strict=True) if rows is None]
    made: dict[int, Numbers] = {}
    if missing:
        together = key_of(part, missing[0], f"{missing[-1].index}-{len(missing)}/{name}")
        made = asked.engine.kept.together.get_or_compute(
            together, lambda: _looked_up(asked, part, timeless, missing)
        )
        for group in missing:
            known.set(key_of(part, group, name), made[group.index])
    return [made[group.index] if rows is None else rows for group, rows in zip(groups, found, strict=True)]


def without_times(given: Filter) -> Filter:
    """A filter without the times that it demands; `condition.bounds` has them."""
    items = given.items if isinstance(given, And) else (given,)
    left = tuple(item for item in items if not isinstance(item, TimeRange))
    if not left:
        return All()
    return left[0] if len(left) == 1 else And(left)


def _looked_up(
    asked: Asked, part: Part, condition: Condition, groups: Sequence[RowGroup]
) -> dict[int, Numbers]:
    """The matching rows of some groups: by what the tally says of each row, else by SQL."""
    tally = part.tally().without_hours
    states = asked.engine.decider.decide(condition, part, tally)
    if not states.any():
        return {group.index: np.zeros(0, np.uint16) for group in groups}
    if (states == YES).all():
        return {group.index: _narrow(np.arange(group.rows)) for group in groups}
    known: dict[Filter, States] = {}
    said = {group.index: _said(asked, part, condition, group, states=states, known=known) for group in groups}
    sure = {index: np.flatnonzero(one == YES) for index, one in said.items()}
    doubtful = {index: np.flatnonzero(one == MAYBE) for index, one in said.items()}
    if not any(map(len, doubtful.values())):
        return {index: _narrow(rows) for index, rows in sure.items()}
    found = _by_sql(asked, part, condition, groups, states=states, rows=doubtful)
    return {index: _narrow(np.union1d(rows, found[index])) for index, rows in sure.items()}


def _said(
    asked: Asked,
    part: Part,
    condition: Condition,
    group: RowGroup,
    *,
    states: States,
    known: dict[Filter, States],
) -> States:
    """What is known of each row of a group: from the tally, and where that leaves it open, from kept columns."""
    kept, tally = asked.engine.kept, part.tally().without_hours
    in_tally = _tally_rows(kept, part, group, tally)
    said = states[in_tally]
    rows = np.flatnonzero(said == MAYBE)
    if len(rows):
        some = SomeRows(part, group, rows, in_tally[rows], tally, kept, asked.engine.decider, known)
        found = some.states(condition.wanted.filter)
        # Deletions are in doubt here: what they leave is for SQL to say.
        said[rows] = np.minimum(found, MAYBE) if condition.without else found
    return said


def _narrow(rows: Numbers) -> Numbers:
    return rows.astype(np.uint16 if not len(rows) or rows[-1] < 65_536 else np.uint32)


def _by_sql(
    asked: Asked,
    part: Part,
    condition: Condition,
    groups: Sequence[RowGroup],
    *,
    states: States,
    rows: Mapping[int, Numbers],
) -> dict[int, Numbers]:
    """Those of some rows of each group that match."""
    question = replace(asked.question, filter=condition.wanted.filter, start_ns=None, end_ns=None)
    plan = Plan(asked.snapshot, question, asked.engine, asked.budget)
    left = [group for group in groups if len(rows[group.index])]
    picked = Picked(part, left, asked.engine.kept, rows)
    decided = Decided(picked, condition, part.tally().without_hours, states)
    table = (
        select(plan, [decided], lambda _, __: ["file_row_number AS row"]).ask("SELECT row FROM {rows}")
        if left
        else None
    )
    found = np.zeros(0, np.int64) if table is None else np.sort(table["row"].to_numpy())
    by_group = {}
    for group in groups:
        first, last = np.searchsorted(found, [group.first_row, group.first_row + group.rows])
        by_group[group.index] = found[first:last] - group.first_row
    return by_group


def _tally_rows(kept: KeptGroups, part: Part, group: RowGroup, tally: Tally) -> Numbers:
    """For each row of a group: its row in the part's tally without hours."""
    rows: Numbers = kept.get(part, group, "tally", lambda: _rows_in(tally, kept, part, group))
    return rows


def _rows_in(tally: Tally, kept: KeptGroups, part: Part, group: RowGroup) -> Numbers:
    """The tally's rows stand in order of (shape, service, level)."""
    services, levels = len(tally.services), len(tally.levels)
    keys = (tally.shape * services + tally.service) * levels + tally.level
    shape_codes, shape_ids = _shape_codes(part, group)
    places = np.argsort(tally.shape_ids)
    shapes = places[np.searchsorted(tally.shape_ids, shape_ids, sorter=places)]
    service = _places(*kept.values(part, group, "service"), tally.services)
    level = _places(*kept.values(part, group, "level"), tally.levels)
    wanted = (shapes[shape_codes] * services + service) * levels + level
    return np.searchsorted(keys, wanted).astype(np.int32)


def _shape_codes(part: Part, group: RowGroup) -> tuple[Numbers, Numbers]:
    column = part.read([group.index], ["shape_id"])["shape_id"]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    shape_ids, codes = np.unique(column.to_numpy(), return_inverse=True)
    return codes, shape_ids


def _places(codes: Numbers, values: Sequence[str | None], known: Sequence[str | None]) -> Numbers:
    where = {value: at for at, value in enumerate(known)}
    return np.array([where.get(value, 0) for value in values], np.int64)[codes]
