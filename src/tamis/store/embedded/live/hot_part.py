"""Rows in memory as a part: batches that are not sealed yet."""

import threading
from collections.abc import Sequence
from functools import cached_property

import pyarrow as pa

from tamis.store.embedded.format.part import PartFacts, RowGroup
from tamis.store.embedded.format.segment import facts_of, in_time_order
from tamis.store.embedded.format.tally import Tally, tally_table

GROUP_ROWS = 65_536


class HotPart:
    """A `Part` over a table with `seq`. What readers need is worked out at the first read."""

    def __init__(self, name: str, table: pa.Table) -> None:
        self.name = name
        self.rows = table
        """The rows as they were given, or in order of time once somebody asked; never both in memory."""
        self._lock = threading.Lock()

    @cached_property
    def table(self) -> pa.Table:
        """The rows in order of (timestamp, seq)."""
        with self._lock:
            self.rows = in_time_order(self.rows).combine_chunks()
            return self.rows

    @cached_property
    def _tally(self) -> Tally:
        return tally_table(self.table)

    @cached_property
    def facts(self) -> PartFacts:
        """What is known of the rows."""
        return facts_of(self.table, self._tally)

    @property
    def path(self) -> str | None:
        """Not in a file."""
        return None

    def row_groups(self) -> Sequence[RowGroup]:
        """Runs of rows."""
        return self._groups

    @cached_property
    def _groups(self) -> tuple[RowGroup, ...]:
        stamps = self.table["timestamp"].cast(pa.int64())
        groups = []
        for index, first in enumerate(range(0, self.table.num_rows, GROUP_ROWS)):
            last = min(first + GROUP_ROWS, self.table.num_rows) - 1
            groups.append(
                RowGroup(index, first, last - first + 1, stamps[first].as_py(), stamps[last].as_py())
            )
        return tuple(groups)

    def read(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of runs."""
        table = (
            self.table
            if columns is None
            else self.table.select([n for n in columns if n in self.table.column_names])
        )
        runs = [table.slice(self._groups[g].first_row, self._groups[g].rows) for g in groups]
        return pa.concat_tables(runs) if runs else table.slice(0, 0)

    def tally(self) -> Tally:
        """The tally of the rows."""
        return self._tally
