"""Aggregates as SQL expressions, and their values from what SQL gives back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tamis.clock import NS_PER_S
from tamis.query.ast import Aggregate
from tamis.store.embedded.ask.bound import text_as_double
from tamis.store.embedded.ask.values import FieldSql, read_tagged


@dataclass(frozen=True)
class AggregateSql:
    """The expressions of one aggregate, and how its value is read from theirs."""

    expressions: tuple[str, ...]
    read: Callable[[Sequence[Any]], Any]


def aggregate_sql(aggregate: Aggregate, field: FieldSql | None, *, seconds: float | None) -> AggregateSql:
    """One aggregate over rows with ``ts``, ``seq`` and the field's columns. `seconds` is what a rate divides by."""
    if field is None:
        if aggregate.function == "rate":
            return AggregateSql(("count(*)",), lambda row: row[0] / seconds if seconds else None)
        return AggregateSql(("count(*)",), lambda row: row[0] or 0)
    match aggregate.function:
        case "count":
            return AggregateSql((f"count(*) FILTER ({field.present})",), lambda row: row[0] or 0)
        case "count_distinct":
            return AggregateSql((f"count(DISTINCT {_identity(field)})",), lambda row: row[0] or 0)
        case "sum":
            return _sum(field)
        case "min" | "max":
            return _extreme(aggregate.function, field)
        case "first" | "last":
            function = "arg_min" if aggregate.function == "first" else "arg_max"
            tag = field.tagged()
            sql = f"{function}({tag}, (ts, seq)) FILTER ({tag} IS NOT NULL)"
            return AggregateSql((sql,), lambda row: read_tagged(row[0]))
        case "rate":
            return AggregateSql(
                (f"count(*) FILTER ({field.present})",), lambda row: row[0] / seconds if seconds else None
            )
        case "avg":
            return AggregateSql((f"avg({field.number()})",), lambda row: row[0])
        case percentile:
            share = float(percentile.removeprefix("p")) / 100
            return AggregateSql((f"quantile_cont({field.number()}, {share!r}::DOUBLE)",), lambda row: row[0])


def _identity(field: FieldSql) -> str:
    return field.columns[0] if len(field.kinds) == 1 else field.tagged()


def _integers(field: FieldSql) -> str:
    return f"{field.alias}_i" if "i" in field.kinds else "NULL::BIGINT"


def _fractions(field: FieldSql) -> str:
    """Numbers that are not in the integer column, as DOUBLE."""
    others = FieldSql(
        field.field, field.alias, tuple(kind for kind in field.kinds if kind != "i"), field.core
    )
    return others.number()


def _sum(field: FieldSql) -> AggregateSql:
    integers, fractions = _integers(field), _fractions(field)
    sql = (f"sum(CAST({integers} AS HUGEINT))", f"sum({fractions})")
    return AggregateSql(sql, _read_sum)


def _read_sum(row: Sequence[Any]) -> Any:
    whole = None if row[0] is None else int(row[0])
    if row[1] is None:
        return whole
    return row[1] + (whole or 0)


def _extreme(function: str, field: FieldSql) -> AggregateSql:
    texts = [f"{field.alias}_s"] if "s" in field.kinds else []
    text = f"{function}({texts[0]}) FILTER ({text_as_double(texts[0])} IS NULL)" if texts else "NULL"
    sql = (f"{function}({_integers(field)})", f"{function}({_fractions(field)})", text)
    pick = min if function == "min" else max

    def read(row: Sequence[Any]) -> Any:
        numbers = [number for number in row[:2] if number is not None]
        return pick(numbers) if numbers else row[2]

    return AggregateSql(sql, read)


def seconds_of(start_ns: int | None, end_ns: int | None) -> float | None:
    """The length of a range; None when an end is open or nothing lies between."""
    if start_ns is None or end_ns is None or end_ns <= start_ns:
        return None
    return (end_ns - start_ns) / NS_PER_S
