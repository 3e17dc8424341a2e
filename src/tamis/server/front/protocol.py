"""uvicorn's HTTP protocol with limits: on a request's head, trailers included, on connections, and on slow readers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, cast

from httptools import parse_url
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tamis.server.problems import stopping_problem

_PIECE_BYTES = 4_096
"""A head is parsed in pieces of this size, so that it is measured before the rest of what came is looked at."""
_LINE_BYTES = 4
"""What stands around a header's name and value."""
LINGER_S, LINGER_BYTES_MAX = 2.0, 16 << 20
"""So long, and for so many bytes, we listen to a caller that still sends after our last answer: closing at once would
reset the connection, and take the answer away from it."""


_REFUSAL_HEADERS = (
    b"content-length: 0\r\nconnection: close\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n"
    b"content-security-policy: default-src 'none'\r\n\r\n"
)


class _RefusedError(Exception):
    """What the parser was just told may not go on."""


async def _nothing(*_: object) -> None:
    """The application of a protocol that has no limits of its own."""


class _Exit:
    """What an answer is written to: says nothing to a caller that is gone, and closes so that it reads the end."""

    def __init__(self, protocol: "GuardedProtocol") -> None:
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        """A piece of the answer, unless the connection has ended."""
        if not self.is_closing():
            self._protocol.transport.write(data)

    def close(self) -> None:
        """The answer was the connection's last."""
        self._protocol.end()

    def is_closing(self) -> bool:
        """Whether nothing can be said any more."""
        return self._protocol.transport.is_closing()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may take, and all of them together. `met` counts a limit by its setting; `crowded`
    answers the requests of connections that are too many."""

    head_bytes_max: int = 1 << 16
    head_timeout_s: float = 10.0
    send_timeout_s: float = 60.0
    connections_max: int = 1_000
    met: Callable[[str], None] = lambda setting: None
    crowded: ASGIApp = _nothing


class _Stoppable(HttpToolsProtocol):
    """Whose requests can be told that the server stops while their bodies still come."""

    _is_over = False

    def give_up_body(self) -> None:
        """The server stops: a request whose body is not whole by now is told so, and comes again."""
        self._is_over = True
        if self.cycle is not None and self.cycle.more_body and not self.cycle.response_started:
            self.cycle.message_event.set()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def rest() -> Message:
            message = await receive()
            if self._is_over and message.get("more_body"):
                raise stopping_problem()
            return message

        await self.config.loaded_app(scope, rest, send)


class GuardedProtocol(_Stoppable):
    """Refuses requests whose head or trailers are too large (431), that name two hosts or carry two tokens (400), or
    whose body is in a coding that is not known here (501), or whose connection is one too many (503). Closes
    connections whose head, or the rest of a body that nobody reads any more, takes too long, and those that read
    nothing of their answer for too long (without a word). `everyone` holds all connections that are open."""

    limits = Limits()
    everyone: ClassVar["set[GuardedProtocol]"] = set()

    _in_head = True
    _lingers = False
    _ignored_bytes = 0
    _head_bytes = 0
    _untold_bytes = 0
    _status = HTTPStatus.BAD_REQUEST
    _late: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A caller came."""
        super().connection_made(transport)
        self.everyone.add(self)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """A caller went."""
        self.everyone.discard(self)
        self._unwatch()
        self._unstick()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The caller reads more slowly than is sent."""
        super().pause_writing()
        self._unstick()
        self._stuck = self.loop.call_later(self.limits.send_timeout_s, self._abort)

    def resume_writing(self) -> None:
        """It has read most of what was sent."""
        self._unstick()
        super().resume_writing()

    def _unstick(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _abort(self) -> None:
        """What was sent would wait for a caller for ever that does not read it: closing would, too."""
        self.limits.met("server.send_timeout_s")
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes of heads and trailers are counted, those of bodies are the routes' to count."""
        if self._lingers:
            self._ignore(len(data))
            return
        rest = memoryview(data)
        while len(rest) and not self.transport.is_closing() and not self._lingers:
            if self._in_head and self._late is None:
                self._watch()
            piece = rest[:_PIECE_BYTES] if self._in_head else rest
            rest = rest[len(piece) :]
            self._untold_bytes += len(piece)
            super().data_received(piece)  # type: ignore[arg-type]  # the parser takes any buffer
            if self._head_bytes + self._untold_bytes > self.limits.head_bytes_max:
                self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        """The refusal, unless an answer is on its way already: then the connection only ends."""
        if self.transport.is_closing() or self._lingers:
            return
        if self._status is HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            self.limits.met("server.header_bytes_max")
        if self._may_answer():
            line = f"HTTP/1.1 {self._status.value} {self._status.phrase}\r\n"
            self.transport.write(line.encode() + _REFUSAL_HEADERS)
            self._linger()
        else:
            self.transport.close()

    def end(self) -> None:
        """Close after the last answer; when its caller still sends, let it hear that first."""
        if self._in_head or self.transport.is_closing():
            self.transport.close()
        elif not self._lingers:
            self._linger()

    def _linger(self) -> None:
        self._lingers = True
        self._unwatch()
        self._late = self.loop.call_later(LINGER_S, self.transport.close)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _ignore(self, count: int) -> None:
        self._ignored_bytes += count
        if self._ignored_bytes > LINGER_BYTES_MAX:
            self.transport.close()

    def _may_answer(self) -> bool:
        """Whether bytes written now are the answer to what is being read, and not a part of another one."""
        if self._in_head:
            return self.cycle is None or self.cycle.response_complete
        return not self.cycle.response_started and not self.pipeline

    def on_message_begin(self) -> None:
        """The head of a request begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes, self._untold_bytes = True, 0, 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        super().on_url(url)
        self._told_bytes(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer: those mean nothing here."""
        self._told_bytes(len(name) + len(value) + _LINE_BYTES)
        if self._in_head:
            super().on_header(name, value)

    def _told_bytes(self, count: int) -> None:
        self._untold_bytes = 0
        self._head_bytes += count
        if self._head_bytes > self.limits.head_bytes_max:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if not self._names_one_host() or self._tokens() > 1:
            self._refuse(HTTPStatus.BAD_REQUEST)
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
            self._refuse(HTTPStatus.NOT_IMPLEMENTED)
        self._in_head, self._untold_bytes = False, 0
        self._unwatch()
        if len(self.connections) > self.limits.connections_max:
            self.limits.met("server.connections_max")
            self.app = self.limits.crowded
        else:
            self.app = self._serve
        super().on_headers_complete()
        self.cycle.transport = cast("asyncio.Transport", _Exit(self))

    def _names_one_host(self) -> bool:
        """RFC 9112, 3.2: one Host header, and none beside it in the target that says otherwise."""
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            return False
        target = parse_url(self.url)
        if not target.host:
            return self.url.startswith(b"/")
        authority = target.host if target.port is None else b"%b:%d" % (target.host, target.port)
        return bool(hosts) and authority.lower() == hosts[0].lower()

    def _tokens(self) -> int:
        return sum(name == b"authorization" for name, _ in self.headers)

    def _refuse(self, status: HTTPStatus) -> None:
        """Make the parser stop here; uvicorn then asks for `send_400_response`."""
        self._status = status
        raise _RefusedError

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._untold_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole, its trailers too."""
        super().on_message_complete()
        self._in_head, self._head_bytes, self._untold_bytes = True, 0, 0
        self._unwatch()

    def on_response_complete(self) -> None:
        """The answer is sent; what is left of the request's body has a head's time to come."""
        if self._lingers:
            self.server_state.total_requests += 1
            return
        super().on_response_complete()
        if not self._in_head and not self.transport.is_closing():
            self._watch()

    def _watch(self) -> None:
        self._unwatch()
        self._late = self.loop.call_later(self.limits.head_timeout_s, self._end)

    def _end(self) -> None:
        self.limits.met("server.header_timeout_s")
        self.transport.close()

    def _unwatch(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def guarded_protocol(limits: Limits) -> type[GuardedProtocol]:
    """The protocol with these limits (uvicorn takes a class)."""
    return type("LimitedProtocol", (GuardedProtocol,), {"limits": limits, "everyone": set()})
