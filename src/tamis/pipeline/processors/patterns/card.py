"""Payment cards: the issuer's range, its length and the check digit (ISO/IEC 7812) must all be right."""

import re
from collections.abc import Iterator
from typing import Final

from tamis.pipeline.processors.patterns.base import DIGITS, Pattern, Span, begins_word, ends_word

KIND: Final = "card"
_CARD: Final = re.compile(
    r"[2-68](?:\d{12,18}(?!\d)"
    r"|\d{3}([ .\t/+-]|[ ]-[ ]|[ ]{2}|%20|%2[Dd])\d{4}\1\d{4}\1\d{1,7}(?!\d)"
    r"|\d{3}[ -]\d{6}[ -]\d{4,5}(?!\d))",
    re.ASCII,
)
_ISSUERS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12,15}"  # Discover
    r"|3(?:0[0-5]|[689]\d)\d{11,16}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|62\d{14,17}|81\d{14,17}"  # UnionPay
    r"|(?:50|5[6-8]|6[37])\d{14,17}"  # Maestro
    r"|220[0-4]\d{12,15}",  # Mir
    re.ASCII,
)
_NAME_BEFORE: Final = re.compile(
    r"(?<![A-Za-z])(?:card|creditcard|cc|pan|visa|amex|mastercard|number|nr|no)$", re.IGNORECASE
)
_NAME_CHARS: Final = 12
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
NUMBER_MIN: Final = 10**12
NUMBER_MAX: Final = 10**19


def find(text: str) -> Iterator[Span]:
    """Cards in one piece or in their usual groups."""
    for match in _CARD.finditer(text):
        start, end = match.span()
        if (
            (begins_word(text, start) or _NAME_BEFORE.search(text[max(start - _NAME_CHARS, 0) : start]))
            and ends_word(text, end)
            and not _goes_on(text, start, end)
            and is_card("".join(filter(str.isdigit, match[0].replace(match[1] or " ", ""))))
        ):
            yield start, end


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether it is a part of a number with a fraction, or below zero, or of a name such as
    `blk_4162832865986721185` (cards with more than 16 digits are rare, such names are not). A fraction stands behind
    a point: commas stand between the columns of a table.
    """
    if text[start - 1 : start] == "_" and end - start > 16 and text[start:end].isdigit():
        return True
    if text[start - 1 : start] == "-" and not text[max(start - 2, 0) : start - 1].isalnum():
        return True
    return (text[start - 1 : start] == "." and text[start - 2 : start - 1].isdigit() and start > 1) or (
        text[end : end + 1] == "." and text[end + 1 : end + 2].isdigit()
    )


def is_card(digits: str) -> bool:
    """Whether digits are a card's number."""
    return _ISSUERS.fullmatch(digits) is not None and luhn(digits) and len(set(digits)) > 1


def luhn(digits: str) -> bool:
    """Whether the check digit is right (Luhn's sum)."""
    values = [ord(digit) - 48 for digit in reversed(digits)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


CARD: Final = Pattern(KIND, "***CARD***", DIGITS, find)
