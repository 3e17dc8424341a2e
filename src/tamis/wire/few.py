"""Columns of which few rows have a value, made at the cost of these values."""

from typing import Any

import numpy as np
import pyarrow as pa

FEW_SHARE = 8
"""Few is fewer than one row in so many."""
_TYPES: dict[type, Any] = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}


def few_values(places: list[int], values: list[Any], length: int) -> pa.Array | None:
    """An array of `length` rows with the values at their places, null elsewhere.

    None where the values are not few, or not all of one type that Arrow has.
    """
    kinds = set(map(type, values))
    kind = _TYPES.get(next(iter(kinds))) if len(kinds) == 1 else None
    if kind is None or len(values) * FEW_SHARE >= length:
        return None
    try:
        array = pa.array(values, kind)
    except (OverflowError, UnicodeEncodeError, pa.ArrowInvalid):
        return None
    indices = np.zeros(length, np.int64)
    absent = np.ones(length, np.bool_)
    indices[places] = np.arange(len(places))
    absent[places] = False
    return array.take(pa.array(indices, mask=absent))
