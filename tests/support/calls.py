"""When the calls of a process had returned, in memory that outlives it: what it knew when it was killed."""

import mmap
import struct
import time
from dataclasses import dataclass
from pathlib import Path

KEPT = 1 << 16
"""Of so many calls of each thread, the newest, the instants are kept."""
_NUMBER, _INSTANTS = struct.Struct("<q"), struct.Struct("<dd")
_LANE_BYTES = _NUMBER.size + KEPT * _INSTANTS.size


class Calls:
    """Notes calls of some threads, each of which writes its own lane."""

    def __init__(self, path: Path, threads: int) -> None:
        with path.open("wb") as file:
            file.truncate(threads * _LANE_BYTES)
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    def returned(self, thread: int, number: int) -> None:
        """The call with this number, counted from 0, has returned."""
        lane = thread * _LANE_BYTES
        place = lane + _NUMBER.size + number % KEPT * _INSTANTS.size
        _INSTANTS.pack_into(self._memory, place, time.monotonic(), time.process_time())
        _NUMBER.pack_into(self._memory, lane, number + 1)


@dataclass(frozen=True, slots=True)
class Loss:
    """How old the oldest lost record was: by the clock, and in processor time of the process, which is what is left
    of it on a machine with much else to do.
    """

    records: int
    clock_s: float
    processor_s: float


def loss_of(path: Path, arrived: dict[int, int]) -> Loss:
    """What of the noted calls did not arrive; `arrived` is how many of each thread did, the first ones."""
    data = path.read_bytes()
    lanes = [data[start : start + _LANE_BYTES] for start in range(0, len(data), _LANE_BYTES)]
    counts = [_NUMBER.unpack_from(lane)[0] for lane in lanes]
    ends = [_instants(lane, count - 1) for lane, count in zip(lanes, counts, strict=True) if count]
    end_s, end_processor_s = max(end[0] for end in ends), max(end[1] for end in ends)
    lost, clock_s, processor_s = 0, 0.0, 0.0
    for thread, (lane, count) in enumerate(zip(lanes, counts, strict=True)):
        there = arrived.get(thread, 0)
        if there < count:
            assert count - there < KEPT, (thread, there, count)
            at_s, at_processor_s = _instants(lane, there)
            lost += count - there
            clock_s = max(clock_s, end_s - at_s)
            processor_s = max(processor_s, end_processor_s - at_processor_s)
    return Loss(lost, clock_s, processor_s)


def _instants(lane: bytes, number: int) -> tuple[float, float]:
    clock_s, processor_s = _INSTANTS.unpack_from(lane, _NUMBER.size + number % KEPT * _INSTANTS.size)
    return clock_s, processor_s
