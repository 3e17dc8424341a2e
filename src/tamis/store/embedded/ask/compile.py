"""Conditions as SQL over one part's columns. What a user wrote becomes a parameter, never SQL.

SQL's third value is kept out of the way: an expression is true exactly for the records that match; under NOT it is
wrapped so that NULL is false. Leaves that SQL cannot decide exactly (values stored as JSON, say) are decided by
`query.match` for the few rows concerned, whose sequences then stand in the SQL.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from tamis.query.ast import (
    All,
    And,
    Compare,
    Exact,
    Exists,
    Filter,
    Not,
    Or,
    Phrase,
    Prefix,
    Range,
    Regex,
    Shapes,
    Substring,
    TimeRange,
)
from tamis.query.match import match
from tamis.query.re2 import joint_alphabet, phrase_source, substring_source
from tamis.record.model import Record
from tamis.record.tokens import fold, tokens
from tamis.store.embedded.ask.bound import (
    FALSE,
    TRUE,
    ends_of,
    instant_sql,
    number_ends_sql,
    number_equal_sql,
    quoted,
    text_ends_sql,
    text_equal_sql,
    time_ends_sql,
)
from tamis.store.embedded.ask.condition import Clause, Condition
from tamis.store.embedded.ask.decide import core_record
from tamis.store.embedded.ask.fields import TIMES, FieldColumn, columns_of
from tamis.store.embedded.format.part import Part

_INLINE_IDS_MAX = 1_000
_PLACEHOLDER = re.compile(r"\$(p[0-9]+)")


class Parameters:
    """Values that travel beside the SQL; equal values share a name, so that equal conditions have equal SQL."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.tables: dict[str, list[int]] = {}
        self._names: dict[tuple[type, Any], str] = {}

    def add(self, value: Any) -> str:
        """The value's placeholder."""
        key = (type(value), value)
        if key not in self._names:
            self._names[key] = f"p{len(self._names)}"
            self.values[self._names[key]] = value
        return f"${self._names[key]}"

    def used_in(self, sql: str) -> dict[str, Any]:
        """The values whose placeholders stand in a statement."""
        names = set(_PLACEHOLDER.findall(sql))
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.values.items()
            if name in names
        }

    def as_tables(self) -> dict[str, pa.Table]:
        """The tables that `among` made."""
        return {name: pa.table({"id": pa.array(ids, pa.int64())}) for name, ids in self.tables.items()}

    def among(self, column: str, numbers: Iterable[int]) -> str:
        """``column IN (numbers)``, through a table when there are many."""
        ordered = sorted(numbers)
        if not ordered:
            return FALSE
        if len(ordered) <= _INLINE_IDS_MAX:
            return f"{column} IN ({', '.join(map(str, ordered))})"
        name = next(
            (name for name, known in self.tables.items() if known == ordered), f"ids{len(self.tables)}"
        )
        self.tables[name] = ordered
        return f"{column} IN (SELECT id FROM {name})"


class Compiler:
    """Compiles conditions for the parts of one question.

    `shapes_say(leaf)` gives the shapes that a message leaf holds for, and those it may hold for, or None where
    shapes do not help. `verified(leaf, columns)` gives the sequences of rows with a value in `columns` for
    which the leaf holds, by `query.match`. `values` are the known values of tallied fields.
    `remembered(leaf, part)` gives the sequences where `looked_at` is known to hold, or None.
    """

    def __init__(
        self,
        parameters: Parameters,
        parts: Sequence[Part],
        *,
        shapes_say: Callable[[Any], tuple[frozenset[int], frozenset[int], int] | None],
        verified: Callable[[Filter, tuple[str, ...]], set[int]],
        values: Mapping[str, set[str]],
        remembered: Callable[[Filter, Part], Iterable[int] | None],
    ) -> None:
        self._parameters = parameters
        self._facts = [part.facts for part in parts]
        self._shapes_say = shapes_say
        self._verified = verified
        self._values = values
        self._remembered = remembered

    def condition(self, condition: Condition, part: Part) -> str:
        """The SQL of a condition over the part's columns."""
        sql = self._clause(condition.wanted, part)
        taken = [f"NOT {_strict(self._clause(clause, part))}" for clause in condition.without]
        return _joined([sql, *taken], "AND", TRUE)

    def _clause(self, clause: Clause, part: Part) -> str:
        terms = [_time_sql("timestamp", clause.start_ns, clause.end_ns, part)]
        if clause.upto_seq is not None and part.facts.max_seq > clause.upto_seq:
            terms.append(f"seq <= {clause.upto_seq:d}")
        if clause.after_seq is not None and part.facts.min_seq <= clause.after_seq:
            terms.append(f"seq > {clause.after_seq:d}")
        return _joined([*terms, self.filter(clause.filter, part)], "AND", TRUE)

    def filter(self, given: Filter, part: Part) -> str:
        """The SQL of a filter over the part's columns."""
        match given:
            case And(items):
                return _joined([self.filter(item, part) for item in items], "AND", TRUE)
            case Or(items):
                return _joined([self.filter(item, part) for item in items], "OR", FALSE)
            case Not(item):
                return _negated(self.filter(item, part))
            case All():
                return TRUE
            case TimeRange(start, end):
                return _time_sql("timestamp", start, end, part)
            case Shapes(ids):
                return self._parameters.among("shape_id", ids)
            case _:
                return self._leaf(given, part)

    def _leaf(self, leaf: Any, part: Part) -> str:
        if leaf.field == "message":
            return self._message(leaf, part)
        if leaf.field in self._values:
            return self._tallied(leaf, part)
        if leaf.field in TIMES:
            return self._time_field(leaf, part)
        columns = columns_of(leaf.field, part.facts, with_nested=isinstance(leaf, Exists))
        terms = [self._column(leaf, column, part) for column in columns if not column.in_rest]
        if any(column.in_rest for column in columns):
            terms.append(self._by_match(leaf, ("attributes_rest",)))
        return _joined(terms, "OR", FALSE)

    def _message(self, leaf: Any, part: Part) -> str:
        if isinstance(leaf, Exists):
            return TRUE
        say = self._shapes_say(leaf)
        sure = self._parameters.among("shape_id", say[0]) if say is not None else FALSE
        if say is not None and not say[1]:
            return sure
        rows = self._remembered(leaf, part)
        looked_at = self.looked_at(leaf, part) if rows is None else self._parameters.among("seq", rows)
        return _joined([sure, looked_at], "OR", FALSE)

    def looked_at(self, leaf: Any, part: Part) -> str:
        """The SQL of a message leaf where its shapes leave it open."""
        text = self._text(leaf, FieldColumn("message", "text"), part)
        say = self._shapes_say(leaf)
        if say is None or len(say[1]) > say[2] // 2:
            return text
        return _joined([self._parameters.among("shape_id", say[1]), text], "AND", TRUE)

    def _tallied(self, leaf: Any, part: Part) -> str:
        if leaf.field not in part.facts.columns:
            return FALSE
        held = sorted(
            value for value in self._values[leaf.field] if match(leaf, core_record(leaf.field, value))
        )
        if not held:
            return FALSE
        return f"{quoted(leaf.field)} IN ({', '.join(self._parameters.add(value) for value in held)})"

    def _time_field(self, leaf: Any, part: Part) -> str:
        if isinstance(leaf, Exists):
            return TRUE
        if isinstance(leaf, (Compare, Range)):
            return time_ends_sql(leaf.field, ends_of(leaf))
        return self._by_match(leaf, (leaf.field,))

    def _column(self, leaf: Any, column: FieldColumn, part: Part) -> str:
        if isinstance(leaf, Exists):
            return f"{quoted(column.name)} IS NOT NULL"
        match column.kind:
            case "text" | "s":
                return self._text(leaf, column, part)
            case "i" | "f":
                return self._number(leaf, column)
            case "b":
                held = [
                    str(value).upper()
                    for value in (True, False)
                    if match(leaf, _attribute(leaf.field, value))
                ]
                return f"{quoted(column.name)} IN ({', '.join(held)})" if held else FALSE
            case _:
                return self._by_match(leaf, (column.name,))

    def _text(self, leaf: Any, column: FieldColumn, part: Part) -> str:
        name = quoted(column.name)
        match leaf:
            case Compare() | Range():
                return text_ends_sql(
                    column.name, ends_of(leaf), self._parameters.add, core=column.kind == "text"
                )
            case Exact():
                return f"{name} = {self._parameters.add(leaf.text)}"
            case Regex():
                return f"regexp_matches({name}, {self._parameters.add(leaf.pattern)})"
            case Phrase() if column.kind == "s":
                return _joined(
                    [self._words(leaf, column, part), text_equal_sql(column.name, leaf.text)], "OR", FALSE
                )
            case _:
                return self._words(leaf, column, part)

    def _words(self, leaf: Phrase | Prefix | Substring, column: FieldColumn, part: Part) -> str:
        words = tokens(leaf.text)
        if isinstance(leaf, Substring) or not words:
            source = substring_source(fold(leaf.text), self._alphabet(column.name))
            return self._found(column.name, source)
        if isinstance(leaf, Phrase) and column.name in part.facts.single_token:
            return f"{quoted(column.name)} = {self._parameters.add(words[0])}" if len(words) == 1 else FALSE
        source = phrase_source(words, self._alphabet(column.name), prefix=isinstance(leaf, Prefix))
        return _joined([self._literal(column.name, words), self._found(column.name, source)], "AND", TRUE)

    def _found(self, column: str, source: str) -> str:
        return f"regexp_matches({quoted(column)}, {self._parameters.add(source)})"

    def _literal(self, column: str, words: list[str]) -> str:
        """A cheap test that every match passes: the longest word stands somewhere. Halves the time."""
        longest = max((word for word in words if word.isascii()), key=len, default="")
        if not longest:
            return TRUE
        if longest.isdigit():
            return f"contains({quoted(column)}, {self._parameters.add(longest)})"
        return self._found(column, f"(?i){longest}")

    def _number(self, leaf: Any, column: FieldColumn) -> str:
        match leaf:
            case Compare() | Range():
                return number_ends_sql(column.name, column.kind, ends_of(leaf))
            case Phrase() | Exact():
                return number_equal_sql(column.name, column.kind, leaf)
            case _:
                return self._by_match(leaf, (column.name,))

    def _alphabet(self, column: str) -> str | None:
        """The characters beyond ASCII that the column has in any of the parts."""
        return joint_alphabet(facts.alphabets.get(column) for facts in self._facts if column in facts.columns)

    def _by_match(self, leaf: Filter, columns: tuple[str, ...]) -> str:
        return self._parameters.among("seq", self._verified(leaf, columns))


def _attribute(field: str, value: Any) -> Record:
    """A record with one attribute."""
    return Record(timestamp=0, attributes={field.removeprefix("attributes."): value})


def _time_sql(column: str, start_ns: int | None, end_ns: int | None, part: Part) -> str:
    terms = []
    if start_ns is not None and part.facts.min_ts < start_ns:
        terms.append(instant_sql(column, ">=", start_ns))
    if end_ns is not None and part.facts.max_ts >= end_ns:
        terms.append(instant_sql(column, "<", end_ns))
    return _joined(terms, "AND", TRUE)


def _strict(sql: str) -> str:
    return sql if sql in (TRUE, FALSE) else f"COALESCE({sql}, FALSE)"


def _negated(sql: str) -> str:
    if sql in (TRUE, FALSE):
        return FALSE if sql == TRUE else TRUE
    return f"(NOT {_strict(sql)})"


def _joined(terms: list[str], operator: str, neutral: str) -> str:
    """Terms with AND or OR between them; constants folded away."""
    absorbing = FALSE if neutral == TRUE else TRUE
    if absorbing in terms:
        return absorbing
    kept = list(dict.fromkeys(term for term in terms if term != neutral))
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else "(" + f" {operator} ".join(kept) + ")"


def joined(terms: list[str], operator: str) -> str:
    """Terms with AND or OR between them."""
    return _joined(terms, operator, TRUE if operator == "AND" else FALSE)
