"""Which columns a field's name means in a part."""

from collections.abc import Iterator
from dataclasses import dataclass

from tamis.query.fields import query_name
from tamis.record.model import CORE_TEXT
from tamis.store.embedded.format.columns import (
    ATTRIBUTE_TYPES,
    REST,
    attribute_path,
    is_attribute,
    path_part,
)
from tamis.store.embedded.format.part import PartFacts

TIMES = ("timestamp", "received")
PREFIX = "attributes."


@dataclass(frozen=True, slots=True)
class FieldColumn:
    """One column that holds values of a field. `kind`: ``i f s b j`` of attributes, ``text`` of core fields.

    `rank`: values of a lower rank come first when a record has several. `in_rest`: inside `attributes_rest`.
    """

    name: str
    kind: str
    rank: int = 0
    in_rest: bool = False


def columns_of(field: str, facts: PartFacts, *, with_nested: bool = False) -> list[FieldColumn]:
    """The columns that hold values of a field, in order of rank; none when no record of the part has it.

    `with_nested`: also those below it, when the field is an object.
    """
    if field in CORE_TEXT:
        return [FieldColumn(field, "text")] if field in facts.columns else []
    name = field.removeprefix(PREFIX) if field.startswith(PREFIX) else field
    found = []
    for rank, path in enumerate(paths_of(name)):
        for kind in ATTRIBUTE_TYPES:
            column = f"{path}#{kind}"
            if column in facts.columns:
                found.append(FieldColumn(column, kind, rank))
            if REST in facts.columns:
                found.append(FieldColumn(column, kind, rank, in_rest=True))
        if with_nested:
            below = (c for c in facts.columns if is_attribute(c) and c.startswith(f"{path}/"))
            found.extend(FieldColumn(column, attribute_path(column)[1], rank) for column in below)
    return found


def paths_of(name: str) -> Iterator[str]:
    """The paths that a dotted name may mean, as `record.attributes.values_at` tries them."""
    yield path_part(name)
    at = name.find(".")
    while at != -1:
        for inner in paths_of(name[at + 1 :]):
            yield f"{path_part(name[:at])}/{inner}"
        at = name.find(".", at + 1)


def public_name(column: str) -> str:
    """The name by which a query addresses a column."""
    return query_name(attribute_path(column)[0]) if is_attribute(column) else column
