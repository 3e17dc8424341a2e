"""Shapes for a column of messages at a time: the Arrow engine of `record.shape`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tamis.query.re2 import token_class
from tamis.record.shape import MASK, shape_id
from tamis.store.embedded.format.alphabet import column_alphabet

_KNOWN_MAX = 200_000

_known: dict[str, int] = {}


def shapes_of(messages: pa.Array) -> pa.Array:
    """The shape of each message; agrees with `record.shape.shape` on every string."""
    pattern = shape_source(column_alphabet(messages))
    return pc.replace_substring_regex(messages, pattern=pattern, replacement=MASK)


def shape_source(alphabet: str | None) -> str:
    """What is masked, as RE2 reads it: a token with an ASCII digit."""
    inside = token_class(alphabet)
    return f"[{inside.replace('0-9', '', 1)}]*[0-9][{inside}]*"


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
