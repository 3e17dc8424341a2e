"""Filters decided for single rows of a row group, from columns of numbers and names that are kept: what tallies leave
open, mostly bounds of numbers, without SQL."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tamis.query.ast import And, Compare, Exact, Filter, Not, Or, Phrase, Prefix, Range
from tamis.query.match import match
from tamis.query.values import number_of
from tamis.record.tokens import tokens
from tamis.store.embedded.ask.bound import double_bound, ends_of, equal_number, int_bound
from tamis.store.embedded.ask.decide import TALLIED, Decider, core_record
from tamis.store.embedded.ask.fields import TIMES, FieldColumn, columns_of
from tamis.store.embedded.ask.kept import KeptGroups, Numbers
from tamis.store.embedded.ask.shapes import MAYBE, NO, YES, States
from tamis.store.embedded.format.columns import NAMES
from tamis.store.embedded.format.part import Part, RowGroup
from tamis.store.embedded.format.tally import Tally

VALUES_MAX = 1_000
"""A field with more values in a row group is left to SQL."""
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class SomeRows:
    """Some rows of a row group: their places in it, and in the part's tally without hours."""

    part: Part
    group: RowGroup
    rows: Numbers
    in_tally: Numbers
    tally: Tally
    kept: KeptGroups
    decider: Decider
    said: dict[Filter, States]
    """What the tally says of conditions: the same for all row groups of the part."""

    def states(self, given: Filter) -> States:
        """For each row NO, YES, or MAYBE: only its other values can tell."""
        match given:
            case And(items):
                least: States = np.minimum.reduce([self.states(item) for item in items])
                return least
            case Or(items):
                most: States = np.maximum.reduce([self.states(item) for item in items])
                return most
            case Not(item):
                return 2 - self.states(item)
            case Compare() | Range() | Phrase() | Exact() if _is_of_values(given.field):
                return self._values(given)
            case _:
                if given not in self.said:
                    self.said[given] = self.decider.of_filter(given, self.part, self.tally)
                said = self.said[given][self.in_tally]
                return self._without_word(given, said) if _word_in(given) else said

    def _without_word(self, leaf: Filter, said: States) -> States:
        """What is open still where a word that each match has stands in the message; NO elsewhere."""
        open_ = np.flatnonzero(said == MAYBE)
        if len(open_):
            messages = self.kept.table(self.part, self.group, ["message"])["message"]
            word = _word_in(leaf)
            found = pc.match_substring(
                messages.take(pa.array(self.rows[open_])), word, ignore_case=not word.isdigit()
            )
            said[open_[~found.to_numpy(zero_copy_only=False).astype(bool)]] = NO
        return said

    def _values(self, leaf: Compare | Range | Phrase | Exact) -> States:
        if leaf.field in NAMES:
            return self._names(leaf)
        states = np.full(len(self.rows), NO, np.int8)
        for column in columns_of(leaf.field, self.part.facts):
            if column.kind in "if" and not column.in_rest:
                values, present = self._column(column)
                states[np.broadcast_to(_hold(leaf, column.kind, values), values.shape) & present] = YES
            else:
                np.maximum(states, MAYBE, out=states)
        return states

    def _names(self, leaf: Compare | Range | Phrase | Exact) -> States:
        codes, values = self.kept.values(self.part, self.group, leaf.field)
        if len(values) > VALUES_MAX:
            return np.full(len(self.rows), MAYBE, np.int8)
        held = [value is not None and match(leaf, core_record(leaf.field, value)) for value in values]
        return np.where(held, YES, NO).astype(np.int8)[codes[self.rows]]

    def _column(self, column: FieldColumn) -> tuple[Numbers, Numbers]:
        """The rows' values, and where there are any."""
        values, present = self.kept.get(
            self.part,
            self.group,
            f"numbers {column.name}",
            lambda: _numbers(self.part, self.group, column.name),
        )
        return values[self.rows], present[self.rows] if len(present) else np.ones(len(self.rows), bool)


def _word_in(given: Filter) -> str:
    """A word that stands in every message that a leaf matches; empty: none is known."""
    if not isinstance(given, Phrase | Prefix) or given.field != "message":
        return ""
    return max((word for word in tokens(given.text) if word.isascii()), key=len, default="")


def _is_of_values(field: str) -> bool:
    return field != "message" and field not in TALLIED and field not in TIMES and field != "id"


def _hold(leaf: Compare | Range | Phrase | Exact, kind: str, values: Numbers) -> Any:
    """Which numbers of a column the leaf holds for."""
    if isinstance(leaf, Phrase | Exact):
        number = equal_number(kind, leaf.text)
        return False if number is None else values == number
    held: Any = True
    for sign, text in ends_of(leaf):
        bound = number_of(text)
        if bound is None:
            return False
        if kind == "i":
            whole = int_bound(sign, bound)
            held = held & (whole if isinstance(whole, bool) else _OPERATORS[sign](values, whole))
        else:
            exact, nearest = double_bound(sign, bound)
            held = held & _OPERATORS[exact](values, nearest)
    return held


def _numbers(part: Part, group: RowGroup, name: str) -> tuple[Numbers, Numbers]:
    """A column's numbers, and where they are; empty: everywhere."""
    array = part.read([group.index], [name])[name].combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    if not array.null_count:
        return np.array(array.to_numpy(zero_copy_only=False)), np.zeros(0, bool)
    present = array.is_valid().to_numpy(zero_copy_only=False)
    return np.array(array.fill_null(0).to_numpy(zero_copy_only=False)), present
