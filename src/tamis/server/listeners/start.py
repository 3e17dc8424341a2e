"""Where the listeners are put together."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from tamis.server.listeners.allowed import Networks, allowed_networks
from tamis.server.listeners.batcher import Batcher
from tamis.server.listeners.bound import bind_both, bind_datagrams, bind_stream, syslog_tls
from tamis.server.listeners.chunks import GelfJoin
from tamis.server.listeners.datagrams import Datagrams
from tamis.server.listeners.http import OpenHttp
from tamis.server.listeners.keeping import Keeper
from tamis.server.listeners.reading import Reading
from tamis.server.listeners.streams import Streams
from tamis.server.routes.gelf import gelf_routes
from tamis.server.routes.journal import journal_routes
from tamis.server.service import Service
from tamis.settings import Settings
from tamis.wire.arrivals import Arrival
from tamis.wire.base import Decoded, DecodeOptions
from tamis.wire.frames import Frames
from tamis.wire.gelf import decode_messages as decode_gelf
from tamis.wire.syslog_messages import decode_messages as decode_syslog

Decode = Callable[[Sequence[Arrival], DecodeOptions], Decoded]

HANDSHAKE_S = 10.0
CHUNKS_BYTES_SHARE = 4
"""Chunks of GELF may take this share of what may wait."""


class _Ends(Protocol):
    async def close(self) -> None: ...


class Listeners:
    """All listeners that have a port. For one event loop; `service` has its store."""

    def __init__(self, service: Service, settings: Settings, *, http: type[asyncio.Protocol]) -> None:
        self._service, self._settings, self._http = service, settings, http
        self._networks: Networks = allowed_networks(settings)
        self._sources: list[_Ends] = []
        self._batchers: list[Batcher] = []
        self.ports: dict[str, int] = {}
        """Where they listen, by protocol."""

    async def start(self) -> None:
        """Listen. ConfigError when one cannot; those before it are closed then."""
        syslog, gelf, journal = self._settings.syslog, self._settings.gelf, self._settings.journal
        try:
            if syslog.udp_port is not None:
                bound = bind_datagrams(self._settings, "syslog.udp_port", syslog.udp_port)
                self._datagrams("syslog-udp", bound, decode=decode_syslog)
            if syslog.tcp_port is not None:
                bound = bind_stream(self._settings, "syslog.tcp_port", syslog.tcp_port)
                await self._streams("syslog-tcp", bound)
            if syslog.tls_port is not None:
                tls = syslog_tls(self._settings)
                bound = bind_stream(self._settings, "syslog.tls_port", syslog.tls_port)
                await self._streams("syslog-tls", bound, tls=tls)
            if gelf.port is not None:
                await self._gelf(gelf.port)
            if journal.port is not None:
                routes = OpenHttp(
                    journal_routes(),
                    "journal",
                    service=self._service,
                    networks=self._networks,
                    http=self._http,
                )
                bound = bind_stream(self._settings, "journal.port", journal.port)
                await self._listen("journal", bound, routes)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Read what has arrived, and store what was read."""
        await asyncio.gather(*(source.close() for source in self._sources))
        await asyncio.gather(*(batcher.close() for batcher in self._batchers))

    async def _gelf(self, port: int) -> None:
        routes = OpenHttp(
            gelf_routes(), "gelf-http", service=self._service, networks=self._networks, http=self._http
        )
        self._sources.append(routes)
        frames = partial(Frames, self._settings.listener.message_bytes_max, counted=False, lines=False)
        batcher = self._batcher("gelf-tcp", decode_gelf)
        streams = Streams(batcher, self._reading(frames, http=routes.protocol))
        stream, datagrams = bind_both(self._settings, "gelf.port", port)
        await self._listen("gelf-tcp", stream, streams)
        self._datagrams("gelf-udp", datagrams, decode=decode_gelf)

    async def _streams(
        self, protocol: str, bound: socket.socket, *, tls: ssl.SSLContext | None = None
    ) -> None:
        frames = partial(Frames, self._settings.listener.message_bytes_max)
        streams = Streams(self._batcher(protocol, decode_syslog), self._reading(frames))
        await self._listen(protocol, bound, streams, tls=tls)

    async def _listen(
        self,
        name: str,
        bound: socket.socket,
        protocol: "Streams | OpenHttp",
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._sources.append(protocol)
        server = await asyncio.get_running_loop().create_server(
            protocol.protocol,
            sock=bound,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else HANDSHAKE_S,
        )
        protocol.listen(server)
        self.ports[name] = bound.getsockname()[1]

    def _datagrams(self, name: str, bound: socket.socket, *, decode: Decode) -> None:
        batcher = self._batcher(name, decode)
        reading = self._reading(lambda: Frames(self._settings.listener.message_bytes_max))
        join = None
        if decode is decode_gelf:
            chunks_bytes_max = self._settings.listener.waiting_bytes_max // CHUNKS_BYTES_SHARE
            join = GelfJoin(chunks_bytes_max, batcher.tally, self._service.clock)
        self._sources.append(Datagrams(bound, batcher, reading, join=join))
        self.ports[name] = bound.getsockname()[1]

    def _batcher(self, protocol: str, decode: Decode) -> Batcher:
        opened = self._service.ready()
        keeper = Keeper(opened, protocol)
        limit = self._settings.listener.message_bytes_max
        loop = asyncio.get_running_loop()
        batcher = Batcher(
            self._service.tallies.of(protocol),
            lambda arrivals: decode(arrivals, keeper.options(line_bytes_max=limit)),
            keeper.keep,
            run=lambda work: loop.run_in_executor(self._service.writes, work),
            waiting_bytes_max=self._settings.listener.waiting_bytes_max,
        )
        self._batchers.append(batcher)
        return batcher

    def _reading(
        self, frames: Callable[[], Frames], *, http: Callable[[], asyncio.Protocol] | None = None
    ) -> Reading:
        return Reading(frames, self._settings.listener, self._networks, self._service.clock, http)
