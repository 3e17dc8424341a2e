"""Messages over connections: TCP, with or without TLS."""

import asyncio
import re
from collections import Counter
from typing import cast

from tamis.server.listeners.allowed import peer_address
from tamis.server.listeners.batcher import Batcher
from tamis.server.listeners.reading import Reading
from tamis.wire.arrivals import Arrival
from tamis.wire.frames import Framed

HTTP_HEAD = re.compile(rb"[A-Z]{3,7} [^ \r\n]+ HTTP/1\.[01]\r\n")
"""A request line, whole: a log line may begin like one."""
SWEEPS = 4
"""Within the idle time connections are looked at so often."""
QUIET_S = 0.1
"""A connection that says nothing for so long has said all, when the server stops."""
DRAIN_S = 1.0
"""So long connections may go on then …"""
PAUSED_S = 2.0
"""… once the store takes what they said before, for which it has so long."""


class Streams:
    """The connections of one listener. For one event loop."""

    def __init__(self, batcher: Batcher, reading: Reading) -> None:
        self.batcher, self.reading, self.tally = batcher, reading, batcher.tally
        self._open: set[Connection] = set()
        self._peers: Counter[str] = Counter()
        self._paused = False
        self._held_bytes = 0
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        batcher.attach(self)

    def protocol(self) -> asyncio.Protocol:
        """For one more connection."""
        return Connection(self)

    def listen(self, server: asyncio.Server) -> None:
        """This one accepts our connections."""
        self._server = server
        self._sweep()

    def pause(self) -> None:
        """Read nothing; senders wait."""
        self._paused = True
        for one in self._open:
            one.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        now_s = asyncio.get_running_loop().time()
        for one in self._open:
            one.heard_s = now_s
            one.transport.resume_reading()

    def admit(self, connection: "Connection") -> str | None:
        """Take a connection in, or say which limit is against it."""
        limits, peer = self.reading.limits, connection.peer
        if not self.reading.networks.has(peer):
            return "listener.allowed"
        if len(self._open) >= limits.connections_max:
            return "listener.connections_max"
        if self._peers[peer] >= limits.source_connections_max:
            return "listener.source_connections_max"
        self._open.add(connection)
        self._peers[peer] += 1
        self.tally.connect(1)
        if self._paused:
            connection.transport.pause_reading()
        return None

    def leave(self, connection: "Connection") -> None:
        """A connection is over, or another protocol's."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._peers[connection.peer] -= 1
        if not self._peers[connection.peer]:
            del self._peers[connection.peer]
        self.tally.connect(-1)

    def hold(self, change: int) -> bool:
        """So many more bytes wait for the end of their message; whether there is room for them."""
        self._held_bytes += change
        return self._held_bytes <= self.reading.limits.waiting_bytes_max

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        timeout_s = self.reading.limits.idle_timeout_s
        self._sweeping = loop.call_later(timeout_s / SWEEPS, self._sweep)
        for one in list(self._open):
            if not self._paused and loop.time() - one.heard_s > timeout_s:
                one.refuse("listener.idle_timeout_s")

    async def close(self) -> None:
        """Take no more connections, and read what has arrived of those there are."""
        if self._server is not None:
            self._server.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._drain()
        for one in list(self._open):
            one.end()

    async def _drain(self) -> None:
        """Let connections go on until they are quiet, for a while; longer while the store has stopped the reading."""
        loop = asyncio.get_running_loop()
        step_s = QUIET_S / 4
        drained_s = paused_s = 0.0
        while self._open and drained_s < DRAIN_S and paused_s < PAUSED_S:
            if self._paused:
                paused_s += step_s
            elif all(loop.time() - one.heard_s > QUIET_S for one in self._open):
                return
            else:
                drained_s += step_s
            await asyncio.sleep(step_s)


class Connection(asyncio.Protocol):
    """One sender."""

    transport: asyncio.Transport

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._frames = streams.reading.frames()
        self._held_bytes = 0
        self._said = False
        self._over = False
        self._loop = asyncio.get_running_loop()
        self.heard_s = self._loop.time()
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A sender came."""
        self.transport = cast(asyncio.Transport, transport)
        self.peer = peer_address(transport.get_extra_info("peername"))
        why = self._streams.admit(self)
        if why is not None:
            self.refuse(why)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._over:
            return
        if not self._said:
            self._said = True
            if HTTP_HEAD.match(data):
                self._hand_over(data)
                return
        self.heard_s = self._loop.time()
        self._add(self._frames.feed(data))
        change = self._frames.held_bytes - self._held_bytes
        if change:
            self._held_bytes += change
            if not self._streams.hold(change) and change > 0:
                self.refuse("listener.waiting_bytes_max")

    def eof_received(self) -> None:
        """The sender says no more: the connection ends."""

    def connection_lost(self, error: Exception | None) -> None:
        """The sender went."""
        self._finish()

    def end(self) -> None:
        """The server stops: what was read is kept, the connection ends."""
        self._finish()
        self.transport.close()

    def refuse(self, reason: str) -> None:
        """A limit is against this connection: it ends."""
        self._streams.tally.refuse(self.peer, reason)
        self._finish()
        self.transport.abort()

    def _finish(self) -> None:
        """What is left is a message, too."""
        if self._over:
            return
        self._over = True
        self._add(self._frames.finish())
        self._streams.hold(-self._held_bytes)
        self._held_bytes = 0
        self._streams.leave(self)

    def _add(self, framed: Framed) -> None:
        if framed.messages:
            now_ns = self._streams.reading.clock.now_ns()
            self._streams.batcher.add(Arrival(self.peer, now_ns, framed.messages, framed.cut))

    def _hand_over(self, data: bytes) -> None:
        if self._streams.reading.http is None:
            self.refuse("http")
            return
        self._over = True
        self._streams.leave(self)
        protocol = self._streams.reading.http()
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        protocol.data_received(data)
