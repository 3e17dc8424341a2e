"""Pieces of a buffer as Arrow arrays, many at a time: each step looks at one byte of every piece, by numpy."""

from typing import Any

import numpy as np
import pyarrow as pa

PADDING = bytes(16)
"""Stands behind the bytes, so that a number may be looked for at their very end."""
SIZE_BYTES_MAX = 4
Places = Any
"""An array of places in the bytes, or of sizes."""
_HEX = np.array([list(b"%02x" % number) for number in range(256)], np.uint8)


class OddError(Exception):
    """These bytes are not of the usual kind: look at them one by one."""


class Gathered:
    """The bytes of a message, looked at in many places at once."""

    def __init__(self, message: bytes) -> None:
        self.bytes: Any = np.frombuffer(message + PADDING, np.uint8)
        self.size = len(message)

    def sizes(self, at: Places) -> tuple[Places, Places]:
        """The lengths that stand at these places as varints, and the places behind them; OddError for huge ones."""
        first = self.bytes[at]
        if not (first & 0x80).any():
            return first.astype(np.int64), at + 1
        sizes = (first & 0x7F).astype(np.int64)
        goes_on, at = first >= 0x80, at + 1
        for shift in range(7, 7 * SIZE_BYTES_MAX, 7):
            byte = self._read(at)
            sizes |= np.where(goes_on, (byte & 0x7F).astype(np.int64) << shift, 0)
            at = at + goes_on
            goes_on = goes_on & (byte >= 0x80)
        if goes_on.any():
            raise OddError
        return sizes, at

    def varints(self, at: Places) -> tuple[Places, Places]:
        """The 64-bit integers, signed, that stand at these places, and the places behind them."""
        number = np.zeros(len(at), np.uint64)
        goes_on = np.ones(len(at), np.bool_)
        for shift in range(0, 70, 7):
            byte = self._read(at)
            number |= np.where(goes_on, (byte & 0x7F).astype(np.uint64) << np.uint64(shift), np.uint64(0))
            at = at + goes_on
            goes_on = goes_on & (byte >= 0x80)
            if not goes_on.any():
                return number.view(np.int64), at
        raise OddError

    def fixed(self, at: Places, kind: str, width: int) -> Any:
        """The numbers of a fixed width that stand at these places."""
        if len(at) and at.max() + width > len(self.bytes):
            raise OddError
        return np.ascontiguousarray(self.bytes[at[:, None] + np.arange(width)]).view(kind)[:, 0]

    def texts(self, starts: Places, sizes: Places, present: Any = None) -> Any:
        """Pieces as an array of texts, null where not `present`; OddError when one is not UTF-8."""
        if present is not None:
            sizes = np.where(present, sizes, 0)
        offsets = np.zeros(len(sizes) + 1, np.int64)
        np.cumsum(sizes, out=offsets[1:])
        index = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], sizes)
        data = pa.py_buffer(self.bytes[index])
        made = pa.StringArray.from_buffers(
            len(sizes), pa.py_buffer(offsets.astype(np.int32)), data, bitmap(present)
        )
        try:
            made.validate(full=True)
        except pa.ArrowInvalid:
            raise OddError from None
        return made

    def hexadecimals(self, starts: Places, present: Any, width: int) -> Any:
        """Ids of so many bytes as texts; null where not `present`, or zero."""
        raw = self.bytes[np.where(present, starts, 0)[:, None] + np.arange(width)]
        present = present & raw.any(axis=1)
        data = pa.py_buffer(np.ascontiguousarray(_HEX[raw]))
        offsets = np.arange(len(starts) + 1, dtype=np.int32) * (2 * width)
        return pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), data, bitmap(present))

    def _read(self, at: Places) -> Any:
        if len(at) and at.max() >= len(self.bytes):
            raise OddError
        return self.bytes[at]


def bitmap(present: Any) -> Any:
    """The validity of an array's values as Arrow has it."""
    return None if present is None else pa.array(present).buffers()[1]
