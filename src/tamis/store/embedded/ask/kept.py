"""What was read or worked out of row groups, kept: they never change, so nor does it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tamis.cache.limits import CacheLimits, MemoryLimits
from tamis.cache.multilevel import MultiLevelCache
from tamis.store.embedded.format.part import Part, RowGroup

Numbers = np.ndarray[Any, Any]

ENTRIES_MAX = 100_000
KEPT_S = 600.0
SMALL_SHARE, LARGE_SHARE = 0.25, 0.45
"""Of the memory: for columns as they are read, and for those of them over a size; the rest for what was worked out,
which most answers are made of alone."""
SMALL_BYTES_MAX = 1 << 20
"""Larger columns (messages, ids) have memory for themselves: an hour of them would drive all others out."""


class KeptGroups:
    """`bytes_max` of it; 0 keeps nothing. Thread-safe; of many who need the same at once one works it out."""

    def __init__(self, bytes_max: int) -> None:
        small, large = int(bytes_max * SMALL_SHARE), int(bytes_max * LARGE_SHARE)
        self._small, self._large = _cache(small), _cache(large)
        self.known = _cache(bytes_max - small - large)
        """By part, row group and what it is."""
        self.together = _cache(1)
        """Keeps nothing: who needs the same things of several groups or columns at once waits for one who reads."""
        self.is_on = bytes_max > 0

    def table(self, part: Part, group: RowGroup, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a group, with those of `columns` that there are; with all of them by default."""
        if part.path is None or not self.is_on:
            return part.read([group.index], columns)
        present = part.facts.columns
        names = [name for name in columns if name in present] if columns is not None else list(present)
        found = {name: self._column(key_of(part, group, name)) for name in names}
        missing = [name for name in names if found[name] is None]
        if missing:
            read = self.together.get_or_compute(
                key_of(part, group, " ".join(missing)), lambda: part.read([group.index], missing)
            )
            for name in missing:
                found[name] = read[name]
                level = self._small if read[name].nbytes <= SMALL_BYTES_MAX else self._large
                level.set(key_of(part, group, name), read[name])
        return pa.table(found)

    def forget(self) -> None:
        """Keep nothing of what was read before: a file was put right."""
        for level in (self._small, self._large, self.known):
            level.clear()

    def _column(self, key: str) -> Any:
        column = self._small.get(key)
        return self._large.get(key) if column is None else column

    def stamps(self, part: Part, group: RowGroup) -> Numbers:
        """The timestamps of a group's rows, ascending."""
        found: Numbers = self.get(
            part, group, "timestamp", lambda: _numbers(part.read([group.index], ["timestamp"]))
        )
        return found

    def seqs(self, part: Part, group: RowGroup) -> Numbers:
        """Their sequences."""
        found: Numbers = self.get(part, group, "seq", lambda: _numbers(part.read([group.index], ["seq"])))
        return found

    def values(self, part: Part, group: RowGroup, name: str) -> tuple[Numbers, list[str | None]]:
        """The values of a column of names: each row's place in a list of them."""
        made: tuple[Numbers, list[str | None]] = self.get(
            part, group, f"values {name}", lambda: _codes(part, group, name)
        )
        return made

    def get(self, part: Part, group: RowGroup, what: str, compute: Callable[[], Any]) -> Any:
        """Anything about a group, worked out once."""
        return self.known.get_or_compute(key_of(part, group, what), compute)


def key_of(part: Part, group: RowGroup, what: str) -> str:
    """What something about a row group is kept under."""
    return f"{part.name}/{group.index}/{what}"


def _cache(bytes_max: int) -> MultiLevelCache:
    limits = MemoryLimits(entries_max=ENTRIES_MAX, bytes_max=max(bytes_max, 1), ttl_s=KEPT_S)
    return MultiLevelCache(limits, CacheLimits(refresh_share=0.0), size=_size)


def _size(value: Any) -> int:
    if isinstance(value, dict | tuple):
        items = value.values() if isinstance(value, dict) else value
        return sum(getattr(item, "nbytes", 100) for item in items)
    return int(getattr(value, "nbytes", 100))


def _numbers(table: pa.Table) -> Numbers:
    column = table.column(0).combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    return np.array(column.view(pa.int64()).to_numpy())


def _codes(part: Part, group: RowGroup, name: str) -> tuple[Numbers, list[str | None]]:
    if name not in part.facts.columns:
        return np.zeros(group.rows, np.int16), [None]
    column = part.read([group.index], [name])[name]
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    array = column.unify_dictionaries().combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    values = array.dictionary.to_pylist()
    codes = array.indices.fill_null(len(values)).to_numpy()
    return codes.astype(np.int16 if len(values) < 32_000 else np.int32), [*values, None]
