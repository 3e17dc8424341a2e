"""Where rows are, and the rows themselves: found with few columns, fetched whole at the end."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tamis.record.model import StoredRecord
from tamis.store.embedded.ask.kept import KeptGroups
from tamis.store.embedded.format.columns import to_records
from tamis.store.embedded.format.part import Part, PartFacts, RowGroup

LOCATION = ["epoch_ns(timestamp) AS ts", "seq", "filename AS place", "file_row_number AS row"]
"""Projection of where a row is."""


class Located(NamedTuple):
    """A row in order of (timestamp, seq), and where it is: the part's place (path or name) and the row in it."""

    ts: int
    seq: int
    place: str
    row: int


def place_of(part: Part) -> str:
    """How SQL names a part in the column `filename`."""
    return part.path if part.path is not None else part.name


def located(table: pa.Table | None) -> list[Located]:
    """The rows of a statement that selected ts, seq, place and row, in this order."""
    if table is None:
        return []
    return [Located(*row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]


def fetch(
    parts: Iterable[Part], wanted: Sequence[Located], kept: KeptGroups | None = None
) -> tuple[StoredRecord, ...]:
    """The records at these places, in the order asked for; `kept` keeps the row groups that they are in."""
    by_place: dict[str, list[Located]] = {}
    for item in wanted:
        by_place.setdefault(item.place, []).append(item)
    found: dict[int, StoredRecord] = {}
    for part in parts:
        for record in _fetch_from(part, by_place.get(place_of(part), []), kept):
            found[record.seq] = record
    return tuple(found[item.seq] for item in wanted if item.seq in found)


def _fetch_from(part: Part, wanted: list[Located], kept: KeptGroups | None) -> list[StoredRecord]:
    rows = np.array(sorted(item.row for item in wanted), np.int64)
    records: list[StoredRecord] = []
    for group in part.row_groups() if wanted else ():
        inside = rows[(rows >= group.first_row) & (rows < group.first_row + group.rows)]
        if len(inside):
            table = part.read([group.index]) if kept is None else kept.table(part, group)
            records.extend(to_records(table.take(pa.array(inside - group.first_row))))
    return records


class Slice:
    """Some row groups of a part, read into memory when SQL asks for them: a `Part`."""

    def __init__(self, part: Part, groups: Sequence[RowGroup]) -> None:
        self._part, self._groups = part, sorted(groups, key=lambda group: group.index)

    @property
    def name(self) -> str:
        """The name of the part it is of."""
        return self._part.name

    @property
    def place(self) -> str:
        """Where its rows are."""
        return place_of(self._part)

    @property
    def facts(self) -> PartFacts:
        """The facts of the whole part: none of them is wrong for some of its rows."""
        return self._part.facts

    @property
    def path(self) -> str | None:
        """In memory."""
        return None

    def row_groups(self) -> Sequence[RowGroup]:
        """The chosen row groups."""
        return self._groups

    def read(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> Any:
        """All rows of the slice, with ``filename`` and ``file_row_number`` as a file would have them."""
        table = self._part.read([group.index for group in self._groups], columns)
        numbers = [np.arange(group.first_row, group.first_row + group.rows) for group in self._groups]
        rows = np.concatenate(numbers) if numbers else np.zeros(0, np.int64)
        return self._with_places(table, rows)

    def _with_places(self, table: Any, rows: Any) -> Any:
        places = pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(len(rows), np.int32)), pa.array([self.place])
        )
        return table.append_column("filename", places).append_column("file_row_number", pa.array(rows))

    def tally(self) -> Any:
        """The tally of the whole part."""
        return self._part.tally()


class Picked(Slice):
    """Some rows of some row groups, by their places in each."""

    def __init__(
        self, part: Part, groups: Sequence[RowGroup], kept: KeptGroups, rows: Mapping[int, Any]
    ) -> None:
        super().__init__(part, groups)
        self._kept, self._rows = kept, rows

    def read(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> Any:
        """These rows, as `Slice` gives all."""
        tables, places = [], []
        for group in self._groups:
            rows, table = self._rows[group.index], self._kept.table(self._part, group, columns)
            tables.append(table if len(rows) == group.rows else table.take(pa.array(rows)))
            places.append(rows + group.first_row)
        return self._with_places(pa.concat_tables(tables), np.concatenate(places))


def whole(part: Part) -> Part:
    """A part as SQL can locate its rows: a file as it is, memory as a slice."""
    return part if part.path is not None else Slice(part, part.row_groups())
