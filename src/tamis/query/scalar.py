"""What each kind of condition says of one value: a text, a number, true or false."""

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, assert_never

from tamis.query.ast import Compare, Exact, Phrase, Prefix, Range, Regex, Substring
from tamis.query.fields import CORE_NAMES, CORE_TIMES
from tamis.query.regex import search_test
from tamis.query.times import parse_instant
from tamis.query.values import Number, as_float, canonical_text, level_bound, number_of
from tamis.record.severity import canonical_level, severity
from tamis.record.tokens import fold, tokens

Scalar: TypeAlias = str | int | float | bool
Test: TypeAlias = Callable[[Scalar], bool]
TextTest: TypeAlias = Callable[[str], bool]
ValueLeaf: TypeAlias = Phrase | Prefix | Substring | Exact | Regex | Compare | Range

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def scalar_test(leaf: ValueLeaf) -> Test:
    """Whether a value of the leaf's field meets it. Raises QueryError for bounds of time that are none."""
    match leaf:
        case Phrase(field, text):
            return _phrase(field, text)
        case Prefix(_, text):
            test = _words_test(text, prefix=True)
            return lambda value: test(canonical_text(value))
        case Substring(_, text):
            folded = fold(text)
            return lambda value: folded in fold(canonical_text(value))
        case Exact(_, text):
            return _exact(text)
        case Regex(_, pattern):
            found = search_test(pattern)
            return lambda value: found(canonical_text(value))
        case Compare(field, sign, bound):
            return _ends(field, ((sign, bound),))
        case Range():
            return _ends(leaf.field, range_ends(leaf))
        case _:
            assert_never(leaf)


def range_ends(leaf: Range) -> tuple[tuple[str, str], ...]:
    """The closed ends of a range as comparisons: (operator, bound)."""
    low = () if leaf.low is None else ((">=" if leaf.low_included else ">", leaf.low),)
    high = () if leaf.high is None else (("<=" if leaf.high_included else "<", leaf.high),)
    return (*low, *high)


def _phrase(field: str, text: str) -> Test:
    if field == "level":
        level = canonical_level(text)
        return lambda value: canonical_level(str(value)) == level
    in_text = _words_test(text, prefix=False)
    number = number_of(text)
    flag = {"true": True, "false": False}.get(fold(text))
    by_number = number is not None and field not in CORE_NAMES

    def test(value: Scalar) -> bool:
        if isinstance(value, str):
            return in_text(value) or (by_number and _same_number(value, number))
        if isinstance(value, bool):
            return value is flag
        return value == number

    return test


def _same_number(text: str, number: Number | None) -> bool:
    other = number_of(text)
    return other is not None and number is not None and as_float(other) == as_float(number)


def _exact(text: str) -> Test:
    number = number_of(text)

    def test(value: Scalar) -> bool:
        if canonical_text(value) == text:
            return True
        return not isinstance(value, (str, bool)) and value == number

    return test


def _words_test(text: str, *, prefix: bool) -> TextTest:
    """Whether the tokens of `text` stand next to each other in another text; without tokens: as it is."""
    words = tokens(text)
    if not words:
        folded = fold(text)
        return lambda value: folded in fold(value)
    longest = max(words, key=len)

    def test(value: str) -> bool:
        if longest not in fold(value):  # cheap, and true of most values
            return False
        return _stand_in(words, tokens(value), prefix=prefix)

    return test


def _stand_in(words: Sequence[str], row: Sequence[str], *, prefix: bool) -> bool:
    *before, last = words
    size = len(before)
    for start in range(len(row) - size):
        end = row[start + size]
        if (end.startswith(last) if prefix else end == last) and row[start : start + size] == before:
            return True
    return False


def _ends(field: str, ends: Sequence[tuple[str, str]]) -> Test:
    """All of some comparisons with the same value."""
    tests = [_compare(field, sign, bound) for sign, bound in ends]
    return lambda value: all(test(value) for test in tests)


def _compare(field: str, sign: str, bound: str) -> Test:
    holds = _OPERATORS[sign]
    if field == "level":
        return _compare_level(holds, bound)
    if field in CORE_TIMES:
        instant = parse_instant(bound, None)
        return lambda value: holds(value, instant)
    number = number_of(bound)
    if number is None:
        return lambda value: isinstance(value, str) and holds(value, bound)
    return _compare_number(holds, number, other_text=bound if field in CORE_NAMES else None)


def _compare_level(holds: Callable[[Any, Any], bool], bound: str) -> Test:
    wanted = level_bound(bound)

    def test(value: Scalar) -> bool:
        found = severity(str(value))
        return found > 0 and wanted is not None and holds(found, wanted)

    return test


def _compare_number(holds: Callable[[Any, Any], bool], number: Number, *, other_text: str | None) -> Test:
    """`other_text`: what texts that are no numbers are compared with; None: they do not match."""
    number_as_float = as_float(number)

    def test(value: Scalar) -> bool:
        if isinstance(value, bool):
            return False
        if not isinstance(value, str):
            return holds(value, number)
        found = number_of(value)
        if found is not None:
            return holds(as_float(found), number_as_float)
        return other_text is not None and holds(value, other_text)

    return test
