"""Tokens and case folding: what a word is, from one table for every engine."""

import re
from functools import cache

from tamis.record.unicode_table import FOLDS, TOKEN_RANGES


def _class_body(ranges: tuple[tuple[int, int], ...]) -> str:
    """The inside of a character class that both `re` and RE2 read alike (literal characters)."""
    return "".join(chr(a) if a == b else f"{chr(a)}-{chr(b)}" for a, b in ranges)


TOKEN_CLASS = _class_body(TOKEN_RANGES)
"""Inside of a character class of all token characters; none of them has a meaning inside a class."""

TOKEN = re.compile(f"[{TOKEN_CLASS}]+")
_ASCII_TOKEN = re.compile("[0-9A-Za-z_]+")


def fold(text: str) -> str:
    """Text with simple case folding: as many characters as before. İ stays, final Σ and σ become σ."""
    return text.lower() if text.isascii() else text.translate(FOLDS)


def tokens(text: str) -> list[str]:
    """The folded tokens of a text, in order: runs of letters (with their marks), digits and underscore."""
    if text.isascii():
        return _ASCII_TOKEN.findall(text.lower())
    return TOKEN.findall(text.translate(FOLDS))


@cache
def unfolds() -> dict[str, str]:
    """For each folded character that others fold to: those others."""
    table: dict[str, str] = {}
    for source, target in FOLDS.items():
        table[chr(target)] = table.get(chr(target), "") + chr(source)
    return table
