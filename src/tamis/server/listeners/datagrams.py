"""Messages in datagrams: UDP."""

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import Protocol

from tamis.server.listeners.allowed import peer_address
from tamis.server.listeners.batcher import Batcher
from tamis.server.listeners.reading import Reading
from tamis.wire.arrivals import Arrival

DATAGRAM_BYTES_MAX = 1 << 16
READS_MAX = 256
"""Datagrams that are read before others have their turn."""
LOOK_S = 1.0
"""So often drops are counted, and chunks given up."""
_TABLES = (Path("/proc/net/udp"), Path("/proc/net/udp6"))
_INODE, _DROPS = 9, -1


class Join(Protocol):
    """Makes messages of datagrams."""

    def message(self, datagram: bytes, peer: str) -> bytes | None:
        """The message that is whole now; None: more is to come."""
        ...

    def expire(self) -> None:
        """Time went by."""
        ...

    def end(self) -> None:
        """Nothing more comes."""
        ...


class Datagrams:
    """The datagrams of one listener. For one event loop.

    While it is paused, they wait in the system's buffer; what finds no room there is lost, and counted as far as
    Linux says.
    """

    def __init__(
        self, bound: socket.socket, batcher: Batcher, reading: Reading, *, join: Join | None
    ) -> None:
        self._bound, self._batcher, self._reading, self._join = bound, batcher, reading, join
        self._tally = batcher.tally
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(DATAGRAM_BYTES_MAX)
        self._view = memoryview(self._buffer)
        self._drops = 0
        self._ended = False
        bound.setblocking(False)
        batcher.attach(self)
        self.resume()
        self._look_around()

    def pause(self) -> None:
        """Read nothing."""
        self._loop.remove_reader(self._bound)

    def resume(self) -> None:
        """Read again, unless the server ends."""
        if self._ended:
            return
        self._loop.add_reader(self._bound, self._read)

    async def close(self) -> None:
        """Read what has arrived, and nothing after it."""
        self._ended = True
        self.pause()
        while self._read():
            await asyncio.sleep(0)
        self._looking.cancel()
        self._count_drops()
        if self._join is not None:
            self._join.end()
        self._bound.close()

    def _read(self) -> bool:
        """Some datagrams; whether there may be more."""
        now_ns = self._reading.clock.now_ns()
        arrival = Arrival("", now_ns, [], {})
        more = True
        for _ in range(READS_MAX):
            try:
                size, address = self._bound.recvfrom_into(self._buffer)
            except OSError:  # nothing there, or an earlier answer of ours that nobody wanted
                more = False
                break
            arrival = self._take(peer_address(address), size, arrival)
        self._hand_on(arrival)
        return more

    def _take(self, peer: str, size: int, arrival: Arrival) -> Arrival:
        """One datagram, put to those before it when they are of the same peer."""
        if not self._reading.networks.has(peer):
            self._tally.refuse(peer, "listener.allowed")
            return arrival
        message: bytes | None = bytes(self._view[:size])
        if self._join is not None and message is not None:
            message = self._join.message(message, peer)
        if not message:
            return arrival
        if arrival.peer != peer:
            self._hand_on(arrival)
            arrival = Arrival(peer, arrival.received_ns, [], {})
        limit = self._reading.limits.message_bytes_max
        if len(message) > limit:
            arrival.cut[len(arrival.messages)] = len(message) - limit
            message = message[:limit]
        arrival.messages.append(message)
        return arrival

    def _hand_on(self, arrival: Arrival) -> None:
        if arrival.messages:
            self._batcher.add(arrival)

    def _look_around(self) -> None:
        self._count_drops()
        if self._join is not None:
            self._join.expire()
        self._looking = self._loop.call_later(LOOK_S, self._look_around)

    def _count_drops(self) -> None:
        drops = kernel_drops(self._bound)
        if drops > self._drops:
            self._tally.drop(drops - self._drops)
            self._drops = drops


def kernel_drops(bound: socket.socket) -> int:
    """How many datagrams Linux had no room for since the socket was made; 0 where it does not say."""
    inode = str(os.fstat(bound.fileno()).st_ino)
    for table in _TABLES:
        with contextlib.suppress(OSError):
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                words = line.split()
                if words[_INODE] == inode:
                    return int(words[_DROPS])
    return 0
