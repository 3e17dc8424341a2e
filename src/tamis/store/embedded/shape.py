"""Shapes for a column of messages at a time: the Arrow engine of `record.shape`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tamis.record.shape import MASK, SHAPE_PATTERN, SHAPE_PATTERN_ASCII, shape, shape_id

_KNOWN_MAX = 200_000
_REGEX_ROWS_MIN = 4_000
"""Below this many messages that are not ASCII, Python is faster than compiling the large expression."""

_known: dict[str, int] = {}


def shapes_of(messages: pa.Array) -> pa.Array:
    """The shape of each message; agrees with `record.shape.shape` on every string."""
    is_ascii = pc.string_is_ascii(messages)
    if pc.all(is_ascii).as_py() is not False:
        return _masked(messages, SHAPE_PATTERN_ASCII)
    if len(messages) >= _REGEX_ROWS_MIN:
        return _masked(messages, SHAPE_PATTERN)
    others = [shape(text) for text in messages.filter(pc.invert(is_ascii)).to_pylist()]
    plain = _masked(messages, SHAPE_PATTERN_ASCII)
    return pc.replace_with_mask(plain, pc.invert(is_ascii), pa.array(others, pa.string()))


def _masked(messages: pa.Array, pattern: str) -> pa.Array:
    return pc.replace_substring_regex(messages, pattern=pattern, replacement=MASK)


def shape_ids_of(messages: pa.Array) -> pa.Array:
    """The number of each message's shape (int64)."""
    encoded = shapes_of(messages).dictionary_encode()
    ids = numbers_of(encoded.dictionary.to_pylist())
    return pa.array(ids[encoded.indices.to_numpy(zero_copy_only=False)], pa.int64())


def numbers_of(shapes: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """`shape_id` of each text, remembered between batches."""
    if len(_known) > _KNOWN_MAX:
        _known.clear()
    ids = np.empty(len(shapes), np.int64)
    for place, text in enumerate(shapes):
        number = _known.get(text)
        if number is None:
            number = _known[text] = shape_id(text)
        ids[place] = number
    return ids
