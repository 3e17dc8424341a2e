"""Which characters beyond ASCII a column of texts has: what makes expressions small and exact."""

import pyarrow as pa
import pyarrow.compute as pc

from tamis.query.re2 import alphabet_of


def column_alphabet(column: pa.Array | pa.ChunkedArray) -> str | None:
    """The characters beyond ASCII in a column, in order; None when there are too many different ones."""
    foreign = column.filter(pc.invert(pc.string_is_ascii(column)))
    if len(foreign) == 0:
        return ""
    beyond = pc.replace_substring_regex(foreign, pattern="[\\x00-\\x7f]+", replacement="")
    return alphabet_of(beyond.unique().to_pylist())
