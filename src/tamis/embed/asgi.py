"""ASGI middleware: the correlation id in and out, the context bound, one access record a request."""

from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any, TypeAlias

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.embed.access import ACCESS_LOGGER, FAILED, Access
from tamis.embed.correlation import Incoming, read_incoming, within
from tamis.embed.install import get_logger
from tamis.embed.logger import Logger
from tamis.record.context import CORRELATION_HEADER

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEADER = CORRELATION_HEADER.lower().encode("ascii")
_RESPONSES = frozenset(("http.response.start", "websocket.accept", "websocket.http.response.start"))
_SWITCHED, _REFUSED = 101, 403


class AsgiMiddleware:
    """Wraps any ASGI application: ``app.add_middleware(tamis.AsgiMiddleware)``, or ``AsgiMiddleware(app)``.

    Records of a request carry its ids wherever they are logged; `X-Correlation-ID` stands in the response. One
    record for each request, and for each WebSocket when it ends; those to a path in `skip` leave none. What the
    application raises stands in that record and is raised again. Bodies pass as they come; other scopes
    (lifespan) are not touched.
    """

    def __init__(
        self,
        app: App,
        *,
        logger: Logger | None = None,
        skip: Collection[str] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.app = app
        self._logger = logger or get_logger(ACCESS_LOGGER)
        self._skip, self._clock = frozenset(skip), clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        incoming = read_incoming(_Headers(scope.get("headers") or ()).find)
        with within(incoming):
            exchange = _Exchange(self._begin(scope, incoming), incoming, scope, receive, send)
            try:
                await self.app(scope, exchange.receive, exchange.send)
            except BaseException as error:
                exchange.end(error)
                raise
            exchange.end(None)

    def _begin(self, scope: Scope, incoming: Incoming) -> Access:
        client = scope.get("client")
        access = Access(
            self._logger,
            self._clock,
            incoming,
            method=scope.get("method") or "WEBSOCKET",
            path=scope.get("path") or "/",
            client=str(client[0]) if client else None,
        )
        access.is_skipped = access.path in self._skip
        return access


class _Exchange:
    """What goes to and fro for one request, with an eye on it."""

    def __init__(
        self, access: Access, incoming: Incoming, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._access, self._scope, self._receive, self._send = access, scope, receive, send
        self._id = incoming.correlation_id.encode("ascii")
        self._is_websocket = scope["type"] == "websocket"
        self._length = 0

    async def receive(self) -> Message:
        message = await self._receive()
        kind = message["type"]
        if kind == "http.disconnect" and not self._access.is_finished:
            self._access.note(disconnected=True)
        elif kind == "websocket.disconnect":
            self._access.note(close_code=message.get("code", 1005))
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind in _RESPONSES:
            message = self._begin_response(message)
        await self._send(message)
        if kind in ("http.response.body", "websocket.http.response.body"):
            self._access.bytes += len(message.get("body") or b"")
            if not message.get("more_body", False):
                self._complete()
        elif kind in ("http.response.pathsend", "http.response.zerocopysend"):
            self._access.bytes = self._length
            if kind == "http.response.pathsend" or not message.get("more_body", False):
                self._complete()
        elif kind == "websocket.send":
            self._access.bytes += _size(message)
        elif kind == "websocket.close":
            self._close(message)

    def end(self, error: BaseException | None) -> None:
        """The response is complete, or the application is done with it."""
        if not self._access.is_finished:
            self._access.route = _route(self._scope)
        self._access.finish(error)

    def _complete(self) -> None:
        """Written now, for background work may go on for long; a failure's record waits for its exception."""
        self._access.stop()
        if (self._access.status or 0) < FAILED:
            self.end(None)

    def _begin_response(self, message: Message) -> Message:
        headers = list(message.get("headers") or ())
        self._length = _content_length(headers)
        self._access.status = message.get("status", _SWITCHED)
        if not any(bytes(name).lower() == _HEADER for name, _ in headers):
            headers.append((_HEADER, self._id))
        return {**message, "headers": headers}

    def _close(self, message: Message) -> None:
        if self._access.status is None:
            self._access.status = _REFUSED
        self._access.note(close_code=message.get("code", 1000))


class _Headers:
    """A request's headers by name."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._headers = headers

    def find(self, name: str) -> str | None:
        """All of that name, with commas between them."""
        wanted = name.encode("ascii")
        found = [value.decode("latin-1") for given, value in self._headers if given.lower() == wanted]
        return ",".join(found) if found else None


def _content_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    given = next((value for name, value in headers if bytes(name).lower() == b"content-length"), b"")
    return int(given) if given.isdigit() else 0


def _size(message: Message) -> int:
    data = message.get("bytes")
    return len(data) if data is not None else len((message.get("text") or "").encode("utf-8", "replace"))


def _route(scope: Scope) -> str | None:
    """The route as the framework writes it, such as ``/orders/{order_id}``; None when it does not tell."""
    given = scope.get("tamis.route")
    if given is None:
        given = getattr(scope.get("route"), "path", None)
    return given if isinstance(given, str) else None
