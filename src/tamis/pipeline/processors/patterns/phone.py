"""Phone numbers: international with a country's code, national in their usual groups, or named as one."""

import re
from collections.abc import Iterator
from typing import Final

from tamis.pipeline.processors.patterns.base import DIGITS, Pattern, Span, begins_word

KIND: Final = "phone"
_RUN: Final = re.compile(r"[+(0-9](?:[0-9]|[ ./()-]{1,2}+(?=[0-9(]))*+", re.ASCII)
"""Digits with what may stand between the groups of a number."""
_COUNTRY: Final = (
    r"(?:1|7|2(?:[07]|[1-689]\d)|3(?:[0-469]|[578]\d)|4(?:[013-9]|2\d)|5(?:[1-8]|[09]\d)|6(?:[0-6]|[789]\d)"
    r"|8(?:[1246]|[05789]\d)|9(?:[0-58]|[679]\d))"
)
"""ITU-T E.164: the codes that are given to countries."""
_AFTER: Final = r"(?![0-9A-Za-z]|[-.:/,]\d)"
_INTERNATIONAL: Final = re.compile(
    rf"\+{_COUNTRY}(?:[ .-]?\(0?\d{{0,4}}\))?(?:[ ./-]?\d{{1,12}}){{1,6}}+{_AFTER}", re.ASCII
)
_BEFORE: Final = r"(?:(?<![0-9A-Za-z+_#])(?<![0-9][.,:/])(?<![0-9A-Za-z]-)|(?<=\\[nrt]))"
_NATIONAL: Final = re.compile(
    rf"{_BEFORE}(?:"
    r"(?:1[ .-])?(?:\([2-9]\d\d\)[ -]?|[2-9]\d\d([ .-]))[2-9]\d\d[ .-]\d{4}"  # North America
    r"|0[1-9](?:([ .-])\d\d)(?:\2\d\d){3}"  # France, Belgium
    r"|\(?0[1-9]\d{1,3}\)?[ /-]\d{3,4}[ -]\d{3,4}(?:[ -]\d{2,4})?"  # United Kingdom, Germany, Italy
    r"|0[1-9]\d{1,3}[ /]\d{6,8}"  # Germany, in two groups
    r"|\(0[1-9]\d{1,3}\)[ ]?\d{5,8}"
    rf"){_AFTER}",
    re.ASCII,
)
_NAME_BEFORE: Final = re.compile(
    r"(?:(?<![A-Za-z])|(?<=_))(?:tel(?:ephone)?|phone|mobile|cell(?:phone)?|fax|msisdn|whatsapp|sms|handy|call|dial)"
    r"(?:[ _-]?(?:number|no|nr|num))?\\?[\"']?\s{0,2}(?:[:=.]|to|at|is|from)?\s{0,2}\\?[\"']?\+?$",
    re.ASCII | re.IGNORECASE,
)
_NAMES: Final = (
    "tel",
    "phone",
    "mobile",
    "cell",
    "fax",
    "msisdn",
    "whatsapp",
    "sms",
    "handy",
    "call",
    "dial",
)
_GROUPS: Final = re.compile(
    r"[02-9](?<![0-9A-Za-mo-qsu-z+_#][02-9])"  # not within a word, but after an escaped line end
    r"(?:(?<=0)[1-9][0-9]{0,3}[) ./-]|(?<=[2-9])[0-9][0-9][) .-]{1,2}[2-9][0-9][0-9][ .-])",
    re.ASCII,
)
"""How all national numbers begin."""
_NAMED: Final = re.compile(rf"(?:\(\d{{1,5}}\)[ ]?)?\d(?:[ ./-]?\d){{6,14}}+{_AFTER}", re.ASCII)
_NAME_CHARS: Final = 32
_DIGITS_MIN, _DIGITS_MAX = 8, 15
_SHORTEST: Final = 7


def may_have_phone(text: str) -> bool:
    """Whether it has what one of the ways to write a number needs: a plus, groups, or the name of one before it."""
    if "+" in text or _GROUPS.search(text) is not None:
        return True
    return _has_name(text)


def _has_name(text: str) -> bool:
    lower = text.lower()
    for name in _NAMES:  # noqa: SIM110 -- a generator costs more than the loop
        if name in lower:
            return True
    return False


def find(text: str) -> Iterator[Span]:
    """Numbers that are written as phone numbers are."""
    for run in _RUN.finditer(text):
        start, end = run.span()
        if end - start >= _SHORTEST and sum(map(str.isdigit, run[0])) >= _SHORTEST:
            yield from _in_run(text, start, end)


def _in_run(text: str, start: int, end: int) -> Iterator[Span]:
    """Numbers that begin within a run; what follows it is seen, too."""
    international = _international(text, start, end)
    if international is not None:
        yield international
        return
    before = text[max(start - _NAME_CHARS, 0) : start]
    is_named = _has_name(before) and _NAME_BEFORE.search(before)  # the expression is slow
    named = _NAMED.match(text, start) if is_named else None
    if named is not None:
        yield named.span()
        return
    if not text[start:end].isdigit():  # national numbers are known by their groups alone
        for match in _NATIONAL.finditer(text, start, end + 2):
            yield match.span()


def _international(text: str, start: int, end: int) -> Span | None:
    plus = text.find("+", start, end)
    if plus < 0 or not begins_word(text, plus) or text[max(plus - 1, 0) : plus] == "+":
        return None
    match = _INTERNATIONAL.match(text, plus)
    if match is None:
        return None
    digits = "".join(filter(str.isdigit, match[0]))
    if digits.startswith("1") and (len(digits) != 11 or digits[1] < "2"):  # North America
        return None
    return match.span() if _DIGITS_MIN <= len(digits) <= _DIGITS_MAX else None


PHONE: Final = Pattern(KIND, "***PHONE***", DIGITS, find)
