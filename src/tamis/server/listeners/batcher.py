"""From what senders sent to safe records: batches, one after the other, and a stop when the store is behind."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tamis.errors import DiskError, OverloadedError
from tamis.server.listeners.tally import Tally
from tamis.wire.arrivals import Arrival, Arrived
from tamis.wire.base import Decoded

BATCH_MESSAGES, BATCH_BYTES = 20_000, 4 << 20
FEW_MESSAGES = 1_000
LINGER_S = 0.02
"""So long a batch of few messages waits for more: each costs an fsync."""
MESSAGE_BYTES = 64
"""What a message takes beside its bytes."""
RETRY_S = 1.0
STOP_S = 3.0
"""So long the last batches are tried when the server stops."""
_LOG = logging.getLogger("tamis.server")

Keep = Callable[[Decoded], object]
"""Stores what was decoded, and returns once it is safe. Blocks: called in a worker thread."""
Decode = Callable[[Sequence[Arrival]], Decoded]


class Source(Protocol):
    """What reads for a batcher, and can stop for a while."""

    def pause(self) -> None:
        """Read nothing until `resume`."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...


@dataclass(slots=True)
class _Batch:
    arrivals: list[Arrival]
    count: int
    decoded: Decoded | None = None


class Batcher:
    """Takes what one listener's senders sent, and stores it. For one event loop.

    While more than `waiting_bytes_max` wait, the sources are paused; what they had read by then is taken still. A
    store that pushes back is asked again until it takes the batch: nothing is dropped while the server runs.
    """

    def __init__(
        self,
        tally: Tally,
        decode: Decode,
        keep: Keep,
        *,
        run: Callable[[Callable[[], Decoded]], "asyncio.Future[Decoded]"],
        waiting_bytes_max: int,
    ) -> None:
        self.tally = tally
        self._decode, self._keep, self._run = decode, keep, run
        self._bytes_max = waiting_bytes_max
        self._sources: list[Source] = []
        self._waiting: deque[Arrival] = deque()
        self._count = 0
        self._bytes = 0
        self._paused = False
        self._come = asyncio.Event()
        self._ends_s: float | None = None
        self._task = asyncio.create_task(self._store_all())

    def attach(self, source: Source) -> None:
        """Pause this one, too."""
        self._sources.append(source)

    def add(self, arrival: Arrival) -> None:
        """Messages came."""
        self._waiting.append(arrival)
        size = _size(arrival)
        self._count += len(arrival.messages)
        self._bytes += size
        self.tally.wait(size)
        self._come.set()
        if self._bytes > self._bytes_max and not self._paused:
            self._paused = True
            self.tally.pause()
            for source in self._sources:
                source.pause()

    async def close(self) -> None:
        """Store what waits; what the store does not take in time is lost, and counted."""
        self._ends_s = asyncio.get_running_loop().time() + STOP_S
        self._come.set()
        await self._task

    async def _store_all(self) -> None:
        while True:
            await self._come.wait()
            if self._ends_s is None and self._count < FEW_MESSAGES:
                await asyncio.sleep(LINGER_S)
            if self._waiting:
                await self._store(self._next())
            elif self._ends_s is not None:
                return
            else:
                self._come.clear()

    def _next(self) -> _Batch:
        batch = _Batch([], 0)
        size = 0
        while self._waiting and batch.count < BATCH_MESSAGES and size < BATCH_BYTES:
            arrival = self._waiting.popleft()
            batch.arrivals.append(arrival)
            batch.count += len(arrival.messages)
            size += _size(arrival)
        return batch

    async def _store(self, batch: _Batch) -> None:
        try:
            decoded = await self._stored(batch)
        except Exception as error:  # the edge: whatever a batch does, the next ones are stored
            _LOG.error("%s: a batch could not be stored", self.tally.protocol, exc_info=error)
            self.tally.lose(batch.count, f"could not be stored: {type(error).__name__}")
        else:
            self._tell(batch, decoded)
        self._count -= batch.count
        size = sum(map(_size, batch.arrivals))
        self._bytes -= size
        self.tally.wait(-size)
        if self._paused and self._bytes <= self._bytes_max // 2:
            self._paused = False
            for source in self._sources:
                source.resume()

    async def _stored(self, batch: _Batch) -> Decoded:
        """Try until the store takes it, or the server has to end."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await self._run(lambda: self._take(batch))
            except (OverloadedError, DiskError) as error:
                wait_s = error.retry_after_s if isinstance(error, OverloadedError) else RETRY_S
                if self._ends_s is not None and loop.time() + wait_s > self._ends_s:
                    raise
            await asyncio.sleep(wait_s)

    def _take(self, batch: _Batch) -> Decoded:
        if batch.decoded is None:
            batch.decoded = self._decode(batch.arrivals)
        self._keep(batch.decoded)
        return batch.decoded

    def _tell(self, batch: _Batch, decoded: Decoded) -> None:
        rejected = decoded.rejected_count
        cut = Arrived(batch.arrivals).cut.keys() if any(one.cut for one in batch.arrivals) else set()
        kept_cut = cut - {one.line - 1 for one in decoded.rejected}
        self.tally.store(decoded.columns.length, cut=len(kept_cut))
        if not rejected:
            return
        senders = [(arrival.peer, message) for arrival in batch.arrivals for message in arrival.messages]
        shown = decoded.rejected[-self.tally.samples.maxlen :] if self.tally.samples.maxlen else ()
        for one in shown:
            peer, message = senders[one.line - 1]
            self.tally.reject(peer, one.reason, message)
        self.tally.reject_more(rejected - len(shown))


def _size(arrival: Arrival) -> int:
    return sum(map(len, arrival.messages)) + MESSAGE_BYTES * len(arrival.messages)
