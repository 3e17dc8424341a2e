"""`ast.Query` to its canonical text: ``parse(print_query(query)) == query``."""

import re
from typing import assert_never

from tamis.query.ast import (
    Aggregate,
    All,
    And,
    Bin,
    By,
    Compare,
    Exact,
    Exists,
    Fields,
    Filter,
    Limit,
    Not,
    Or,
    Pattern,
    Patterns,
    Phrase,
    Prefix,
    Query,
    Range,
    Regex,
    Shapes,
    Sort,
    SortKey,
    Stage,
    Stats,
    Substring,
    Time,
    TimeRange,
)
from tamis.query.conditions import PATTERN, TIME
from tamis.query.lexer import NAME
from tamis.query.stages import default_name
from tamis.query.times import print_instant
from tamis.record.shape import pattern_id

_WORD = re.compile(r"\w[\w.@$/-]*")
_VALUE = re.compile(r"-?\w[\w.:@$/+-]*")
_KEYWORDS = ("AND", "OR", "NOT", "TO", "to", "To", "tO")
_RESERVED = ("by", "as", "asc", "desc", "bin")
_REGEX_PART = re.compile(r"\\.|/", re.DOTALL)
_CONTROL = re.compile('[\x00-\x1f"\\\\\x7f-\x9f\u2028\u2029]')
_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def print_query(query: Query) -> str:
    """The query's text."""
    return " | ".join([print_filter(query.filter), *map(_stage, query.stages)])


def print_filter(given: Filter) -> str:
    """The filter's text. What `resolve` made is printed as what it resolves to again."""
    match given:
        case And(items):
            return " ".join(_inside(item, Or) for item in items)
        case Or(items):
            return " OR ".join(map(print_filter, items))
        case Not(item):
            return f"NOT {_inside(item, (And, Or))}"
        case Phrase() | Prefix() | Substring() | Exact() | Regex():
            return _text_leaf(given)
        case _:
            return _other_leaf(given)


def _other_leaf(
    leaf: All | Time | TimeRange | Pattern | Shapes | Exists | Compare | Range,
) -> str:
    match leaf:
        case All():
            return "*"
        case Time() | TimeRange():
            return _time(leaf)
        case Pattern(id):
            return f"{PATTERN}:{id}"
        case Shapes(ids):
            return _shapes(ids)
        case Exists(field):
            return f"{_name(field)}:*"
        case Compare(field, operator, value):
            return f"{_name(field)}{operator}{_text(value)}"
        case Range():
            return f"{_name(leaf.field)}:{_range(leaf)}"
        case _:
            assert_never(leaf)


def _inside(item: Filter, kinds: type | tuple[type, ...]) -> str:
    """An operand; in parentheses when it is of these kinds."""
    text = print_filter(item)
    return f"({text})" if isinstance(item, kinds) else text


def _text_leaf(leaf: Phrase | Prefix | Substring | Exact | Regex) -> str:
    match leaf:
        case Phrase("message", text):
            return _word(text)
        case Prefix("message", text):
            return f"{_word(text)}*"
        case Phrase(field, text):
            return f"{_name(field)}:{_text(text)}"
        case Prefix(field, text):
            return f"{_name(field)}:{_text(text)}*"
        case Substring(field, text):
            return f"{_name(field)}:~{_text(text)}"
        case Exact(field, text):
            return f"{_name(field)}:={_text(text)}"
        case Regex(field, pattern):
            return f"{_name(field)}:/{_REGEX_PART.sub(_slash, pattern)}/"
        case _:
            assert_never(leaf)


def _slash(found: re.Match[str]) -> str:
    return "\\/" if found[0] == "/" else found[0]


def _time(given: Time | TimeRange) -> str:
    if isinstance(given, Time):
        low, high = given.low, given.high
    else:
        low = None if given.start_ns is None else print_instant(given.start_ns)
        high = None if given.end_ns is None else print_instant(given.end_ns)
    if high is None and low is not None:
        return f"{TIME}:{_text(low)}"
    return f"{TIME}:[{_bound(low)} TO {_bound(high)}]"


def _shapes(ids: frozenset[int]) -> str:
    if not ids:
        return "NOT *"
    patterns = [f"{PATTERN}:{pattern_id(id)}" for id in sorted(ids)]
    return patterns[0] if len(patterns) == 1 else f"({' OR '.join(patterns)})"


def _range(given: Range) -> str:
    start, end = "[" if given.low_included else "{", "]" if given.high_included else "}"
    return f"{start}{_bound(given.low)} TO {_bound(given.high)}{end}"


def _bound(text: str | None) -> str:
    return "*" if text is None else _text(text)


def _name(name: str) -> str:
    return name if NAME.fullmatch(name) and name not in (TIME, PATTERN) else quote(name)


def _word(text: str) -> str:
    return text if _WORD.fullmatch(text) and text not in _KEYWORDS else quote(text)


def _text(text: str) -> str:
    return text if _VALUE.fullmatch(text) and text not in _KEYWORDS else quote(text)


def quote(text: str) -> str:
    """A text in quotes, with escapes where needed."""
    return f'"{_CONTROL.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    return _NAMED.get(found[0]) or f"\\u{ord(found[0]):04x}"


def _stage(stage: Stage) -> str:
    match stage:
        case Stats(aggregates, by):
            groups = f" by {', '.join(map(_group, by))}" if by else ""
            return f"stats {', '.join(map(_aggregate, aggregates))}{groups}"
        case Sort(keys):
            return f"sort {', '.join(map(_sort_key, keys))}"
        case Limit(count):
            return f"limit {count}"
        case Fields(names):
            return f"fields {', '.join(map(_column, names))}"
        case Patterns():
            return "patterns"
        case _:
            assert_never(stage)


def _aggregate(aggregate: Aggregate) -> str:
    argument = "" if aggregate.field is None else _column(aggregate.field)
    text = f"{aggregate.function}({argument})"
    if aggregate.name == default_name(aggregate.function, aggregate.field):
        return text
    return f"{text} as {_column(aggregate.name)}"


def _group(group: By | Bin) -> str:
    return f"bin({group.text})" if isinstance(group, Bin) else _column(group.field)


def _sort_key(key: SortKey) -> str:
    return f"{_column(key.name)} desc" if key.descending else _column(key.name)


def _column(name: str) -> str:
    return name if NAME.fullmatch(name) and name not in _RESERVED else quote(name)
