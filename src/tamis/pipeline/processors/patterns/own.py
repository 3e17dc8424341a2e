"""The user's own patterns: regular expressions of `re`."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from tamis.errors import ConfigError
from tamis.pipeline.processors.patterns.base import Pattern, Span

KIND: Final = "own"
MASK: Final = "***REDACTED***"
ALWAYS: Final = 0
WINDOW_CHARS: Final = 4_096
OVERLAP_CHARS: Final = 512
"""Long texts are searched window by window: what an expression that backtracks can cost is bounded by that, and a
match longer than the overlap may be missed where windows meet."""


def own_patterns(expressions: Sequence[str]) -> tuple[Pattern, ...]:
    """A pattern for each expression; its group 1 is the sensitive part, or the whole match when it has no group.

    ConfigError for what is no regular expression, or finds the empty text everywhere.
    """
    return tuple(_own(expression) for expression in expressions)


def _own(expression: str) -> Pattern:
    try:
        compiled = re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(
            "redact.patterns", expression, "settings", f"is no regular expression: {error}"
        ) from None
    if compiled.match("") is not None:
        raise ConfigError(
            "redact.patterns", expression, "settings", "finds nothing everywhere; ask for a character"
        )
    group = 1 if compiled.groups else 0

    def find(text: str) -> Iterator[Span]:
        for start in range(0, max(len(text), 1), WINDOW_CHARS):
            yield from _find_in(compiled, group, text, start=start)

    return Pattern(KIND, MASK, ALWAYS, find)


def _find_in(compiled: re.Pattern[str], group: int, text: str, *, start: int) -> Iterator[Span]:
    """Matches that begin in one window; they may reach into the next."""
    end = start + WINDOW_CHARS
    for match in compiled.finditer(text, start, end + OVERLAP_CHARS):
        begins, ends = match.span(group)
        if match.start() >= end:
            return
        if begins < ends:
            yield begins, ends
