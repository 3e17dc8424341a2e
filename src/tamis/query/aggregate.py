"""What is counted and computed over records: statistics by groups, histograms, the values of a field."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tamis.clock import NS_PER_S
from tamis.query.ast import Aggregate, Bin, By, Stats
from tamis.query.fields import value_of
from tamis.query.stages import group_name
from tamis.query.values import as_float, canonical_text, identity_key, numeric_value, order_key
from tamis.record.model import StoredRecord

Row = tuple[Any, ...]
Records = Sequence[StoredRecord]


def stats_columns(stats: Stats) -> tuple[str, ...]:
    """Names of the columns of a table: the groups, then the aggregates."""
    return (*map(group_name, stats.by), *(aggregate.name for aggregate in stats.aggregates))


def stats_rows(
    records: Iterable[StoredRecord],
    stats: Stats,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> list[Row]:
    """The rows of a table, ascending by their groups.

    `start_ns`, `end_ns`: the range of time asked for, which `rate` takes. Without groups: always one row.
    """
    found = list(records)
    seconds = _seconds(found, stats, start_ns, end_ns)
    groups: dict[Row, tuple[Row, list[StoredRecord]]] = {} if stats.by else {(): ((), found)}
    for stored in found if stats.by else ():
        values = tuple(_group_value(stored, by) for by in stats.by)
        key = tuple(map(identity_key, values))
        groups.setdefault(key, (values, []))[1].append(stored)
    rows = [
        (*values, *(_aggregate(one, members, seconds) for one in stats.aggregates))
        for values, members in groups.values()
    ]
    return sorted(rows, key=lambda row: [order_key(value) for value in row[: len(stats.by)]])


def _group_value(stored: StoredRecord, by: By | Bin) -> Any:
    if isinstance(by, Bin):
        return stored.record.timestamp // by.interval_ns * by.interval_ns
    return value_of(stored, by.field)


def _seconds(records: Records, stats: Stats, start_ns: int | None, end_ns: int | None) -> float | None:
    """What a rate divides by: the bin, else the range asked for, else from first to last record."""
    for by in stats.by:
        if isinstance(by, Bin):
            return by.interval_ns / NS_PER_S
    if start_ns is not None and end_ns is not None and start_ns < end_ns:
        return (end_ns - start_ns) / NS_PER_S
    stamps = [stored.record.timestamp for stored in records]
    length = max(stamps) - min(stamps) if stamps else 0
    return length / NS_PER_S if length else None


def _aggregate(aggregate: Aggregate, records: Records, seconds: float | None) -> Any:
    if aggregate.function == "rate":
        return len(records) / seconds if seconds else None
    if aggregate.field is None:
        return len(records)
    if aggregate.function in ("first", "last"):
        return _outermost(aggregate.function, aggregate.field, records)
    values = [value for stored in records if (value := value_of(stored, aggregate.field)) is not None]
    return _over_values(aggregate.function, values)


def _outermost(function: str, field: str, records: Records) -> Any:
    """The value in the earliest or latest record that has one."""
    having = [stored for stored in records if value_of(stored, field) is not None]
    if not having:
        return None
    pick = min if function == "first" else max
    return value_of(pick(having, key=place), field)


def place(stored: StoredRecord) -> tuple[int, int]:
    """Where a record stands in the order of time."""
    return (stored.record.timestamp, stored.seq)


def _over_values(function: str, values: Sequence[Any]) -> Any:
    match function:
        case "count":
            return len(values)
        case "count_distinct":
            return len({identity_key(value) for value in values})
        case "min":
            return _extreme(min, values)
        case "max":
            return _extreme(max, values)
    numbers = [number for value in values if (number := numeric_value(value)) is not None]
    if not numbers:
        return None
    if function == "sum":
        return _sum(numbers)
    floats = sorted(map(as_float, numbers))
    if function == "avg":
        return _float_sum(floats) / len(floats)
    return percentile(floats, float(function.removeprefix("p")))


def _extreme(pick: Callable[[Any], Any], values: Sequence[Any]) -> Any:
    """Over numbers when there are any, else over texts by code points."""
    numbers = [number for value in values if (number := numeric_value(value)) is not None]
    considered: Sequence[Any] = numbers or [value for value in values if isinstance(value, str)]
    return pick(considered) if considered else None


def _sum(numbers: Sequence[int | float]) -> int | float:
    """Exact for integers."""
    whole = sum(number for number in numbers if isinstance(number, int))
    fractions = [number for number in numbers if isinstance(number, float)]
    return _float_sum([*fractions, as_float(whole)]) if fractions else whole


def _float_sum(numbers: Sequence[float]) -> float:
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):  # past the largest float, or infinities against each other
        return sum(numbers)


def percentile(ascending: Sequence[float], percent: float) -> float:
    """By linear interpolation between the two nearest values, as SQL's PERCENTILE_CONT."""
    at = percent / 100 * (len(ascending) - 1)
    below = math.floor(at)
    low = ascending[below]
    high = ascending[min(below + 1, len(ascending) - 1)]
    return low + (high - low) * (at - below)


def histogram(
    records: Iterable[StoredRecord], *, interval_ns: int, by: str | None
) -> tuple[tuple[int, dict[str, int]], ...]:
    """Counts by start of interval and by text of a field's value; "" without a field or a value."""
    buckets: dict[int, Counter[str]] = {}
    for stored in records:
        start = stored.record.timestamp // interval_ns * interval_ns
        value = None if by is None else value_of(stored, by)
        buckets.setdefault(start, Counter())["" if value is None else canonical_text(value)] += 1
    return tuple((start, dict(counts)) for start, counts in sorted(buckets.items()))


def frequent_values(records: Iterable[StoredRecord], field: str) -> tuple[list[tuple[Any, int]], int]:
    """Every value of a field with its count, most frequent first, equal counts by value; then how many
    records have none."""
    counts: Counter[Row] = Counter()
    values: dict[Row, Any] = {}
    missing = 0
    for stored in records:
        value = value_of(stored, field)
        if value is None:
            missing += 1
        else:
            key = identity_key(value)
            counts[key] += 1
            values.setdefault(key, value)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(values[key], count) for key, count in ranked], missing
