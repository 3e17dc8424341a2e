"""The sources of a bulk's items: lines of JSON of which each is one record, or is refused."""

import re
from collections.abc import Callable

from tamis.record.model import Columns
from tamis.wire.arrow_schema import LearnedSchemas
from tamis.wire.base import DecodeOptions, Rejections
from tamis.wire.bulk_items import Refusal, parsing
from tamis.wire.jsonlines import BOM, decode_block, too_long
from tamis.wire.jsonlines_arrow import decode_fast
from tamis.wire.rows import RowReader

TOLD_MAX = 10_000
"""So many different refusals one body may have; the others share one."""
_EDGE = b" \t\r\n\0\f\v"
_EMPTY = parsing("the source line is empty")
_NO_OBJECT = parsing("a source is a JSON object on one line")
_MORE = parsing(f"the source cannot be read; why is told of the first {TOLD_MAX:,} only")
_DATED = re.compile(r"(?:[-._]?(?:\d{4}[-._]?(?:\d\d|w\d\d)(?:[-._]?\d\d)?(?:[-._]?\d\d)?|\d{6}))+$")
_VERSION = re.compile(r"-\d+\.\d+(?:\.\d+)?$")
_STREAM = re.compile(r"(?:\.ds-)?(?:logs|metrics|traces|synthetics)-([^-]+)-[^-]+")


class Told:
    """Keeps what refusals say within bounds: equal ones are one, and too many different ones are told alike."""

    def __init__(self) -> None:
        self._known: dict[Refusal, Refusal] = {}

    def of(self, refusal: Refusal) -> Refusal:
        """What to say instead."""
        if len(self._known) >= TOLD_MAX and refusal not in self._known:
            return _MORE
        return self._known.setdefault(refusal, refusal)


class SourceReader:
    """Reads the sources of one body, which come in parts. Not thread-safe."""

    def __init__(
        self, options: DecodeOptions, schemas: LearnedSchemas, *, count: Callable[[str], None]
    ) -> None:
        self._options, self._schemas, self._count = options, schemas, count
        self._rows = RowReader(options)

    @property
    def rest_count(self) -> int:
        """As `Decoded.rest_count`, of all parts so far."""
        return self._rows.rest_count

    def read(self, sources: list[bytes]) -> tuple[Columns, dict[int, Refusal]]:
        """The records of the sources, and why some (by their places) are none."""
        if not sources:
            return Columns(length=0, timestamp=[]), {}
        found = self._fast(sources)
        self._count("general" if found is None else "fast")
        return self._general(sources) if found is None else found

    def _fast(self, sources: list[bytes]) -> tuple[Columns, dict[int, Refusal]] | None:
        found = decode_fast(b"\n".join(sources), self._options, self._schemas)
        if found is None:
            return None
        bad = {
            one.line - 1: self._unlike(sources[one.line - 1]) or parsing(one.reason) for one in found.rejected
        }
        if found.columns.length + len(bad) != len(sources) or len(bad) != found.rejected_count:
            return None  # a blank line, or a list: no record, or several
        return (found.columns, bad) if self._rows.admit(found.columns.attributes, len(sources)) else None

    def _general(self, sources: list[bytes]) -> tuple[Columns, dict[int, Refusal]]:
        unlike = ((place, self._unlike(source)) for place, source in enumerate(sources))
        bad = {place: refusal for place, refusal in unlike if refusal is not None}
        places = [place for place in range(len(sources)) if place not in bad]
        rejections = Rejections(len(places) + 1)
        self._rows.expect(len(places))
        lines = [sources[place] for place in places] if bad else sources
        columns, _ = decode_block(lines, places, self._rows, rejections=rejections)
        bad |= {one.line - 1: parsing(one.reason) for one in rejections.listed()}
        return columns, bad

    def _unlike(self, source: bytes) -> Refusal | None:
        """Why a source is none by its looks."""
        limit = self._options.limits.line_bytes_max
        if len(source) > limit:
            return parsing(too_long(limit, len(source)))
        if source.startswith(b"{"):
            return None
        bare = source.lstrip(_EDGE).removeprefix(BOM)
        if not bare:
            return _EMPTY
        return None if bare.startswith(b"{") else _NO_OBJECT


def service_of_index(name: str) -> str:
    """What an index is about: the dataset of a data stream, else its name without date, number and version."""
    stream = _STREAM.match(name)
    if stream is not None:
        return stream[1]
    return _VERSION.sub("", _DATED.sub("", name)) or name
