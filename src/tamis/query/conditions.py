"""One condition of a query: ``field:value`` in all its forms, with the checks that each form asks for."""

import re
from difflib import get_close_matches

from tamis.errors import QueryError
from tamis.query.ast import (
    All,
    Compare,
    Exact,
    Exists,
    Filter,
    Operator,
    Pattern,
    Phrase,
    Prefix,
    Range,
    Regex,
    Substring,
    Time,
)
from tamis.query.fields import CORE_TIMES
from tamis.query.lexer import NAME, STOPS, Scanner
from tamis.query.regex import check_regex
from tamis.query.scalar import range_ends
from tamis.query.times import parse_instant
from tamis.query.values import SEVERITY_MAX, level_bound, number_of
from tamis.record.severity import level_names
from tamis.record.shape import parse_pattern_id

TIME, PATTERN = "_time", "pattern"
"""Names with a meaning of their own, unless quoted."""

_REGEX_MARKS = frozenset("\\[]^$+?*()|")
_NOT_EQUAL = re.compile(rf"({NAME.pattern})!=(.*)")


def bare_condition(scanner: Scanner) -> Filter:
    """A condition without a field's name: about the message."""
    start = scanner.at
    if scanner.char == '"':
        return _quoted("message", scanner)
    if scanner.char == "/":
        return _regex_or_word("message", scanner)
    text = scanner.run()
    if text == "*":
        return All()
    wrong = _NOT_EQUAL.fullmatch(text)
    if wrong is not None:
        raise scanner.error("there is no !=", f"Write NOT {wrong[1]}:{wrong[2]}.", start + 1)
    return _word("message", text, scanner, start=start)


def field_condition(field: str, scanner: Scanner) -> Filter:
    """What stands after ``field:``, or a comparison after ``field``."""
    start = scanner.column
    condition = _any_form(field, scanner)
    _check(condition, start)
    return condition


def _any_form(field: str, scanner: Scanner) -> Filter:
    sign = scanner.sign()
    if sign is not None:
        return Compare(field, _operator(sign), _value(scanner, f"after {sign}"))
    match scanner.char:
        case '"':
            return _quoted(field, scanner)
        case "~":
            scanner.at += 1
            return Substring(field, _value(scanner, "after :~"))
        case "=":
            scanner.at += 1
            return Exact(field, _value(scanner, "after :="))
        case "/":
            return _regex_or_word(field, scanner)
        case "[" | "{":
            return _range(field, scanner)
    return _plain(field, scanner)


def _plain(field: str, scanner: Scanner) -> Filter:
    start = scanner.at
    text = scanner.run()
    if not text:
        hint = f'Write {field}:value without a space, or quote "{field}:" to search for the text.'
        raise scanner.error(f"nothing stands after {field}:", hint)
    return Exists(field) if text == "*" else _word(field, text, scanner, start=start)


def _operator(sign: str) -> Operator:
    return sign  # type: ignore[return-value]  # the scanner knows no other signs


def _value(scanner: Scanner, where: str) -> str:
    """A text, quoted or not."""
    if scanner.char == '"':
        return scanner.quoted()
    text = scanner.run()
    if not text:
        raise scanner.error(f"nothing stands {where}", 'Write a value there; an empty one is "".')
    return text


def _quoted(field: str, scanner: Scanner) -> Filter:
    text = scanner.quoted()
    return Prefix(field, text) if scanner.take("*") else Phrase(field, text)


def _word(field: str, text: str, scanner: Scanner, *, start: int) -> Filter:
    body = text.removesuffix("*")
    if "*" in body or not body:
        part = max(text.split("*"), key=len) or "part"
        hint = f'Write {field}:~"{part}" for a part of the text, or put it in quotes.'
        raise scanner.error("a * stands only at the end of a word", hint, start + 1 + text.index("*"))
    return Phrase(field, text) if body == text else Prefix(field, body)


def _regex_or_word(field: str, scanner: Scanner) -> Filter:
    column = scanner.column
    pattern = scanner.regex()
    if pattern is not None:
        check_regex(pattern, column)
        return Regex(field, pattern)
    start = scanner.at
    text = scanner.run()
    if _REGEX_MARKS & {*text, scanner.char}:
        closed = text.find("/", 1) != -1
        reason = "a slash inside a regular expression" if closed else "this regular expression is not closed"
        hint = "Write \\/ for a slash inside it." if closed else "Put a / at its end, or the text in quotes."
        raise scanner.error(reason, hint, column)
    return _word(field, text, scanner, start=start)


def _range(field: str, scanner: Scanner) -> Filter:
    start = scanner.column
    low_included = scanner.char == "["
    scanner.at += 1
    low = _bound(scanner, start)
    scanner.skip_space()
    if scanner.run(STOPS + "]}").upper() != "TO":
        raise scanner.error("this range has no TO between its ends", f"Write {field}:[1 TO 5].", start)
    high = _bound(scanner, start)
    scanner.skip_space()
    if scanner.char not in ("]", "}"):
        raise scanner.error("this range is not closed", "Put ] at its end, or } to leave the end out.", start)
    high_included = scanner.char == "]"
    scanner.at += 1
    if low is None and high is None:
        return Exists(field)
    return Range(field, low, high, low_included or low is None, high_included or high is None)


def _bound(scanner: Scanner, start: int) -> str | None:
    scanner.skip_space()
    if scanner.char == '"':
        return scanner.quoted()
    text = scanner.run(STOPS + "]}")
    if not text or text.upper() == "TO":
        raise scanner.error("this range lacks an end", "An open end is written *, as in [500 TO *].", start)
    return None if text == "*" else text


def time_condition(scanner: Scanner) -> Filter:
    """What stands after ``_time``: an instant to begin with, a range, or a comparison."""
    start = scanner.column
    sign = scanner.sign()
    if sign is not None:
        condition: Filter = Compare("timestamp", _operator(sign), _value(scanner, f"after {sign}"))
        _check(condition, start)
        return condition
    if scanner.char not in ("[", "{"):
        begin = _value(scanner, "after _time:")
        _check_instants((begin,), start)
        return Time(None if begin == "*" else begin, None)
    if scanner.char == "{":
        hint = "Its start is always included; timestamp:{a TO b} leaves it out."
        raise scanner.error("_time: takes [a TO b]", hint)
    found = _range(TIME, scanner)
    low, high = (found.low, found.high) if isinstance(found, Range) else (None, None)
    _check_instants((low, high), start)
    return Time(low, high)


def pattern_condition(scanner: Scanner) -> Filter:
    """What stands after ``pattern:``."""
    start = scanner.column
    text = _value(scanner, "after pattern:")
    if parse_pattern_id(text) is None:
        hint = f"An id looks like p_3f9a; an attribute of that name is attributes.pattern:{text}."
        raise scanner.error(f"{text!r} is no pattern's id", hint, start)
    return Pattern(text)


def _check(condition: Filter, column: int) -> None:
    field = getattr(condition, "field", None)
    if field in CORE_TIMES:
        _check_time(condition, column)
    elif field == "level" and isinstance(condition, (Compare, Range)):
        for bound in _bounds(condition):
            _check_level(bound, column)


def _bounds(condition: Compare | Range) -> list[str]:
    if isinstance(condition, Compare):
        return [condition.value]
    return [bound for _, bound in range_ends(condition)]


def _check_time(condition: Filter, column: int) -> None:
    if isinstance(condition, (Compare, Range)):
        _check_instants(_bounds(condition), column)
    elif not isinstance(condition, Exists):
        name = getattr(condition, "field", "timestamp")
        hint = f"Write {name}>=2026-11-21T10:00:00Z or {name}:[-2h TO -1h]."
        raise QueryError(f"{name} is an instant: it is compared, not searched", column, hint)


def _check_instants(texts: list[str] | tuple[str | None, ...], column: int) -> None:
    for text in texts:
        if text is not None and text != "*":
            try:
                parse_instant(text, 0)
            except QueryError as error:
                raise QueryError(error.reason, column, error.suggestion) from None


def _check_level(text: str, column: int) -> None:
    bound = level_bound(text)
    if bound is None:
        near = get_close_matches(text.upper(), level_names(), 1)
        known = "TRACE, DEBUG, INFO, WARNING, ERROR and CRITICAL are known"
        hint = f"Did you mean {near[0]}?" if near else f"{known}."
        raise QueryError(f"there is no level {text!r}", column, hint)
    if number_of(text) is not None and not 0 <= bound <= SEVERITY_MAX:
        hint = "Numbers are OpenTelemetry's, 1 (TRACE) to 24; a name is safer: level>=WARNING."
        raise QueryError(f"there is no severity {text}", column, hint)
