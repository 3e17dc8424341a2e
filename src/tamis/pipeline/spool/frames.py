"""What stands in a spool's frames.

| kind | payload |
|---|---|
| 1, 2 | records: ordinal of the first (8 bytes), their number (4), then the records as MessagePack or JSON |
| 3 | a batch is about to be sent: its id, and the runs of ordinals in it |
| 4 | runs of ordinals that need not be sent any more |
| 5 | the beginning of a file: whose it is |
| 6 | a dead letter: why, when, of which batch; then the record as in 1 and 2 |

Ordinals number the records of one spool from 0, through all its files. Runs are `[start, end before]`.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from tamis.disk.journal import Frame
from tamis.pipeline.parcel import JSON, MSGPACK, decode_records
from tamis.record.model import Record

MARK: Final = 3
SETTLED: Final = 4
BEGIN: Final = 5
DEAD: Final = 6
RECORD_KINDS = frozenset((MSGPACK, JSON))
_PLACE = struct.Struct("<QI")

Run = tuple[int, int]


class Begin(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a file is: the sink it waits for, and the process that logged. `first` is the ordinal of the first
    record that may stand in it.
    """

    sink: str
    process: str
    process_id: int
    began_ns: int
    first: int = 0


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A batch that was about to be sent."""

    id: str
    runs: list[Run]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink will never take: why, when it said so, and in which batch; the record as bytes."""

    reason: str
    at_ns: int
    batch: str
    form: int
    payload: bytes

    @property
    def record(self) -> Record:
        """The record; ValueError when the bytes are not one."""
        return decode_records(self.form, self.payload)[0]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the records of a frame stand."""

    first: int
    count: int

    @property
    def end(self) -> int:
        """The ordinal after the last."""
        return self.first + self.count


def encode_place(first: int, count: int) -> bytes:
    """What stands before the records of a frame."""
    return _PLACE.pack(first, count)


def decode_place(frame: Frame) -> Place:
    """Of a frame with records; ValueError when it is too short."""
    if len(frame.payload) < _PLACE.size:
        raise ValueError("a frame without its ordinals")
    return Place(*_PLACE.unpack_from(frame.payload))


def decode_frame(frame: Frame) -> list[Record]:
    """The records of a frame; ValueError when they are not what its place says."""
    records = decode_records(frame.kind, memoryview(frame.payload)[_PLACE.size :])
    if len(records) != decode_place(frame).count:
        raise ValueError("another number of records than the frame says")
    return records


_encode = msgspec.msgpack.Encoder().encode


def encode_mark(batch_id: str, runs: Sequence[Run]) -> bytes:
    """Kind 3."""
    return _encode(Mark(batch_id, list(runs)))


def encode_runs(runs: Sequence[Run]) -> bytes:
    """Kind 4."""
    return _encode(list(runs))


def encode_begin(begin: Begin) -> bytes:
    """Kind 5."""
    return _encode(begin)


def encode_dead(letter: DeadLetter) -> bytes:
    """Kind 6."""
    return _encode(letter)


_marks = msgspec.msgpack.Decoder(Mark)
_runs = msgspec.msgpack.Decoder(list[Run])
_begins = msgspec.msgpack.Decoder(Begin)
_letters = msgspec.msgpack.Decoder(DeadLetter)


def decode_mark(payload: bytes) -> Mark:
    """Kind 3; ValueError when it is not one."""
    return _marks.decode(payload)


def decode_runs(payload: bytes) -> list[Run]:
    """Kind 4; ValueError when it is not one."""
    return _runs.decode(payload)


def decode_begin(payload: bytes) -> Begin:
    """Kind 5; ValueError when it is not one."""
    return _begins.decode(payload)


def decode_dead(payload: bytes) -> DeadLetter:
    """Kind 6; ValueError when it is not one."""
    return _letters.decode(payload)
