"""uvicorn's HTTP protocol with a limit on the size and the duration of a request's head, trailers included."""

import asyncio
from http import HTTPStatus

from httptools import parse_url
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_PIECE_BYTES = 4_096
"""A head is parsed in pieces of this size, so that it is measured before the rest of what came is looked at."""
_LINE_BYTES = 4
"""What stands around a header's name and value."""


class _RefusedError(Exception):
    """What the parser was just told may not go on."""


class GuardedProtocol(HttpToolsProtocol):
    """Refuses requests whose head or trailers are too large (431), that name two hosts or carry two tokens (400), or
    whose body is in a coding that is not known here (501). Closes connections whose head, or the rest of a body that
    nobody reads any more, takes too long (without a word)."""

    head_bytes_max = 1 << 16
    head_timeout_s = 10.0

    _in_head = True
    _head_bytes = 0
    _untold_bytes = 0
    _status = HTTPStatus.BAD_REQUEST
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A caller came."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """A caller went."""
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of heads and trailers are counted, those of bodies are the routes' to count."""
        rest = memoryview(data)
        while len(rest) and not self.transport.is_closing():
            if self._in_head and self._late is None:
                self._watch()
            piece = rest[:_PIECE_BYTES] if self._in_head else rest
            rest = rest[len(piece) :]
            self._untold_bytes += len(piece)
            super().data_received(piece)  # type: ignore[arg-type]  # the parser takes any buffer
            if self._head_bytes + self._untold_bytes > self.head_bytes_max:
                self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        """The refusal, unless an answer is on its way already: then the connection only ends."""
        if self.transport.is_closing():
            return
        if self._may_answer():
            line = f"HTTP/1.1 {self._status.value} {self._status.phrase}\r\n"
            self.transport.write(line.encode() + b"content-length: 0\r\nconnection: close\r\n\r\n")
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
        if self._head_bytes > self.head_bytes_max:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if not self._names_one_host() or self._tokens() > 1:
            self._refuse(HTTPStatus.BAD_REQUEST)
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
            self._refuse(HTTPStatus.NOT_IMPLEMENTED)
        self._in_head, self._untold_bytes = False, 0
        self._unwatch()
        super().on_headers_complete()

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
        super().on_response_complete()
        if not self._in_head and not self.transport.is_closing():
            self._watch()

    def _watch(self) -> None:
        self._unwatch()
        self._late = self.loop.call_later(self.head_timeout_s, self.transport.close)

    def _unwatch(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def guarded_protocol(head_bytes_max: int, head_timeout_s: float) -> type[GuardedProtocol]:
    """The protocol with these limits (uvicorn takes a class)."""
    limits = {"head_bytes_max": head_bytes_max, "head_timeout_s": head_timeout_s}
    return type("LimitedProtocol", (GuardedProtocol,), limits)
