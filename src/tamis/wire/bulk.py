"""Elasticsearch's bulk body: decoded a block at a time as it comes, with what becomes of each item."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tamis.errors import TooLargeError
from tamis.record.model import Column, Columns, listed_values
from tamis.wire.arrow_schema import LearnedSchemas
from tamis.wire.base import DecodeOptions
from tamis.wire.bulk_ids import NO_IDENTITIES, Identities, identify
from tamis.wire.bulk_items import CREATE, ItemReader, Items, LongLine, Refusal
from tamis.wire.bulk_sources import SourceReader, Told, service_of_index
from tamis.wire.joined import Parts
from tamis.wire.jsonlines import BOM

BLOCK_BYTES = 1 << 22
"""A block has about so many bytes, or so many as the longest line may have."""
INDEX_ATTRIBUTE, ID_ATTRIBUTE = "es.index", "es.id"
DEFAULT_INDEX = "tamis"
"""What an answer says of items that name no index, in a request that names none."""
LINE_BYTES_USUAL = 8
"""With shorter lines, blank ones are looked for."""
_BLANK_LINES = re.compile(rb"\n{4,}")


@dataclass(slots=True)
class Block:
    """Some items in their order, and what became of those that were not stored now: see `bulk_items.Items`."""

    codes: bytes
    names: list[str]
    name_of: Any = None
    ids: Any = None
    refused: dict[int, Refusal] = field(default_factory=dict)

    def stored(self) -> Any:
        """The places of the items that are stored."""
        places = np.arange(len(self.codes))
        return np.delete(places, list(self.refused)) if self.refused else places


@dataclass(frozen=True, slots=True)
class Bulk:
    """A whole body. The rows of `columns` are the items that no block has refused, in their order.

    `identities` are those of the items that have an id, `rows` the rows that they are.
    """

    columns: Columns
    blocks: list[Block]
    identities: Identities
    rows: Any
    received: int
    rest_count: int = 0

    @property
    def refused_count(self) -> int:
        """How many items are refused."""
        return sum(one.status >= 400 for block in self.blocks for one in block.refused.values())

    def reasons(self, count: int) -> list[tuple[int, str]]:
        """Of the last so many refused items the place in the body, and why; in their order."""
        found: list[tuple[int, str]] = []
        end = self.received
        for block in reversed(self.blocks):
            end -= len(block.codes)
            bad = sorted((place for place, one in block.refused.items() if one.status >= 400), reverse=True)
            found += [(end + place, block.refused[place].reason) for place in bad[: count - len(found)]]
        return found[::-1]

    def actions(self, rows: Any) -> list[int]:
        """The actions that some rows (ascending) came by."""
        return [block.codes[place] for block, place in self._items(rows)]

    def without(self, refusals: Mapping[int, Refusal]) -> "Bulk":
        """The same with these rows refused. The blocks are changed in place."""
        if not refusals:
            return self
        rows = sorted(refusals)
        for row, (block, place) in zip(rows, list(self._items(rows)), strict=True):
            block.refused[place] = refusals[row]
        keep = np.ones(self.columns.length, np.bool_)
        keep[rows] = False
        left = keep[self.rows]
        numbers = np.cumsum(keep) - 1
        return replace(
            self,
            columns=_kept(self.columns, keep),
            identities=self.identities.take(left),
            rows=numbers[self.rows[left]],
        )

    def _items(self, rows: Sequence[int]) -> Any:
        """The block and the place in it of each of these rows (ascending)."""
        wanted = np.asarray(rows, np.int64)
        first = 0
        for block in self.blocks:
            stored = block.stored()
            here = wanted[(wanted >= first) & (wanted < first + len(stored))]
            yield from ((block, int(place)) for place in stored[here - first])
            first += len(stored)


class BulkDecoder:
    """Decodes one body. Not thread-safe. `index` is where items go that do not say it.

    It holds the columns of what came and what its answer will say, and beside them at most a block. `feed` and
    `finish` raise TooLargeError when there are more items than `WireLimits.lines_max`. `count` is told the way
    (``fast``, ``general``) that each block took.
    """

    def __init__(
        self,
        options: DecodeOptions,
        schemas: LearnedSchemas,
        *,
        index: str | None = None,
        count: Callable[[str], None],
    ) -> None:
        self._limits = options.limits
        told_of_all = replace(options.limits, rejections_listed_max=options.limits.lines_max)
        self._index = index
        self.block_bytes = max(BLOCK_BYTES, 2 * options.limits.line_bytes_max)
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._waiting: list[bytes] = []
        """An action whose source is yet to come."""
        self._skipped = 0
        """Bytes of a line that is too long, and was let go."""
        self._begun = False
        self._items = ItemReader(DEFAULT_INDEX if index is None else index, self._limits.line_bytes_max)
        self._sources = SourceReader(replace(options, limits=told_of_all), schemas, count=count)
        self._told = Told()
        self._parts = Parts()
        self._blocks: list[Block] = []
        self._identities: list[Identities] = []
        self._rows: list[Any] = []
        self._received = self._stored = 0

    def feed(self, piece: bytes) -> None:
        """Take in what came; decode when it makes a block."""
        if self._skipped:
            piece = self._skip(piece)
        self._held.append(piece)
        self._held_bytes += len(piece)
        if self._held_bytes >= self.block_bytes:
            self._cut()

    def finish(self) -> Bulk:
        """The body has ended: all of it."""
        data = self._take()
        lines = [*self._waiting, *([self._long(self._skipped)] if self._skipped else [])]
        if data:
            lines += _lines(data.removesuffix(b"\n"))
        while lines:
            used = self._decode(lines, last=True)
            lines = lines[used:]
        return Bulk(
            self._parts.join(),
            self._blocks,
            NO_IDENTITIES.joined(self._identities),
            np.concatenate([np.zeros(0, np.int64), *self._rows]),
            self._received,
            self._sources.rest_count + self._parts.rest_count,
        )

    def _take(self) -> bytes:
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        if not self._begun:
            self._begun, data = True, data.removeprefix(BOM)
        return data

    def _cut(self) -> None:
        """Decode the whole lines of what is held."""
        data = self._take()
        end = data.rfind(b"\n")
        if end != -1:
            self._decode_lines(_lines(data[:end]))
            data = data[end + 1 :]
        if len(data) > self._limits.line_bytes_max:
            self._skipped, data = len(data), b""
        self._held.append(data)
        self._held_bytes = len(data)

    def _skip(self, piece: bytes) -> bytes:
        """Let go of a line that is too long; what follows it."""
        end = piece.find(b"\n")
        if end == -1:
            self._skipped += len(piece)
            return b""
        size, self._skipped = self._skipped + end, 0
        self._decode_lines([self._long(size)])
        return piece[end + 1 :]

    def _long(self, size: int) -> LongLine:
        return LongLine.of(size, self._limits.line_bytes_max)

    def _decode_lines(self, lines: list[bytes]) -> None:
        lines = self._waiting + lines
        self._waiting = lines[self._decode(lines, last=False) :]

    def _decode(self, lines: list[bytes], *, last: bool) -> int:
        """Decode items of these lines; how many lines they were."""
        items, used = self._items.read(lines, last=last)
        self._received += len(items.codes)
        if self._received > self._limits.lines_max:
            raise TooLargeError("ingest.lines_max", self._limits.lines_max)
        if items.codes:
            self._keep(items)
        return used

    def _keep(self, items: Items) -> None:
        names = items.names
        block = Block(items.codes, names, refused=items.refused)
        if items.name_of is not None:
            block.name_of = np.array(items.name_of, np.uint32)
        if items.ids is not None:
            block.ids = pa.array(items.ids, pa.string())
        places = block.stored()
        columns, bad = self._sources.read(items.sources)
        sources = items.sources
        if bad:
            for row, refusal in bad.items():
                block.refused[int(places[row])] = self._told.of(refusal)
            places = np.delete(places, list(bad))
            sources = [source for row, source in enumerate(sources) if row not in bad]
        if columns.length:
            if block.ids is not None:
                self._identify(items, block, places, sources=sources)
            self._parts.add(self._described(columns, block, places))
        self._stored += columns.length
        self._blocks.append(block)

    def _identify(self, items: Items, block: Block, places: Any, *, sources: list[bytes]) -> None:
        ids: Any = items.ids
        if len(sources) < len(ids):
            ids = [ids[place] for place in places.tolist()]
        rows = list(range(len(ids)))
        if None in ids:
            rows = [row for row in rows if ids[row] is not None]
            ids, sources = [ids[row] for row in rows], [sources[row] for row in rows]
        codes = np.frombuffer(block.codes, np.uint8)[places[rows]]
        names = block.names
        if block.name_of is not None:
            names = [names[at] for at in block.name_of[places[rows]].tolist()]
        self._identities.append(identify(names, ids, None if (codes == CREATE).all() else sources))
        self._rows.append(np.array(rows, np.int64) + self._stored)

    def _described(self, columns: Columns, block: Block, places: Any) -> Columns:
        """The records with what their actions say of them: index and id as attributes, and a service."""
        attributes, core = dict(columns.attributes), dict(columns.core)
        named = self._index is not None or block.names != [DEFAULT_INDEX]
        if named:
            services = [service_of_index(name) for name in block.names]
            core["service"] = _filled(core.get("service"), _spread(services, block, places))
            _put(attributes, INDEX_ATTRIBUTE, _spread(block.names, block, places))
        if block.ids is not None:
            _put(attributes, ID_ATTRIBUTE, block.ids.take(pa.array(places)))
        return replace(columns, core=core, attributes=attributes)


class OneDocument:
    """A body that is one source, perhaps over several lines, read as a bulk of one item. Not thread-safe."""

    def __init__(self, bulk: BulkDecoder, action: bytes, bytes_max: int) -> None:
        self._bulk, self._action, self._bytes_max = bulk, action, bytes_max
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> None:
        """The next piece."""
        self._size += len(piece)
        if self._size > self._bytes_max:
            raise TooLargeError("ingest.document_bytes_max", self._bytes_max)
        self._pieces.append(piece)

    def finish(self) -> Bulk:
        """The body has ended: all of it. Between values of JSON a new line is a blank like others."""
        source = b"".join(self._pieces).removeprefix(BOM).replace(b"\n", b" ")
        self._bulk.feed(b"%b\n%b\n" % (self._action, source))
        return self._bulk.finish()


def _lines(data: bytes) -> list[bytes]:
    """The lines of a text; of many blank ones in a row, two."""
    if data.count(b"\n") > len(data) // LINE_BYTES_USUAL:
        data = _BLANK_LINES.sub(b"\n\n\n", data)
    return data.split(b"\n")


def _spread(values: list[str], block: Block, places: Any) -> Any:
    """The value of each place's index."""
    if block.name_of is None:
        return pa.repeat(pa.scalar(values[0], pa.string()), len(places))
    return pa.array(values, pa.string()).take(pa.array(block.name_of[places]))


def _put(attributes: dict[str, Column], name: str, column: Any) -> None:
    """An attribute, unless the records have it themselves."""
    own = attributes.get(name)
    if column.null_count < len(column):
        attributes[name] = column if own is None else _filled_values(own, column.to_pylist())


def _filled(column: Column | None, values: Any) -> Column:
    if column is None:
        return values
    if isinstance(column, list):
        return _filled_values(column, values.to_pylist()) if None in column else column
    return pc.coalesce(column, values) if column.null_count else column


def _filled_values(column: Column, values: list[Any]) -> list[Any]:
    given = listed_values(column)
    return [value if one is None else one for one, value in zip(given, values, strict=True)]


def _kept(columns: Columns, keep: Any) -> Columns:
    """Some rows of columns."""
    mask, rows = pa.array(keep), np.flatnonzero(keep).tolist()

    def of(column: Column) -> Column:
        return [column[row] for row in rows] if isinstance(column, list) else column.filter(mask)

    return Columns(
        length=len(rows),
        timestamp=of(columns.timestamp),
        core={name: of(column) for name, column in columns.core.items()},
        attributes={name: of(column) for name, column in columns.attributes.items()},
    )
