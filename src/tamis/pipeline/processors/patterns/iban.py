"""Bank accounts (ISO 13616): the country's length and the check digits (mod 97) must be right."""

import re
from collections.abc import Iterator
from typing import Final

from tamis.pipeline.processors.patterns.base import DIGITS, Pattern, Span, begins_word, ends_word

KIND: Final = "iban"
LENGTHS: Final = {
    text[:2]: int(text[2:])
    for text in [
        "AD24",
        "AE23",
        "AL28",
        "AT20",
        "AZ28",
        "BA20",
        "BE16",
        "BG22",
        "BH22",
        "BI27",
        "BR29",
        "BY28",
        "CH21",
        "CR22",
        "CY28",
        "CZ24",
        "DE22",
        "DJ27",
        "DK18",
        "DO28",
        "EE20",
        "EG29",
        "ES24",
        "FI18",
        "FK18",
        "FO18",
        "FR27",
        "GB22",
        "GE22",
        "GI23",
        "GL18",
        "GR27",
        "GT28",
        "HR21",
        "HU28",
        "IE22",
        "IL23",
        "IQ23",
        "IS26",
        "IT27",
        "JO30",
        "KW30",
        "KZ20",
        "LB28",
        "LC32",
        "LI21",
        "LT20",
        "LU20",
        "LV21",
        "LY25",
        "MC27",
        "MD24",
        "ME22",
        "MK19",
        "MN20",
        "MR27",
        "MT31",
        "MU30",
        "NI28",
        "NL18",
        "NO15",
        "OM23",
        "PK24",
        "PL28",
        "PS29",
        "PT25",
        "QA29",
        "RO24",
        "RS22",
        "RU33",
        "SA24",
        "SC31",
        "SD18",
        "SE24",
        "SI19",
        "SK24",
        "SM27",
        "SO23",
        "ST25",
        "SV28",
        "TL23",
        "TN24",
        "TR26",
        "UA29",
        "VA22",
        "VG24",
        "XK20",
        "YE30",
    ]
}
_HEAD: Final = re.compile(r"[0-9][0-9](?<=[A-Za-z][A-Za-z][0-9][0-9])(?=[ -]?[0-9A-Za-z])", re.ASCII)
"""The check digits: a search for digits is fast, one for letters is not."""
_BODY: Final = re.compile(r"[0-9A-Za-z]|(?<=[0-9A-Za-z])[ -](?=[0-9A-Za-z])", re.ASCII)


def find(text: str) -> Iterator[Span]:
    """Accounts in one piece or in groups of four."""
    end = 0
    for head in _HEAD.finditer(text):
        start = head.start() - 2
        length = LENGTHS.get(text[start : start + 2].upper())
        if length is None or start < end or not begins_word(text, start):
            continue
        found = _read(text, start, length)
        if found is not None:
            end = found
            yield start, end


def _read(text: str, start: int, length: int) -> int | None:
    """Where the account that begins at `start` ends; None when there is none."""
    at, characters, breaks = start, "", 0
    while len(characters) < length:
        match = _BODY.match(text, at)
        if match is None:
            return None
        at = match.end()
        if match[0] not in " -":
            characters += match[0]
        elif len(characters) != 4 * (breaks + 1) or (match[0] == "-" and text[start - 1 : start] == "-"):
            return None  # uneven groups, or hyphens before them, are those of a UUID
        else:
            breaks += 1
    if not ends_word(text, at) or not is_iban(characters):
        return None
    return at


def is_iban(characters: str) -> bool:
    """Whether the check digits are right (ISO 7064, mod 97-10)."""
    moved = characters[4:] + characters[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


IBAN: Final = Pattern(KIND, "***IBAN***", DIGITS, find)
