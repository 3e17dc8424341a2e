"""Conditions put together: AND (also implied), OR, NOT, parentheses, ``field:(a OR b)``."""

from tamis.errors import QueryError
from tamis.query.ast import All, And, Filter, Not, Or, Regex
from tamis.query.conditions import (
    PATTERN,
    TIME,
    bare_condition,
    field_condition,
    pattern_condition,
    time_condition,
)
from tamis.query.lexer import Scanner
from tamis.query.limits import QueryLimits


class FilterParser:
    """Reads one filter. Precedence: NOT, then AND, then OR."""

    def __init__(self, scanner: Scanner, limits: QueryLimits) -> None:
        self._scanner = scanner
        self._limits = limits
        self._depth = 0
        self._nodes = 0
        self._regexes = 0

    def parse(self) -> Filter:
        """The filter up to the end or the first ``|``; nothing at all means everything."""
        scanner = self._scanner
        scanner.skip_space()
        if not scanner.char or scanner.char == "|":
            return All()
        found = self._either(None)
        if scanner.char == ")":
            raise scanner.error("this ) closes nothing", 'Take it out, or put the text in quotes: ")".')
        return found

    def _either(self, field: str | None) -> Filter:
        """``a OR b``; `field` is the one whose group we are in."""
        items = [self._both(field)]
        while self._scanner.keyword() == "OR":
            self._scanner.at += len("OR")
            items.append(self._both(field))
        return _joined(Or, items)

    def _both(self, field: str | None) -> Filter:
        """``a AND b c``."""
        scanner = self._scanner
        items = [self._negated(field)]
        while True:
            scanner.skip_space()
            keyword = scanner.keyword()
            if keyword == "AND":
                scanner.at += len("AND")
            elif keyword == "OR" or not scanner.char or scanner.char in ")|":
                return _joined(And, items)
            items.append(self._negated(field))

    def _negated(self, field: str | None) -> Filter:
        scanner = self._scanner
        scanner.skip_space()
        column = scanner.column
        keyword = scanner.keyword()
        if keyword in ("AND", "OR"):
            hint = f'To search for the word itself, write "{keyword}".'
            raise scanner.error(f"{keyword} stands between two conditions; the first is missing", hint)
        if keyword == "NOT":
            scanner.at += len("NOT")
        elif not self._take_minus(field):
            return self._condition(field)
        self._enter(column)
        item = self._negated(field)
        self._depth -= 1
        return Not(item)

    def _take_minus(self, field: str | None) -> bool:
        """A minus that means NOT: outside of a field's group, before a letter, a quote or a parenthesis."""
        scanner = self._scanner
        after = scanner.text[scanner.at + 1 : scanner.at + 2]
        return field is None and (after.isalpha() or after in ('"', "(", "_", "@", "$")) and scanner.take("-")

    def _condition(self, field: str | None) -> Filter:
        scanner = self._scanner
        column = scanner.column
        self._count()
        if not scanner.char or scanner.char in ")|":
            raise scanner.error("a condition is missing here", 'Write a word, a "phrase" or field:value.')
        if scanner.char == "(":
            return self._group(field)
        if field is not None:
            return self._leaf(field_condition(field, scanner), column)
        head = scanner.head()
        if head is None:
            return self._leaf(bare_condition(scanner), column)
        self._limits.check_name(head.name, head.column)
        if head.name == TIME and not head.quoted:
            return time_condition(scanner)
        if scanner.char == "(":
            return self._group(head.name, special=head.name == PATTERN and not head.quoted)
        if head.name == PATTERN and not head.quoted:
            return pattern_condition(scanner)
        return self._leaf(field_condition(head.name, scanner), column)

    def _leaf(self, found: Filter, column: int) -> Filter:
        if isinstance(found, Regex):
            self._regexes += 1
            if self._regexes > self._limits.regexes_max:
                reason = f"more than regexes_max = {self._limits.regexes_max} regular expressions"
                raise QueryError(reason, column, "One can stand for several: /one|other/.")
        return found

    def _group(self, field: str | None, *, special: bool = False) -> Filter:
        scanner = self._scanner
        column = scanner.column
        if special:
            raise scanner.error("pattern: takes one id", "Write (pattern:p_1 OR pattern:p_2).")
        self._enter(column)
        scanner.at += 1
        found = self._either(field)
        if not scanner.take(")"):
            raise scanner.error("this ( is not closed", "Put a ) where the group ends.", column)
        self._depth -= 1
        return found

    def _enter(self, column: int) -> None:
        self._depth += 1
        self._count()
        if self._depth > self._limits.depth_max:
            raise QueryError(f"nested deeper than depth_max = {self._limits.depth_max}", column)

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > self._limits.nodes_max:
            limit = self._limits.nodes_max
            raise self._scanner.error(
                f"more than nodes_max = {limit:,} conditions", "Ask in several queries."
            )


def _joined(kind: type[And] | type[Or], items: list[Filter]) -> Filter:
    """Several filters as one; those of the same kind are taken apart first."""
    flat: list[Filter] = []
    for item in items:
        flat.extend(item.items if isinstance(item, kind) else (item,))
    return flat[0] if len(flat) == 1 else kind(tuple(flat))
