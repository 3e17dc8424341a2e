"""Conditions answered from tallies: for each row of a tally, all, none, or some of its records.

Three-valued logic (Kleene): NO, MAYBE, YES as numbers, so that AND is the minimum, OR the maximum and NOT 2 - x.
"""

from typing import Any

import numpy as np

from tamis.query.ast import All, And, Exists, Filter, Not, Or, Shapes, TimeRange
from tamis.query.match import match
from tamis.record.model import Record
from tamis.store.embedded.ask.condition import Clause, Condition
from tamis.store.embedded.ask.fields import columns_of
from tamis.store.embedded.ask.shapes import MAYBE, NO, YES, ShapeIndex, States, is_message_leaf
from tamis.store.embedded.format.part import Part, PartFacts
from tamis.store.embedded.format.tally import HOUR_NS, Tally

TALLIED = ("service", "level")


class Decider:
    """Decides conditions over tallies; counts how often a part had too many shapes for it."""

    def __init__(self, shapes_max: int) -> None:
        self.shapes = ShapeIndex()
        self.shapes_max = shapes_max
        self.fallbacks = 0

    def decide(self, condition: Condition, part: Part, tally: Tally) -> States:
        """For each row of a tally of the part: NO, MAYBE or YES."""
        states = self._clause(condition.wanted, part, tally)
        for clause in condition.without:
            states = np.minimum(states, 2 - self._clause(clause, part, tally))
        return states

    def _clause(self, clause: Clause, part: Part, tally: Tally) -> States:
        states = _between(tally, clause.start_ns, clause.end_ns)
        if clause.upto_seq is not None:
            states = np.minimum(states, _upto(part.facts, clause.upto_seq))
        if clause.after_seq is not None:
            states = np.minimum(states, 2 - _upto(part.facts, clause.after_seq))
        if not states.any():
            return states
        return np.minimum(states, self.of_filter(clause.filter, part, tally))

    def of_filter(self, given: Filter, part: Part, tally: Tally) -> States:
        """The same for a filter, whatever the times and sequences."""
        match given:
            case And(items):
                return _least([self.of_filter(item, part, tally) for item in items])
            case Or(items):
                return 2 - _least([2 - self.of_filter(item, part, tally) for item in items])
            case Not(item):
                return 2 - self.of_filter(item, part, tally)
            case All():
                return _all(tally, YES)
            case TimeRange(start, end):
                return _between(tally, start, end)
            case Shapes(ids):
                wanted = np.isin(tally.shape_ids, np.fromiter(ids, np.int64, len(ids)))
                return np.where(wanted, YES, NO).astype(np.int8)[tally.shape]
            case _:
                return self._leaf(given, part, tally)

    def _leaf(self, leaf: Any, part: Part, tally: Tally) -> States:
        if leaf.field == "message":
            return self._message(leaf, tally)
        if leaf.field in TALLIED:
            codes, values = (
                (tally.service, tally.services) if leaf.field == "service" else (tally.level, tally.levels)
            )
            return np.array([_holds(leaf, value) for value in values], np.int8)[codes]
        return _all(tally, _by_presence(leaf, part.facts))

    def _message(self, leaf: Any, tally: Tally) -> States:
        if isinstance(leaf, Exists):
            return _all(tally, YES)
        if not is_message_leaf(leaf):
            return _all(tally, MAYBE)
        if len(tally.shape_ids) > self.shapes_max:
            self.fallbacks += 1
            return _all(tally, MAYBE)
        return self.shapes.states(leaf, tally)[tally.shape]


def _holds(leaf: Any, value: str | None) -> int:
    if value is None:
        return NO
    return YES if match(leaf, core_record(leaf.field, value)) else NO


def core_record(field: str, value: str) -> Record:
    """A record in which only one core text has a value."""
    texts: dict[str, Any] = {field: value}
    return Record(timestamp=0, **texts)


def _by_presence(leaf: Any, facts: PartFacts) -> int:
    """A field that no record of the part has matches nothing; one that every record has exists."""
    if leaf.field in ("timestamp", "received", "id"):
        return MAYBE
    if leaf.field in facts.values and not any(_holds(leaf, value) for value in facts.values[leaf.field]):
        return NO
    columns = columns_of(leaf.field, facts, with_nested=isinstance(leaf, Exists))
    if not columns:
        return NO
    everywhere = any(
        facts.columns.get(column.name) == facts.records for column in columns if not column.in_rest
    )
    return YES if isinstance(leaf, Exists) and everywhere else MAYBE


def _all(tally: Tally, state: int) -> States:
    return np.full(len(tally), state, np.int8)


def _least(states: list[States]) -> States:
    least: States = np.minimum.reduce(states)
    return least


def _between(tally: Tally, start_ns: int | None, end_ns: int | None) -> States:
    states = _all(tally, YES)
    if start_ns is not None:
        states[tally.min_ts < start_ns] = MAYBE
        states[tally.max_ts < start_ns] = NO
    if end_ns is not None:
        states[(tally.max_ts >= end_ns) & (states == YES)] = MAYBE
        states[tally.min_ts >= end_ns] = NO
    return states


def _upto(facts: PartFacts, upto_seq: int) -> int:
    if facts.max_seq <= upto_seq:
        return YES
    return NO if facts.min_seq > upto_seq else MAYBE


def undecided_hours(tally: Tally, states: States) -> set[int]:
    """The hours (since 1970) of rows whose records have to be looked at."""
    return set(np.unique(tally.hour[states == MAYBE]).tolist())


def hour_start_ns(hour: int) -> int:
    """The instant at which an hour begins."""
    return hour * HOUR_NS
