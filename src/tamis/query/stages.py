"""What stands behind the pipes: ``| stats … | sort … | limit … | fields … | patterns``."""

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import TypeVar

from tamis.errors import QueryError
from tamis.query.ast import (
    AGGREGATES,
    Aggregate,
    Bin,
    By,
    Fields,
    Limit,
    Patterns,
    Sort,
    SortKey,
    Stage,
    Stats,
)
from tamis.query.lexer import NAME, Scanner
from tamis.query.limits import QueryLimits
from tamis.query.times import parse_duration

T = TypeVar("T")

STAGES = ("stats", "sort", "limit", "fields", "patterns")
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,6})?)", re.ASCII)
BIN = "bin"
_FUNCTION = re.compile(r"[\w.]+")
_WORD = re.compile(r"[^\s(),|\"]+")
_ALIASES = {
    "mean": "avg", "average": "avg", "median": "p50", "dc": "count_distinct", "distinct": "count_distinct",
    "uniq": "count_distinct", "count_uniq": "count_distinct", "total": "sum", "earliest": "first",
    "latest": "last",
}  # fmt: skip
_OPTIONAL_FIELD = ("count", "rate")
_BIN = re.compile(r"bin\s*\(([^()]*)\)?")


class StageParser:
    """Reads the stages after a filter, and checks that they go together."""

    def __init__(self, scanner: Scanner, limits: QueryLimits) -> None:
        self._scanner = scanner
        self._limits = limits
        self._done: list[Stage] = []
        self._columns: tuple[str, ...] | None = None

    def parse(self) -> tuple[Stage, ...]:
        """The stages up to the end."""
        scanner = self._scanner
        while scanner.take("|"):
            scanner.skip_space()
            self._done.append(self._stage())
            scanner.skip_space()
        if scanner.char:
            raise scanner.error(
                f"{scanner.char!r} is not expected here", "Separate names with commas, stages with |."
            )
        return tuple(self._done)

    def _stage(self) -> Stage:
        scanner = self._scanner
        column = scanner.column
        found = _WORD.match(scanner.text, scanner.at)
        if found is None:
            hint = (
                "Write OR for a choice of conditions." if scanner.char == "|" else _one_of("stages", STAGES)
            )
            raise scanner.error("a stage is missing after |", hint)
        word = found[0]
        scanner.at = found.end()
        _check_place(word, [type(stage).__name__.lower() for stage in self._done], column)
        match word:
            case "stats":
                return self._stats()
            case "sort":
                return self._sort()
            case "limit":
                return self._limit()
            case "fields":
                return self._fields()
            case "patterns":
                return Patterns()
        raise QueryError(f"there is no stage {word!r}", column, _nearest(word.lower(), STAGES, "stages"))

    def _stats(self) -> Stats:
        aggregates = tuple(self._list(self._aggregate, "aggregates"))
        by: tuple[By | Bin, ...] = ()
        if self._take_word("by"):
            by = tuple(self._list(self._group))
        columns = tuple(group_name(group) for group in by) + tuple(one.name for one in aggregates)
        twice = next((name for name in columns if columns.count(name) > 1), None)
        if twice is not None:
            hint = "Give one of them another name with as."
            raise self._scanner.error(f"two columns have the name {twice!r}", hint)
        self._columns = columns
        return Stats(aggregates, by)

    def _aggregate(self) -> Aggregate:
        scanner = self._scanner
        column = scanner.column
        found = _FUNCTION.match(scanner.text, scanner.at)
        if found is None:
            raise scanner.error("an aggregate is missing here", _one_of("aggregates", (*AGGREGATES, "p95")))
        function = found[0]
        if function not in AGGREGATES and not PERCENTILE.fullmatch(function):
            raise QueryError(f"there is no aggregate {function!r}", column, _nearest_aggregate(function))
        scanner.at = found.end()
        scanner.skip_space()
        if not scanner.take("("):
            raise QueryError(f"{function} has no parentheses", column, f"Write {function}().")
        field = self._argument(function, column)
        name = self._name("a column") if self._take_word("as") else default_name(function, field)
        return Aggregate(function, field, name)

    def _argument(self, function: str, column: int) -> str | None:
        scanner = self._scanner
        scanner.skip_space()
        field = None if scanner.char == ")" else self._name("a field")
        scanner.skip_space()
        if not scanner.take(")"):
            raise scanner.error(f"{function}( is not closed", "Put a ) after the field's name.", column)
        if field is None and function not in _OPTIONAL_FIELD:
            raise QueryError(f"{function}() lacks a field", column, f"Write {function}(duration_ms), say.")
        if field is not None and function == "rate":
            raise QueryError("rate() takes no field", column, "It counts records per second.")
        return field

    def _group(self) -> By | Bin:
        scanner = self._scanner
        found = _BIN.match(scanner.text, scanner.at)
        if found is None:
            return By(self._name("a field"))
        column = found.start(1) + 1
        if not found[0].endswith(")"):
            raise scanner.error("bin( is not closed", "Write bin(5m).")
        text = found[1].strip()
        try:
            interval = parse_duration(text)
        except QueryError as error:
            raise QueryError(error.reason, column, error.suggestion) from None
        if interval <= 0:
            raise QueryError("an interval is longer than nothing", column, "Write bin(5m).")
        scanner.at = found.end()
        return Bin(interval, text)

    def _sort(self) -> Sort:
        return Sort(tuple(self._list(self._sort_key)))

    def _sort_key(self) -> SortKey:
        name = self._column()
        descending = self._take_word("desc")
        if not descending:
            self._take_word("asc")
        return SortKey(name, descending)

    def _limit(self) -> Limit:
        scanner = self._scanner
        scanner.skip_space()
        column = scanner.column
        text = scanner.run()
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
            raise QueryError(
                f"limit takes a number, not {text!r}" if text else "limit lacks its number", column
            )
        if int(text) > self._limits.limit_max:
            raise QueryError(
                f"over limit_max = {self._limits.limit_max:,}", column, "Take export for everything."
            )
        return Limit(int(text))

    def _fields(self) -> Fields:
        return Fields(tuple(dict.fromkeys(self._list(self._column))))

    def _column(self) -> str:
        """A field's name, or after `stats` the name of one of its columns."""
        column = self._scanner.column
        name = self._name("a column")
        if self._columns is not None and name not in self._columns:
            raise QueryError(
                f"stats has no column {name!r}", column, _nearest(name, self._columns, "columns")
            )
        return name

    def _list(self, read: Callable[[], T], what: str = "columns") -> list[T]:
        """One or more things with commas between them, as many as their limit allows."""
        items: list[T] = []
        most = self._limits.aggregates_max if what == "aggregates" else self._limits.columns_max
        while not items or self._take_comma():
            self._scanner.skip_space()
            if len(items) == most:
                raise self._scanner.error(
                    f"more than {what}_max = {most} {what} in a stage", "Ask in several queries."
                )
            items.append(read())
        return items

    def _take_comma(self) -> bool:
        self._scanner.skip_space()
        return self._scanner.take(",")

    def _name(self, what: str) -> str:
        scanner = self._scanner
        scanner.skip_space()
        column = scanner.column
        if scanner.char == '"':
            name = scanner.quoted()
            if not name:
                raise scanner.error(f"{what} has an empty name", column=column)
            self._limits.check_name(name, column)
            return name
        found = NAME.match(scanner.text, scanner.at)
        if found is None:
            raise scanner.error(
                f"the name of {what} is missing here", 'Unusual names stand in quotes: "my field".'
            )
        scanner.at = found.end()
        self._limits.check_name(found[0], column)
        return found[0]

    def _take_word(self, word: str) -> bool:
        scanner = self._scanner
        scanner.skip_space()
        found = re.compile(rf"{word}(?![\w.@/$-])").match(scanner.text, scanner.at)
        if found is None:
            return False
        scanner.at = found.end()
        scanner.skip_space()
        return True


def _check_place(word: str, before: Sequence[str], column: int) -> None:
    """A stage after those before it."""
    if word in before:
        raise QueryError(f"{word} stands there twice", column)
    if word in ("stats", "patterns") and before:
        raise QueryError(f"{word} stands first, before {before[0]}", column, "Put it right after the filter.")
    if word == "sort" and before and before[-1] in ("limit", "fields"):
        raise QueryError(f"sort stands before {before[-1]}", column)
    if "patterns" in before and word in STAGES and word != "limit":
        hint = "They come most frequent first."
        raise QueryError("after patterns there can only be limit", column, hint)


def default_name(function: str, field: str | None) -> str:
    """The column of an aggregate without ``as``: ``count``, ``p95_duration_ms``."""
    return function if field is None else f"{function}_{field}"


def group_name(group: By | Bin) -> str:
    """The column of a group."""
    return BIN if isinstance(group, Bin) else group.field


def _nearest_aggregate(function: str) -> str:
    alias = _ALIASES.get(function.lower())
    if alias is not None:
        return f"Did you mean {alias}?"
    if re.fullmatch(r"p\d+", function):
        return "Percentiles go from p0 to p99.999999."
    return _nearest(function.lower(), AGGREGATES, "aggregates")


def _nearest(word: str, known: Iterable[str], what: str) -> str:
    near = get_close_matches(word, list(known), 1)
    return f"Did you mean {near[0]}?" if near else _one_of(what, known)


def _one_of(what: str, known: Iterable[str]) -> str:
    return f"The {what} are {', '.join(known)}."
