"""Aggregates as SQL expressions, and their values from what SQL gives back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
    """Numbers that are in no column of integers, as DOUBLE."""
    return replace(field, kinds=tuple(kind for kind in field.kinds if kind not in "in")).number()


def _huge(field: FieldSql) -> str:
    """Integers over 64 bits, all of them as texts: SQL has no exact type for their sum or order."""
    return f"list({field.alias}_n) FILTER ({field.alias}_n IS NOT NULL)" if "n" in field.kinds else "NULL"


def _sum(field: FieldSql) -> AggregateSql:
    sql = (f"sum(CAST({_integers(field)} AS HUGEINT))", f"sum({_fractions(field)})", _huge(field))
    return AggregateSql(sql, _read_sum)


def _read_sum(row: Sequence[Any]) -> Any:
    whole, fraction, huge = row
    if whole is None and huge is None:
        return fraction
    total = int(whole or 0) + sum(map(int, huge or ()))
    return total if fraction is None else fraction + total


def _extreme(function: str, field: FieldSql) -> AggregateSql:
    text = f"{field.alias}_s"
    texts = f"{function}({text}) FILTER ({text_as_double(text)} IS NULL)" if "s" in field.kinds else "NULL"
    sql = (f"{function}({_integers(field)})", f"{function}({_fractions(field)})", _huge(field), texts)
    pick = min if function == "min" else max

    def read(row: Sequence[Any]) -> Any:
        numbers = [number for number in row[:2] if number is not None]
        numbers.extend(map(int, row[2] or ()))
        return pick(numbers) if numbers else row[3]

    return AggregateSql(sql, read)


def seconds_of(start_ns: int | None, end_ns: int | None) -> float | None:
    """The length of a range; None when an end is open or nothing lies between."""
    if start_ns is None or end_ns is None or end_ns <= start_ns:
        return None
    return (end_ns - start_ns) / NS_PER_S
