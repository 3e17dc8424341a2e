"""The lines of a block that can be objects, and the others, rejected as the general way would."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from tamis.wire import jsonlines
from tamis.wire.arrow_schema import Schema, UnlikeError
from tamis.wire.base import DecodeOptions, Rejections

CUT_SHARE_MAX = 0.2
"""With a larger share of malformed lines the general way is as fast."""
HEAD_LINES = 8
CHUNK_LINES = 256
"""Lines decoded before their values are taken: they stay in the processor's cache."""

_NEWLINE, _OPEN, _CLOSE, _RETURN = b"\n{}\r"


class UnfittingError(Exception):
    """A line does not fit the schema: it has a field that the schema lacks, or a number out of range."""

    def __init__(self, line: bytes) -> None:
        super().__init__(line)
        self.line = line


@dataclass(frozen=True, slots=True)
class Lines:
    """Text of which every line begins with ``{`` and ends with ``}``.

    `starts` and `ends` are where, `numbers` which line (0-based) of the block each one is.
    """

    data: bytes
    starts: Any
    ends: Any
    numbers: Any

    def without(self, bad: Any) -> "Lines":
        """The lines but for those at the places `bad` (ascending)."""
        keep = np.ones(len(self.starts), np.bool_)
        keep[bad] = False
        lengths = (self.ends - self.starts)[keep]
        ends = np.cumsum(lengths + 1) - 1
        return Lines(b"\n".join(self._runs(bad)), ends - lengths, ends, self.numbers[keep])

    def _runs(self, bad: Any) -> Iterable[bytes]:
        """The text between the bad lines."""
        first = 0
        for at in (*bad.tolist(), len(self.starts)):
            if at > first:
                yield self.data[self.starts[first] : self.ends[at - 1]]
            first = at + 1

    def texts(self, places: Iterable[int]) -> list[bytes]:
        """Some lines."""
        return [self.data[self.starts[at] : self.ends[at]] for at in places]


def only_objects(data: bytes, options: DecodeOptions) -> tuple[Lines, Rejections]:
    """The lines that look like objects, and what becomes of the others.

    Raises UnlikeError when one of the others is a record, or when they are many.
    """
    octets = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(octets == _NEWLINE)
    starts = np.concatenate(([0], newlines + 1))
    ends = np.concatenate((newlines, [len(data)]))
    if starts[-1] == len(data):
        starts, ends = starts[:-1], ends[:-1]
    last = ends - 1
    last = last - ((octets[last] == _RETURN) & (last > starts))
    filled = ends - starts >= 2
    fits = ends - starts <= options.limits.line_bytes_max
    good = filled & fits & (octets[np.minimum(starts, len(data) - 1)] == _OPEN) & (octets[last] == _CLOSE)
    lines = Lines(data, starts, ends, np.arange(len(starts)))
    bad = np.flatnonzero(~good)
    if len(bad) == 0:
        return lines, Rejections(options.limits.rejections_listed_max)
    if len(bad) > len(starts) * CUT_SHARE_MAX:
        raise UnlikeError
    return lines.without(bad), reject(lines, bad, options)


def reject(lines: Lines, bad: Any, options: DecodeOptions) -> Rejections:
    """Let the general way say what is wrong with the lines at the places `bad`."""
    decoded = jsonlines.decode_lines(lines.texts(bad.tolist()), options)
    if decoded.columns.length:
        raise UnlikeError
    rejections = Rejections(options.limits.rejections_listed_max)
    for one in decoded.rejected:
        rejections.add(int(lines.numbers[bad[one.line - 1]]) + 1, one.reason)
    rejections.count = decoded.rejected_count
    return rejections


def sample(lines: Lines, places: Iterable[int]) -> list[dict[str, Any]]:
    """Some lines, decoded the general way; malformed ones are left out."""
    decode = msgspec.json.Decoder().decode
    rows = []
    for text in lines.texts(at for at in places if at < len(lines.starts)):
        try:
            rows.append(decode(text))
        except (msgspec.DecodeError, RecursionError):
            continue
    return [row for row in rows if type(row) is dict]


def look_at_each(lines: Lines, schema: Schema) -> tuple[dict[str, list[Any]], Sequence[int]]:
    """The values of the odd fields, and the places of malformed lines (which are not among the values).

    Raises UnfittingError for the first line with a field that the schema lacks.
    """
    decode = schema.decoder().decode
    getters = schema.odd_getters()
    columns: list[list[Any]] = [[] for _ in getters]
    bad: list[int] = []
    texts = lines.data.split(b"\n")
    for first in range(0, len(lines.starts), CHUNK_LINES):
        chunk = texts[first : min(first + CHUNK_LINES, len(lines.starts))]
        rows = _decode_each(decode, chunk, first, bad=bad)
        for column, getter in zip(columns, getters, strict=True):
            column.extend(map(getter, rows))
    return dict(zip(schema.odd, columns, strict=True)), bad


def _decode_each(decode: Any, texts: Sequence[bytes], first: int, *, bad: list[int]) -> list[Any]:
    rows: list[Any] = []
    left = iter(texts)
    found = len(bad)
    while True:
        try:
            rows.extend(map(decode, left))
            break
        except msgspec.ValidationError:
            raise UnfittingError(texts[len(rows)]) from None
        except (msgspec.DecodeError, RecursionError):  # the rows before it are in
            bad.append(first + len(rows))
            rows.append(None)
    return rows if len(bad) == found else [row for row in rows if row is not None]
