"""Text formats: a pattern for the line's beginning, a column at a time; what no pattern knows is kept as it is."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tamis.record.model import CORE_TEXT, Columns
from tamis.wire.base import NOTE_FIELD, Bytes, Decoded, DecodeOptions, Rejections, join_columns, with_defaults
from tamis.wire.jsonlines import BOM, UTF8_NOTE, split_blocks
from tamis.wire.multiline import Span, spans
from tamis.wire.rows import Batch, read_levels
from tamis.wire.times import Times

ZONE = r"(?:Z|UTC|GMT|CET|CEST|EST|EDT|CST|CDT|PST|PDT|MST|MDT|BST|EET|EEST|MSK|JST|[+-]\d\d(?::?\d\d)?)"
ISO = rf"\d{{4}}-\d\d-\d\d(?:T| +)\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?{ZONE}(?![\w.]))?"
SLASHED = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:[.,]\d+)?"
SYSLOG_TIME = r"[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d+)?"
LEVELS = (
    "TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|SEVERE|CRITICAL|FATAL|ALERT|EMERG|FINE|FINER|FINEST|CONFIG"
    "|VERBOSE|PANIC|trace|debug|info|notice|warn|warning|error|critical|fatal|alert|emerg|crit"
)

ABSENT = frozenset({"-", ""})
_EDGE = "\r\0"

Groups = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class TextFormat:
    """A text format.

    Each of `patterns` matches the beginning of a line. Its group ``time`` is the instant; ``cut`` is what is left
    out of the message (the time with what frames it): everything else of the line stays in the message, so
    that a search for words finds what grep finds. Groups with names of core fields fill these; others become
    attributes, as integers where in `numbers`. ``-`` is absent. `refine` may change the groups of the matched
    lines before.
    """

    name: str
    patterns: tuple[re.Pattern[str], ...]
    numbers: frozenset[str] = field(default_factory=lambda: frozenset({"pid"}))
    refine: Callable[[Groups], None] | None = None

    def begins(self, line: str) -> bool:
        """Whether a line begins as this format's lines do."""
        return any(pattern.match(line) for pattern in self.patterns)

    def decode(self, body: Bytes, options: DecodeOptions) -> Decoded:
        """Columns of a block of whole lines."""
        return decode_text(body, options, self)


def decode_text(body: Bytes, options: DecodeOptions, form: TextFormat) -> Decoded:
    """Records of text lines: traces joined, prefixes read, the rest kept as it is."""
    data = body if isinstance(body, bytes) else bytes(body)
    rejections = Rejections(options.limits.rejections_listed_max)
    times = Times(options.zone, options.now_ns)
    parts = []
    places: list[int] = []
    first = 0
    for raw in split_blocks(data.removeprefix(BOM)):
        lines, broken = text_lines(raw, options, first, rejections=rejections)
        found = spans(lines, form.begins if form.patterns else None, options.limits)
        parts.append(_decode_block(_Block(lines, broken, found), options, form=form, times=times))
        places.extend(first + begin for begin, _ in found)
        first += len(raw)
    return rejections.result(join_columns(parts) if parts else Columns(length=0, timestamp=[]), places)


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines, those of them that were no UTF-8, and which of them are a record together."""

    lines: list[str]
    broken: frozenset[int]
    spans: list[Span]


def text_lines(
    raw: Sequence[bytes], options: DecodeOptions, first: int, *, rejections: Rejections
) -> tuple[list[str], frozenset[int]]:
    """Lines as text, and the places of those whose bytes were no UTF-8. Oversize lines become blank ones."""
    limit = options.limits.line_bytes_max
    kept = list(raw)
    for at, line in enumerate(raw) if raw and max(map(len, raw)) > limit else ():
        if len(line) > limit:
            rejections.add(first + at + 1, f"over line_bytes_max = {limit:,}: {len(line):,} bytes")
            kept[at] = b""
    try:
        texts = b"\n".join(kept).decode().split("\n") if kept else []
        return [text.strip(_EDGE) for text in texts], frozenset()
    except UnicodeDecodeError:
        texts = [line.decode("utf-8", "replace").strip(_EDGE) for line in kept]
    return texts, frozenset(
        at for at, line in enumerate(kept) if "\ufffd" in texts[at] and not _is_utf8(line)
    )


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode_block(block: _Block, options: DecodeOptions, *, form: TextFormat, times: Times) -> Columns:
    lines, found = block.lines, block.spans
    heads = [lines[first] for first, _ in found]
    messages = list(heads)
    batch = Batch(len(found))
    for index, matches in _matched(heads, form.patterns):
        groups = _groups(matches)
        if "time" in groups:
            stamps = times.column(groups.pop("time"))
            batch.put_core("timestamp", index, stamps)
            _cut(messages, index, matches, stamps=stamps)
        if form.refine is not None:
            form.refine(groups)
        _put(batch, index, groups, form=form)
    for at, (first, last) in enumerate(found):
        if last > first:
            messages[at] = "\n".join((messages[at], *lines[first + 1 : last + 1]))
    if block.broken:
        notes = [UTF8_NOTE if not block.broken.isdisjoint(range(a, b + 1)) else None for a, b in found]
        batch.put_attribute(NOTE_FIELD, None, notes)
    batch.core["message"] = messages
    timestamp = batch.core.pop("timestamp", None)
    return Columns(
        length=len(found),
        timestamp=[None] * len(found) if timestamp is None else filled_forward(timestamp),
        core=with_defaults(batch.core, len(found), options),
        attributes=batch.finished(),
    )


def filled_forward(stamps: Sequence[int | None]) -> list[int | None]:
    """Records without a time have that of the record before, if there is one."""
    result: list[int | None] = []
    last = None
    for stamp in stamps:
        last = last if stamp is None else stamp
        result.append(last)
    return result


def _matched(
    heads: Sequence[str], patterns: Sequence[re.Pattern[str]]
) -> list[tuple[list[int], list[re.Match[str]]]]:
    """For each pattern: the places of the lines it is the first to match."""
    left = list(range(len(heads)))
    result = []
    for pattern in patterns:
        match = pattern.match
        tried = [(at, match(heads[at])) for at in left]
        hits = [(at, found) for at, found in tried if found is not None]
        if hits:
            result.append(([at for at, _ in hits], [found for _, found in hits]))
            left = [at for at, found in tried if found is None]
        if not left:
            break
    return result


def _groups(matches: Sequence[re.Match[str]]) -> Groups:
    names = sorted(matches[0].re.groupindex, key=matches[0].re.groupindex.__getitem__)
    places = [matches[0].re.groupindex[name] for name in names]
    return {name: [match[place] for match in matches] for name, place in zip(names, places, strict=True)}


def _cut(
    messages: list[str],
    index: Sequence[int],
    matches: Sequence[re.Match[str]],
    *,
    stamps: Sequence[int | None],
) -> None:
    """Take the time out of the messages, where it could be read."""
    if "cut" not in matches[0].re.groupindex:
        return
    for at, match, stamp in zip(index, matches, stamps, strict=True):
        start, end = match.span("cut")
        if start >= 0 and stamp is not None:
            head = messages[at]
            messages[at] = head[:start] + head[end:]


def _put(batch: Batch, index: Sequence[int], groups: Groups, *, form: TextFormat) -> None:
    for name, values in groups.items():
        if name == "cut":
            continue
        if name == "level":
            batch.put_core(name, index, read_levels(values))
        elif name in CORE_TEXT:
            batch.put_core(name, index, _present(values))
        elif name in form.numbers:
            batch.put_attribute(name, index, list(map(number, values)))
        else:
            batch.put_attribute(name, index, _present(values))


def _present(values: list[Any]) -> list[Any]:
    return [None if isinstance(value, str) and value in ABSENT else value for value in values]


def number(text: Any) -> Any:
    """Digits as the integer they are; other text stays text."""
    if not isinstance(text, str) or text in ABSENT:
        return None if isinstance(text, str) else text
    plain = text.isdecimal() and text.isascii() and len(text) < 19 and (text[0] != "0" or len(text) == 1)
    return int(text) if plain else text
