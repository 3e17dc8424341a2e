"""Frames of the journal: one batch each.

A payload is the length of its header (4 bytes, little-endian), the header (JSON, `FrameHeader`), and the
records as an Arrow stream without `seq` (nothing when the batch has no records).
"""

import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from tamis.errors import FormatError
from tamis.store.embedded.format.manifest import BatchEntry

KIND_BATCH = 1

_LENGTH = struct.Struct("<I")


class FrameHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal says of a batch: its records have the sequences from `first_seq` on.

    `id` is the batch's when it came with one; `receipt` is kept beside it. `received` are UTC ns.
    """

    first_seq: int
    count: int
    received: int
    id: str | None = None
    receipt: bytes = b""

    def entry(self) -> BatchEntry | None:
        """What is remembered of the batch; None when it came without an id."""
        if self.id is None:
            return None
        return BatchEntry(
            id=self.id,
            first_seq=self.first_seq,
            count=self.count,
            received=self.received,
            receipt=self.receipt,
        )


_decoder = msgspec.json.Decoder(FrameHeader)


def encode_frame(header: FrameHeader, records: Any) -> Sequence[Any]:
    """A frame's payload in pieces; `records` is a buffer or None."""
    head = msgspec.json.encode(header)
    pieces = [_LENGTH.pack(len(head)) + head]
    return pieces if records is None else [*pieces, records]


def decode_frame(payload: bytes) -> tuple[FrameHeader, memoryview]:
    """A payload's header and records. Raises FormatError when it is none."""
    try:
        (length,) = _LENGTH.unpack_from(payload)
        header = _decoder.decode(payload[_LENGTH.size : _LENGTH.size + length])
    except (struct.error, msgspec.MsgspecError) as error:
        raise FormatError(f"a frame of the journal cannot be read: {error}") from error
    return header, memoryview(payload)[_LENGTH.size + length :]
