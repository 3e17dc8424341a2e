"""WSGI middleware: the correlation id in and out, the context bound, one access record a request."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextvars import Context as Variables
from contextvars import copy_context
from typing import Any, TypeAlias, cast

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.embed.access import ACCESS_LOGGER, Access
from tamis.embed.correlation import Incoming, read_incoming, within
from tamis.embed.install import get_logger
from tamis.embed.logger import Logger
from tamis.record.context import CORRELATION_HEADER

Environ: TypeAlias = dict[str, Any]
Write: TypeAlias = Callable[[bytes], object]
StartResponse: TypeAlias = Callable[..., Write]
App: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

_HEADER = CORRELATION_HEADER.lower()
ROUTE_KEY = "tamis.route"
"""Where a framework's own code may write the route into the environment of a request."""


class WsgiMiddleware:
    """Wraps any WSGI application: ``app.wsgi_app = tamis.WsgiMiddleware(app.wsgi_app)`` for Flask,
    ``application = tamis.WsgiMiddleware(get_wsgi_application())`` for Django.

    Records of a request carry its ids, also those of a body that is made while it is sent; `X-Correlation-ID`
    stands in the response. One record for each request, written when its body ends; those to a path in `skip`
    leave none. What the application raises stands in that record and is raised again.
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

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """As PEP 3333 says."""
        incoming = read_incoming(_finder(environ))
        access = Access(
            self._logger,
            self._clock,
            incoming,
            method=environ.get("REQUEST_METHOD") or "GET",
            path=_path(environ),
            client=environ.get("REMOTE_ADDR") or None,
        )
        access.is_skipped = access.path in self._skip
        request = _Request(access, incoming, environ, start_response)
        return request.run(self.app)


class _Request:
    """One request: everything the application does for it runs in one set of context variables."""

    def __init__(
        self, access: Access, incoming: Incoming, environ: Environ, start_response: StartResponse
    ) -> None:
        self._access, self._incoming = access, incoming
        self._environ, self._start_response = environ, start_response
        self._variables: Variables = copy_context()

    def run(self, app: App) -> Iterable[bytes]:
        """The application's body. A list goes through as it is, so that servers may count it."""
        body = self.inside(lambda: app(self._environ, self._start))
        if isinstance(body, list | tuple):
            self._access.bytes += sum(map(len, body))
            self.inside(self.end)
            return body
        return _Body(self, body)

    def inside(self, work: Callable[[], Any]) -> Any:
        """Do something as a part of the request; what it raises is noted and raised again."""
        return self._variables.run(self._bound, work)

    def _bound(self, work: Callable[[], Any]) -> Any:
        with within(self._incoming):
            try:
                return work()
            except StopIteration:
                self.end()
                raise
            except BaseException as error:
                self.end(error)
                raise

    def sent(self, data: bytes) -> None:
        """A piece of the body."""
        self._access.bytes += len(data)

    def leave(self) -> None:
        """The server wants no more."""
        if not self._access.is_finished:
            self._access.note(disconnected=True)
            self.end()

    def end(self, error: BaseException | None = None) -> None:
        """The body is complete, or the application failed."""
        if not self._access.is_finished:
            self._access.route = _route(self._environ) or self._access.route
        self._access.finish(error)

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Write:
        code = status[:3]
        self._access.status = int(code) if code.isdigit() else None
        self._access.route = _route(self._environ)  # Flask takes its request out again before the end
        if not any(name.lower() == _HEADER for name, _ in headers):
            headers = [*headers, (CORRELATION_HEADER, self._incoming.correlation_id)]
        given = (status, headers) if exc_info is None else (status, headers, exc_info)
        write = self._start_response(*given)

        def counting(data: bytes) -> object:
            self.sent(data)
            return write(data)

        return counting


class _Body:
    """A body that is made while it is sent."""

    def __init__(self, request: _Request, body: Iterable[bytes]) -> None:
        self._request, self._body = request, body
        self._pieces: Iterator[bytes] | None = None

    def __iter__(self) -> "_Body":
        return self

    def __next__(self) -> bytes:
        piece = cast(bytes, self._request.inside(self._next))
        self._request.sent(piece)
        return piece

    def _next(self) -> bytes:
        if self._pieces is None:
            self._pieces = iter(self._body)
        return next(self._pieces)

    def close(self) -> None:
        """The server is done with it; whatever the application left to do is done now."""
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                self._request.inside(close)
        finally:
            self._request.inside(self._request.leave)


def _finder(environ: Environ) -> Callable[[str], str | None]:
    return lambda name: environ.get("HTTP_" + name.upper().replace("-", "_"))


def _path(environ: Environ) -> str:
    raw = f"{environ.get('SCRIPT_NAME') or ''}{environ.get('PATH_INFO') or ''}"
    return raw.encode("latin-1", "replace").decode("utf-8", "replace") or "/"


def _route(environ: Environ) -> str | None:
    """The route as the framework writes it; Flask leaves its request in the environment."""
    given = environ.get(ROUTE_KEY)
    if given is None:
        given = getattr(getattr(environ.get("werkzeug.request"), "url_rule", None), "rule", None)
    return given if isinstance(given, str) else None
