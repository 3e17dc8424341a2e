"""Everything sensitive in a text, found at once and replaced."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Final, TypeAlias

from tamis.keys.envelope import TEXT_ENVELOPE, TEXT_PREFIX
from tamis.pipeline.processors.patterns.base import Pattern, Span
from tamis.pipeline.processors.patterns.fold import folded, is_all_seen, seen_places, visible
from tamis.pipeline.processors.patterns.hints import LETTERS_MIN, look

_Found: TypeAlias = tuple[int, int, Pattern]
Replace: TypeAlias = Callable[[str, str, str], str]
"""Takes kind, the pattern's mask and the sensitive text; what is to stand there instead."""

HASH_MARK: Final = ":hash:"
_SECURED: Final = re.compile(rf"{TEXT_ENVELOPE.pattern}|\b[a-z_]{{2,16}}{HASH_MARK}[0-9a-f]{{32}}")
_ROUNDS_MAX: Final = 8


class Detector:
    """Finds what patterns describe. What was masked, hashed or encrypted before is left alone."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.patterns = tuple(patterns)
        self._masks = {pattern.mask for pattern in self.patterns} | {"***REDACTED***"}
        self.has_own = any(not pattern.hint for pattern in self.patterns)
        """Whether there are patterns that no hint is known of."""

    def may_hold(self, text: str) -> int:
        """0 when there is nothing sensitive in a text; cheap."""
        if self.has_own:
            return -1
        return look(text) if len(text) >= LETTERS_MIN else 0

    def is_secured(self, text: str) -> bool:
        """Whether a whole text is a mask, a hash or an envelope."""
        return text in self._masks or _SECURED.fullmatch(text) is not None

    def replace(self, text: str, replace: Replace, *, hints: int | None = None) -> str:
        """The text with everything sensitive replaced; the same object when there is nothing. `hints` are what
        `may_hold` said of it, when it was asked.

        Looked at again until nothing is found: a replacement gives its neighbours other surroundings.
        """
        for _ in range(_ROUNDS_MAX):
            found = self._find(text, hints)
            if not found:
                break
            text, hints = _replaced(text, found, replace), None
        return text

    def kinds(self, text: str) -> list[tuple[str, Span]]:
        """Kind and place of everything sensitive, in the order of the text."""
        return [(pattern.kind, (start, end)) for start, end, pattern in self._find(text)]

    def _find(self, text: str, hints: int | None = None) -> "list[_Found]":
        if hints is None:
            hints = look(text)
        if not hints and not self.has_own:
            return []
        secured = _secured_spans(text)
        read = folded(text)
        seen = None if is_all_seen(text) else (visible(text), seen_places(text))
        taken: list[_Found] = []
        for pattern in self.patterns:
            if not pattern.hint or hints & pattern.hint:
                found = pattern.find(read if pattern.hint else text)
                spans = sorted(
                    (start, end)
                    for start, end in (found if seen is None else _with_hidden(found, pattern, *seen))
                    if text[start:end] not in self._masks and not _cuts(secured, start, end)
                )
                taken = _merged(taken, spans, pattern) if spans else taken
        return taken


def _with_hidden(found: Iterable[Span], pattern: Pattern, seen: str, places: Sequence[int]) -> Iterable[Span]:
    """What was found, and what is found where nobody sees what stands between; those that overlap as one."""
    spans = [
        *found,
        *[(places[start], places[end - 1] + 1) for start, end in pattern.find(seen) if end > start],
    ]
    united: list[Span] = []
    for start, end in sorted(spans):
        if united and start < united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def _merged(taken: Sequence[_Found], spans: Iterable[Span], pattern: Pattern) -> list[_Found]:
    """Spans put between those that are taken already; what overlaps one of these is left out. Linear."""
    merged: list[_Found] = []
    at = 0
    for start, end in spans:
        while at < len(taken) and taken[at][0] < end and taken[at][1] <= start:
            merged.append(taken[at])
            at += 1
        end_before = merged[-1][1] if merged else 0
        if start >= end_before and (at == len(taken) or taken[at][0] >= end):
            merged.append((start, end, pattern))
    return [*merged, *taken[at:]]


def _cuts(secured: list[Span], start: int, end: int) -> bool:
    """Whether a span has something of what was secured in it, and not all of it with something else."""
    first = bisect_right(secured, start, key=itemgetter(1))
    last = bisect_left(secured, end, key=itemgetter(0)) - 1
    if first > last:
        return False
    is_whole = start <= secured[first][0] and secured[last][1] <= end
    return not is_whole or secured[first] == (start, end)


def _secured_spans(text: str) -> list[Span]:
    if TEXT_PREFIX not in text and HASH_MARK not in text:
        return []
    return [match.span() for match in _SECURED.finditer(text)]


def _replaced(text: str, found: Sequence[_Found], replace: Replace) -> str:
    parts: list[str] = []
    at = 0
    for start, end, pattern in found:
        parts += text[at:start], replace(pattern.kind, pattern.mask, text[start:end])
        at = end
    return "".join((*parts, text[at:]))
