"""Fields by name: which values of a record a name addresses."""

from collections.abc import Iterator, Sequence
from typing import Any

from tamis.record.attributes import values_at
from tamis.record.model import CORE_TEXT, StoredRecord

CORE_TIMES = ("timestamp", "received")
CORE_NAMES = frozenset((*CORE_TEXT, *CORE_TIMES))
ATTRIBUTES = "attributes."
"""Before a name: an attribute, also when a core field has that name."""


def attribute_name(field: str) -> str | None:
    """The attribute that a field's name addresses; None for a core field."""
    if field in CORE_NAMES:
        return None
    return field.removeprefix(ATTRIBUTES)


def query_name(path: Sequence[str]) -> str:
    """The name by which a query addresses an attribute: the names from the outside in, with dots."""
    name = ".".join(path)
    return ATTRIBUTES + name if name in CORE_NAMES or name.startswith(ATTRIBUTES) else name


def values_of(stored: StoredRecord, field: str) -> Iterator[Any]:
    """Every value that a name addresses, objects included; none when the record lacks the field."""
    name = attribute_name(field)
    if name is not None:
        yield from (value for value in values_at(stored.record.attributes, name) if value is not None)
        return
    value = stored.received if field == "received" else getattr(stored.record, field)
    if value is not None:
        yield value


def value_of(stored: StoredRecord, field: str) -> Any:
    """The one value that counts when there is to be one: the first that is no object (an object has no value
    of its own, its fields have); None when there is none."""
    return next((value for value in values_of(stored, field) if not isinstance(value, dict)), None)
