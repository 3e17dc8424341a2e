"""logfmt: ``level=info msg="order placed" user=7``. A line that is not wholly pairs is kept as plain text."""

import re
from typing import Any

from tamis.record.model import Columns
from tamis.wire.base import NOTE_FIELD, Bytes, Decoded, DecodeOptions, Rejections, join_columns
from tamis.wire.jsonlines import BOM, UTF8_NOTE, split_blocks
from tamis.wire.multiline import Span, spans
from tamis.wire.names import MESSAGE
from tamis.wire.rows import Row, RowReader
from tamis.wire.text import text_lines

_PAIR = re.compile(r'([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"(?=\s|$)|([^\s"]*)(?=\s|$))\s*')
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_INT = re.compile(r"-?(?:0|[1-9]\d{0,18})", re.ASCII)
_FLOAT = re.compile(r"-?(?:0|[1-9]\d{0,14})\.\d{1,15}", re.ASCII)
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "nil": None}


def parse(line: str) -> Row | None:
    """The fields of a line; None when it is not all pairs."""
    text = line.strip()
    fields: Row = {}
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            return None
        name, quoted, bare = pair.groups()
        fields[name] = _value(bare) if quoted is None else _ESCAPED.sub(_unescape, quoted)
        at = pair.end()
    return fields or None


def decode(body: Bytes, options: DecodeOptions) -> Decoded:
    """Columns of logfmt lines."""
    data = body if isinstance(body, bytes) else bytes(body)
    rejections = Rejections(options.limits.rejections_listed_max)
    reader = RowReader(options, rows_expected=data.count(b"\n"))
    parts = []
    places: list[int] = []
    first = 0
    for raw in split_blocks(data.removeprefix(BOM)):
        lines, broken = text_lines(raw, options, first, rejections=rejections)
        found = spans(lines, parse, options.limits)
        parts.append(_decode_block(lines, broken, found, reader=reader))
        places.extend(first + begin for begin, _ in found)
        first += len(raw)
    return rejections.result(join_columns(parts) if parts else Columns(length=0, timestamp=[]), places)


def _decode_block(
    lines: list[str], broken: frozenset[int], found: list[Span], *, reader: RowReader
) -> Columns:
    rows = [_row(lines, first, last) for first, last in found]
    for row, (first, last) in zip(rows, found, strict=True):
        if not broken.isdisjoint(range(first, last + 1)):
            row.setdefault(NOTE_FIELD, UTF8_NOTE)
    texts = (lambda at: lines[found[at][0]]) if reader.options.line_as_message else None
    return reader.columns(rows, texts)


def _row(lines: list[str], first: int, last: int) -> Row:
    row = parse(lines[first])
    if row is None:
        return {"message": "\n".join(lines[first : last + 1])}
    if last > first:
        name = next((name for name in MESSAGE if isinstance(row.get(name), str)), "message")
        row[name] = "\n".join((str(row.get(name, "")), *lines[first + 1 : last + 1]))
    return row


def _value(text: str) -> Any:
    """Numbers and booleans as such, where printing them gives the same text again."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text) and text != "-0":
        return int(text)
    if _FLOAT.fullmatch(text) and repr(float(text)) == text:
        return float(text)
    return text


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])
