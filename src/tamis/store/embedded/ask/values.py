"""A field's value as SQL: one column for each type that occurs, so that values keep their types.

Integers and floats of equal value are one value (as JSON has it): integral floats are counted as integers where
both occur.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tamis.store.embedded.ask.bound import quoted, text_as_double
from tamis.store.embedded.ask.compile import Parameters
from tamis.store.embedded.ask.fields import TIMES, FieldColumn, columns_of
from tamis.store.embedded.format.columns import REST, read_json
from tamis.store.embedded.format.part import Part

KINDS = {"i": "BIGINT", "f": "DOUBLE", "s": "VARCHAR", "b": "BOOLEAN", "n": "VARCHAR", "j": "VARCHAR"}
INTEGRAL_MAX = 2**53


@dataclass(frozen=True)
class FieldSql:
    """One field over several parts: ``alias_i``, ``alias_f``, … for the types in `kinds`."""

    field: str
    alias: str
    kinds: tuple[str, ...]
    core: bool

    @property
    def columns(self) -> list[str]:
        """Names of its columns, in the order of KINDS."""
        return [f"{self.alias}_{kind}" for kind in self.kinds]

    @property
    def present(self) -> str:
        """Whether a record has the field."""
        return (
            "(" + " OR ".join(f"{name} IS NOT NULL" for name in self.columns) + ")" if self.kinds else "FALSE"
        )

    def project(self, part: Part, parameters: Parameters) -> list[str]:
        """The columns' expressions for one part."""
        found = _found(self.field, part)
        terms = {kind: _value_sql(kind, found, parameters) for kind in self.kinds}
        if "i" in terms and "f" in terms:
            number, whole = terms["f"], _is_whole(terms["f"])
            terms["i"] = f"COALESCE({terms['i']}, CASE WHEN {whole} THEN CAST({number} AS BIGINT) END)"
            terms["f"] = f"CASE WHEN NOT {whole} THEN {number} END"
        return [f"{sql} AS {self.alias}_{kind}" for kind, sql in terms.items()]

    def number(self) -> str:
        """Its numeric value as DOUBLE: numbers, and attribute texts that are numbers."""
        terms = [f"CAST({self.alias}_{kind} AS DOUBLE)" for kind in self.kinds if kind in "if"]
        terms += [text_as_double(f"{self.alias}_{kind}") for kind in self.kinds if kind in "sn"]
        return f"COALESCE({', '.join(terms)})" if terms else "NULL::DOUBLE"

    def tagged(self) -> str:
        """Its value as one text: the type's letter, then the value; NULL when absent."""
        terms = [f"'{kind}' || CAST({self.alias}_{kind} AS VARCHAR)" for kind in self.kinds]
        return f"COALESCE({', '.join(terms)})" if terms else "NULL::VARCHAR"


def field_sql(field: str, alias: str, parts: Sequence[Part]) -> FieldSql:
    """A field as columns over these parts."""
    kinds = {column.kind for part in parts for column in _found(field, part)}
    core = field in TIMES or "text" in kinds
    known = {"s" if kind == "text" else kind for kind in kinds}
    return FieldSql(field, alias, tuple(kind for kind in KINDS if kind in known), core)


def _found(field: str, part: Part) -> list[FieldColumn]:
    if field in TIMES:
        return [FieldColumn(field, "i")]
    return columns_of(field, part.facts)


def _value_sql(kind: str, found: list[FieldColumn], parameters: Parameters) -> str:
    """The values of one type; those of a later rank only where no earlier rank has any."""
    terms = []
    for place, column in enumerate(found):
        if ("s" if column.kind == "text" else column.kind) != kind:
            continue
        earlier = [_column_sql(other, parameters) for other in found[:place] if other.rank < column.rank]
        sql = _column_sql(column, parameters)
        if earlier:
            sql = f"CASE WHEN COALESCE({', '.join(f'CAST({e} AS VARCHAR)' for e in earlier)}) IS NULL THEN {sql} END"
        terms.append(sql)
    if not terms:
        return f"NULL::{KINDS[kind]}"
    return terms[0] if len(terms) == 1 else f"COALESCE({', '.join(terms)})"


def _column_sql(column: FieldColumn, parameters: Parameters) -> str:
    if column.name in TIMES:
        return f"epoch_ns({column.name})"
    if not column.in_rest:
        return _whole_column(column)
    pointer = parameters.add("/" + column.name.replace("~", "~0").replace("/", "~1"))
    return f"CAST(json_extract_string({REST}, {pointer}) AS {KINDS[column.kind]})"


def _whole_column(column: FieldColumn) -> str:
    name = quoted(column.name)
    if column.kind == "j":
        return f"NULLIF({name}, '{{}}')"  # an object is no value
    return f"CAST({name} AS VARCHAR)" if column.kind == "text" else name


def _is_whole(number: str) -> str:
    return f"({number} = floor({number}) AND abs({number}) < {INTEGRAL_MAX})"


def read_tagged(text: str | None) -> Any:
    """The value of a tagged text."""
    if text is None:
        return None
    return read_value(text[0], text[1:])


def read_value(kind: str, value: Any) -> Any:
    """The value of one of a field's columns."""
    if value is None:
        return None
    if kind in "in":
        return int(value)
    if kind == "f":
        return float(value)
    if kind == "b":
        return value if isinstance(value, bool) else value == "true"
    return read_json(value) if kind == "j" else value


def read_columns(kinds: Sequence[str], row: Sequence[Any]) -> Any:
    """The one value among a field's columns; None when the record lacks the field."""
    for kind, value in zip(kinds, row, strict=True):
        if value is not None:
            return read_value(kind, value)
    return None
