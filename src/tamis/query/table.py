"""The first rows of a table of groups: of very many no more are held than are wanted."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tamis.query.aggregate import Row, stats_columns
from tamis.query.ast import Sort, SortKey, Stats
from tamis.query.values import order_key


@dataclass(frozen=True, slots=True)
class FirstRows:
    """Which rows are wanted: the first `count` (None: all), by the columns that `sort` names, then by their groups.
    Missing values of these columns stand last in both directions."""

    sort: Sort | None = None
    count: int | None = None


ALL_ROWS = FirstRows()


def first_rows(rows: Iterable[Row], stats: Stats, wanted: FirstRows) -> tuple[list[Row], int]:
    """Those rows in their order, and how many there are in all. ValueError: the table has no such column."""
    total = 0

    def counted() -> Iterator[Row]:
        nonlocal total
        for row in rows:
            total += 1
            yield row

    order = _order(stats, wanted.sort)
    if wanted.count is None:
        found = sorted(counted(), key=order)
    else:
        found = heapq.nsmallest(max(wanted.count, 1), counted(), key=order)[: wanted.count]
    return found, total


def _order(stats: Stats, sort: Sort | None) -> Callable[[Row], list[Any]]:
    columns, groups = stats_columns(stats), len(stats.by)
    if sort is None:
        return lambda row: [order_key(value) for value in row[:groups]]
    keys = [(columns.index(key.name), key) for key in sort.keys]
    return lambda row: [
        *(_place(row[at], key) for at, key in keys),
        *(order_key(value) for value in row[:groups]),
    ]


def _place(value: Any, key: SortKey) -> tuple[Any, ...]:
    if value is None:
        return (True,)
    return (False, _Descending(order_key(value)) if key.descending else order_key(value))


class _Descending:
    """A key that stands where its opposite would."""

    __slots__ = ("_key",)

    def __init__(self, key: tuple[Any, ...]) -> None:
        self._key = key

    def __lt__(self, other: "_Descending") -> bool:
        return other._key < self._key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and other._key == self._key

    __hash__ = None  # type: ignore[assignment]  # it is for comparing alone
