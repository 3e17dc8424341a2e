"""What a pattern of sensitive data is: a kind, a mask, and a function that finds it in a text."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

Span: TypeAlias = tuple[int, int]
"""From, to (not included): characters of a text."""

START: Final = r"(?:(?<![0-9A-Za-z])|(?<=\\[nrt]))"
"""Where a word may begin: not within another, but after an escaped line end, as in JSON within a text."""
_ALNUM: Final = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

AT, DOTS, DIGITS, COLONS, RUN, DASHES, NAMED = 1, 2, 4, 8, 16, 32, 64
"""Hints: what a text must have for a pattern to be looked for. See `hints.look`."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of sensitive data. `find` yields its spans in any text, in time linear in the text's length, when
    the text has the `hint`; it never yields its own mask.
    """

    kind: str
    mask: str
    hint: int
    find: Callable[[str], Iterable[Span]]


def begins_word(text: str, at: int) -> bool:
    """Whether a word may begin there, as `START` has it."""
    return (
        at == 0 or text[at - 1] not in _ALNUM or (at > 1 and text[at - 2] == "\\" and text[at - 1] in "nrt")
    )


def ends_word(text: str, at: int) -> bool:
    """Whether a word may end there."""
    return at >= len(text) or text[at] not in _ALNUM
