"""Where a value ends that follows a name: quoted at any depth of escaping, in brackets, or bare."""

import re
from dataclasses import dataclass
from typing import Final

from tamis.pipeline.processors.patterns.base import Span

CONTAINER_CHARS_MAX: Final = 8_192
_OPEN: Final = re.compile(r"(?:(?:[bBuUrRfF]{1,2}|\$)(?=[\"']))?(\\*)([\"'`])")
_BRACKETS: Final = "[{("
_STEP: Final = re.compile(r"[\[{(]|[\]})]|(\\*)([\"'])")
_BARE: Final = re.compile(
    r"(?:[^\s,;&\"'<>)\]}|]"
    r"|[)\]}]++(?=[^\s,;&\"'<>)\]}|])"  # a bracket with more of the value behind it
    r"|[,;&](?=[^\s,;&\"'<>)\]}|=:]++(?![^\s,;&\"'<>)\]}|]|\][=\[]))"  # no further name behind it, so the value goes on
    r")++"
)
_ESCAPED_QUOTE: Final = re.compile(r"&(?:quot|apos|#34|#39);|%2[27]")


@dataclass(frozen=True, slots=True)
class Value:
    """What was read: `span` is what is between quotes, or all of it."""

    span: Span
    is_quoted: bool = False
    is_container: bool = False


def read_value(text: str, at: int) -> Value | None:
    """The value that begins at a place; None when there is none, or an empty one."""
    opened = _OPEN.match(text, at)
    if opened is not None:
        start = opened.end()
        if text.startswith(opened[2] * 2, start):  # Python's long texts, which go over lines
            start += 2
            end = text.find(opened[2] * 3, start, start + CONTAINER_CHARS_MAX)
            end = _line_end(text, start) if end < 0 else end
            return Value((start, end), is_quoted=True) if end > start else None
        end = quoted_end(text, start, quote=opened[2], slashes=len(opened[1]))
        return Value((start, end), is_quoted=True) if end > start else None
    if text[at : at + 1] and text[at] in _BRACKETS:
        end = _container_end(text, at)
        return Value((at, end), is_container=True) if end > at + 2 else None
    escaped = _ESCAPED_QUOTE.match(text, at)
    start = at if escaped is None else escaped.end()
    bare = _BARE.match(text, start)
    if bare is None:
        return None
    end = bare.end()
    if text[end - 1] in _BRACKETS:  # `SecretStr('…')`
        end = max(_container_end(text, end - 1), end)
    return Value((start, end), is_quoted=escaped is not None)


def quoted_end(text: str, at: int, *, quote: str, slashes: int) -> int:
    """Where the text ends that began behind `slashes` backslashes and a quote; the end of the line when nothing
    closes it. What is escaped within belongs to it, and so does a quote that SQL doubles.
    """
    stop = _line_end(text, at)
    place = at
    while (place := text.find(quote, place, stop)) >= 0:
        run = place
        while run > at and text[run - 1] == "\\":
            run -= 1
        count = place - run
        if count < slashes or count % (2 * (slashes + 1)) == slashes:
            if slashes or quote != "'" or place == at or text[place + 1 : place + 2] != quote:
                return place - min(count, slashes)
            place += 1
        place += 1
    return stop


def _container_end(text: str, at: int) -> int:
    """Behind the bracket that closes the one there; the end of the line when none does."""
    depth, place, most = 0, at, at + CONTAINER_CHARS_MAX
    while (step := _STEP.search(text, place, most)) is not None:
        place = step.end()
        if step[2]:
            place = quoted_end(text, place, quote=step[2], slashes=len(step[1])) + len(step[0])
        elif step[0] in _BRACKETS:
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return place
    return _line_end(text, at)


def _line_end(text: str, at: int) -> int:
    stop = text.find("\n", at)
    return len(text) if stop < 0 else stop
