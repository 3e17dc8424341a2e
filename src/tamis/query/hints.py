"""Slips that make a query say something else than was meant: it is valid, and finds nothing or too much."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from tamis.errors import QueryError
from tamis.query.ast import And, Exact, Filter, Not, Or, Phrase, Prefix, Query, Range, TimeRange
from tamis.query.fields import CORE_NAMES, CORE_TIMES
from tamis.query.lexer import NAME
from tamis.query.printer import print_filter, quote
from tamis.query.resolve import narrow
from tamis.query.times import parse_instant
from tamis.query.values import Number, level_bound, number_of
from tamis.record.severity import canonical_level, level_names, severity

_KEYWORDS = {
    "not": "write NOT to exclude",
    "and": "write AND, or only a space",
    "or": "write OR for a choice",
}
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
_ASSIGNED = re.compile(rf"({NAME.pattern})==?([^=].*)?", re.DOTALL)
_BANG = re.compile(r"!(?!=)")
_SIGNS = ("=", "==", "!=", ":")
_NEAR = 0.75
"""How alike two levels are before one is taken for a slip of the other; people have levels of their own."""


def hints(query: Query, text: str, *, is_found: bool = False) -> tuple[str, ...]:
    """What the writer of `text`, which says `query` (resolved or not), has perhaps not meant.

    Words in quotes are meant. `is_found`: the query finds something, so that a level nobody knows may be one
    that the records have.
    """
    plain = _QUOTED.sub(lambda found: '"' * len(found[0]), text)
    said = [*_around(query.filter, plain)]
    for leaf in leaves(query.filter):
        said += _of_leaf(leaf, text, plain, is_found=is_found)
    start, end = narrow(query.filter)
    if not isinstance(query.filter, TimeRange) and _is_no_time(start, end):
        said.append("the times asked for exclude each other: the end is not after the start")
    return tuple(dict.fromkeys(said))


def leaves(given: Filter) -> Iterator[Filter]:
    """Every condition of a filter, from left to right, also those under NOT."""
    match given:
        case And(items) | Or(items):
            for item in items:
                yield from leaves(item)
        case Not(item):
            yield from leaves(item)
        case _:
            yield given


def _around(given: Filter, plain: str) -> Iterator[str]:
    """Words that are read as conditions, and were meant to join or compare their neighbours."""
    match given:
        case And(items):
            yield from _joining(items, plain)
            for item in items:
                yield from _around(item, plain)
        case Or(items):
            for item in items:
                yield from _around(item, plain)
        case Not(item):
            yield from _around(item, plain)


def _joining(items: Sequence[Filter], plain: str) -> Iterator[str]:
    for at, item in enumerate(items):
        word = item.text if isinstance(item, Phrase) else ""
        if word in _KEYWORDS and _is_bare(word, plain):
            yield f'the word {word} is searched; {_KEYWORDS[word]}, or "{word}" for the word itself'
        elif word in _SIGNS and 0 < at < len(items) - 1 and _is_bare(word, plain):
            field, value = _bare_text(items[at - 1]), _bare_text(items[at + 1])
            if NAME.fullmatch(field) and value:
                negated = "NOT " if word == "!=" else ""
                yield f"the text {word} is searched; did you mean {negated}{field}:{_shown(value)}?"


def _bare_text(item: Filter) -> str:
    if not isinstance(item, (Phrase, Prefix)) or item.field != "message":
        return ""
    return item.text if isinstance(item, Phrase) else item.text + "*"


def _of_leaf(leaf: Filter, text: str, plain: str, *, is_found: bool) -> Iterator[str]:
    match leaf:
        case Phrase(_, word) | Prefix(_, word) if "&&" in word and _is_bare(word, plain, after=":"):
            yield "the text && is searched; write AND, or only a space"
        case Phrase(field, word) | Prefix(field, word) if _BANG.match(word) and _is_bare(
            word, plain, after=":"
        ):
            negated = word[1:] + ("*" if isinstance(leaf, Prefix) else "") or "(…)"
            prefix = "" if field == "message" else f"{field}:"
            yield f"the text {word} is searched; write NOT {prefix}{negated} to exclude"
        case Phrase("message", word) | Prefix("message", word) if _is_bare(word, plain):
            yield from _assigned(word, text, is_prefix=isinstance(leaf, Prefix))
        case Phrase("level", word) if word not in _KEYWORDS:
            yield from _unknown_level(word, is_found=is_found)
        case Exact("level", word) if severity(word) and canonical_level(word) != word:
            level = canonical_level(word)
            yield f"level:={word} is never found: this level is kept as {level}; write level:{level}"
        case Range() if _is_empty(leaf):
            yield f"{print_filter(leaf)} is empty: its end is below its start"
        case TimeRange(start, end) if _is_no_time(start, end):
            yield "the range of time is empty: its end is not after its start"


def _assigned(word: str, text: str, *, is_prefix: bool) -> Iterator[str]:
    """``service=mix``, ``service==mix`` and ``service="some words"``."""
    found = _ASSIGNED.fullmatch(word)
    if found is None:
        return
    field, value = found[1], found[2]
    if value is None:
        if f'{word}"' in text:
            yield f'the text {word} is searched; did you mean {field}:"…" or {field}:="…"?'
    elif is_prefix:
        yield f"the text {word}* is searched; did you mean {field}:{value}*?"
    else:
        shown = _shown(value)
        yield f"the text {word} is searched; did you mean {field}:{shown} or {field}:={shown}?"


def _unknown_level(word: str, *, is_found: bool) -> Iterator[str]:
    if severity(word) or not word.strip():
        return
    near = get_close_matches(canonical_level(word), level_names(), 1, _NEAR)
    if near:
        yield f"no known level is called {word}; did you mean level:{near[0]}?"
    elif not is_found:
        yield (
            f"no known level is called {word}; known are TRACE, DEBUG, INFO, NOTICE, WARNING, ERROR, CRITICAL"
        )


def _is_bare(word: str, plain: str, *, after: str = "") -> bool:
    """Whether a word stands in the text outside of quotes, as a whole; `after`: what it may follow as well."""
    before = rf"(?:^|[\s(\-{re.escape(after)}])"
    return re.search(rf'{before}{re.escape(word)}\*?(?=[\s()|"]|$)', plain) is not None


def _shown(value: str) -> str:
    return value if re.fullmatch(r"[\w.@:/*-]+", value) else quote(value)


def _is_no_time(start: int | None, end: int | None) -> bool:
    return start is not None and end is not None and start >= end


def _is_empty(leaf: Range) -> bool:
    """Whether no value at all lies in a range."""
    low, high = leaf.low, leaf.high
    if low is None or high is None:
        return False
    is_closed = leaf.low_included and leaf.high_included
    if leaf.field in CORE_TIMES:
        return _is_reversed(_instant(low), _instant(high), is_closed=is_closed)
    if leaf.field == "level":
        return _is_reversed(level_bound(low), level_bound(high), is_closed=is_closed)
    by_text = low > high or (low == high and not is_closed)
    low_number, high_number = number_of(low), number_of(high)
    if low_number is None and high_number is None:
        return by_text
    by_number = _is_reversed(low_number, high_number, is_closed=is_closed)
    return by_number and (by_text or leaf.field not in CORE_NAMES)


def _is_reversed(low: Number | None, high: Number | None, *, is_closed: bool) -> bool:
    if low is None or high is None:
        return False
    return low > high or (low == high and not is_closed)


def _instant(text: str) -> int | None:
    """An absolute time; None for one that counts from now."""
    try:
        return parse_instant(text, None)
    except QueryError:
        return None
