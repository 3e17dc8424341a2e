"""Where a reader of pages is: the store's cursor, and the instant from which relative times count on every page."""

import re
from dataclasses import dataclass

from tamis.server.problems import ParameterError

NS_MAX = (1 << 63) - 1
_INSTANT = re.compile(r"[0-9a-z]{1,13}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Place:
    """A page to be read: `cursor` None is the first."""

    now_ns: int
    cursor: str | None = None

    def following(self, cursor: str, *, is_relative: bool) -> str:
        """The public cursor of the page after this one; a question with relative times keeps its instant in it,
        so that its range does not move from page to page."""
        return f"{_base36(self.now_ns)}.{cursor}" if is_relative else cursor


def read_place(text: str | None, now_ns: int) -> Place:
    """The place that a public cursor says."""
    if text is None or "." not in text:
        return Place(now_ns, text)
    head, _, cursor = text.partition(".")
    if _INSTANT.fullmatch(head) is None or int(head, 36) > NS_MAX:
        raise ParameterError("cursor", text, "the next_cursor of the page before")
    return Place(int(head, 36), cursor)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
