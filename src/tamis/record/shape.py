"""The shape of a message: its sentence, with the numbers taken out."""

import hashlib
import re

from tamis.record.tokens import TOKEN

MASK = "<*>"

_ASCII_SHAPE = re.compile("[0-9A-Za-z_]+")
_DIGIT = re.compile("[0-9]")


def _mask(match: re.Match[str]) -> str:
    token = match[0]
    return MASK if _DIGIT.search(token) else token


def shape(message: str) -> str:
    """The message with every token that contains an ASCII digit replaced by ``<*>``.

    A pure function: no training, no state. `tamis.store` has the same for a column at a time.
    """
    pattern = _ASCII_SHAPE if message.isascii() else TOKEN
    return pattern.sub(_mask, message)


def shape_id(text: str) -> int:
    """A number for a shape: the first 63 bits of its BLAKE2b hash (so that it fits every signed column)."""
    return (
        int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        >> 1
    )


def pattern_id(shape_number: int) -> str:
    """The public name of the pattern whose first shape has this number, e.g. ``p_3f9a…`` (16 hex digits)."""
    return f"p_{shape_number:016x}"


def parse_pattern_id(text: str) -> int | None:
    """The number behind a pattern's public name; None when it is not one."""
    digits = text.removeprefix("p_")
    if len(digits) == len(text) or not re.fullmatch("[0-9a-f]{1,16}", digits):
        return None
    return int(digits, 16)
