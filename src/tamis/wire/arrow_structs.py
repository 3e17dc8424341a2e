"""Objects as Arrow structs: their values as the general way has them, and a field taken out of them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tamis.record.attributes import DEFAULT_LIMITS
from tamis.wire.arrow_schema import UnlikeError


class OddError(Exception):
    """A field holds objects that structs cannot tell from others."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def is_struct(column: Any) -> bool:
    """Whether a column holds objects."""
    return bool(pa.types.is_struct(column.type))


def check_objects(name: str, column: Any) -> None:
    """OddError where the general way would make something else of these objects: one without any value is kept as
    such there, and long texts may be cut."""
    children = column.flatten()
    for child in children:
        if is_struct(child):
            check_objects(name, child)
        elif pa.types.is_string(child.type) and _longest(child) > DEFAULT_LIMITS.text_chars_max:
            raise OddError(name)
    if _any_valid(children, len(column)).sum() < len(column) - column.null_count:
        raise OddError(name)


def _longest(texts: Any) -> int:
    return pc.max(pc.binary_length(texts)).as_py() or 0


def inner_column(column: Any, name: str) -> Any:
    """A field of objects; None where they have none of that name."""
    if not is_struct(column):
        return None
    at = column.type.get_field_index(name)
    return None if at < 0 else column.flatten()[at]


def without_field(column: Any, name: str, *, has_nulls: bool) -> Any:
    """The objects without a field that was taken from all that have it; None where nothing is left of any.

    An object of which nothing is left is null. UnlikeError where one may have a null left (`has_nulls`: there may be
    some in the text): the general way keeps it as an object without values.
    """
    fields = list(column.type)
    children = column.flatten()
    left = [at for at, field in enumerate(fields) if field.name != name]
    if not left:
        return None
    valid = _any_valid([children[at] for at in left], len(column))
    if has_nulls and valid.sum() < len(column) - column.null_count:
        raise UnlikeError
    return pa.StructArray.from_arrays(
        [children[at] for at in left], fields=[fields[at] for at in left], mask=pa.array(~valid)
    )


def _any_valid(children: Any, length: int) -> Any:
    """Which rows have a value in some of these columns."""
    found = np.zeros(length, np.bool_)
    for child in children:
        if not child.null_count:
            return np.ones(length, np.bool_)
        found |= child.is_valid().to_numpy(zero_copy_only=False)
    return found
