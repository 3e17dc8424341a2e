"""How the processes of the shop listen: small WSGI applications on a socket that the demonstration holds."""

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any, TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import msgspec

from tamis.embed.install import get_logger
from tamis.embed.wsgi import ROUTE_KEY, WsgiMiddleware

_log = get_logger("shop.serving")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: `parts` are those of the path, `body` the JSON object that came along."""

    method: str
    parts: tuple[str, ...]
    query: str
    body: dict[str, Any]


Handle: TypeAlias = Callable[[Request], tuple[int, dict[str, Any]]]
"""Answers a request with a status and a JSON object."""


def answer(handle: Handle, request: Request) -> tuple[int, dict[str, Any]]:
    """What `handle` says, and 500 with a record of the trace when it fails."""
    try:
        return handle(request)
    except Exception as error:  # the edge of a service: one request fails, the service goes on
        whom = {name: request.body[name] for name in ("customer", "order") if name in request.body}
        _log.exception(
            "unhandled %s in %s %s", type(error).__name__, request.method, route_of(request), **whom
        )
        return 500, {"error": type(error).__name__}


def route_of(request: Request) -> str:
    """The path with a name in the place of each id."""
    parts = ["{id}" if any(map(str.isdigit, part)) else part for part in request.parts]
    return "/" + "/".join(parts)


def wsgi_app(handle: Handle) -> Callable[..., Iterable[bytes]]:
    """A WSGI application around `handle`, with the package's middleware round that."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = msgspec.json.decode(environ["wsgi.input"].read(size)) if size else {}
        parts = tuple(part for part in environ["PATH_INFO"].split("/") if part)
        request = Request(environ["REQUEST_METHOD"], parts, environ.get("QUERY_STRING", ""), body)
        environ[ROUTE_KEY] = route_of(request)
        status, content = answer(handle, request)
        encoded = msgspec.json.encode(content)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(encoded)))]
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [encoded]

    return WsgiMiddleware(app)


class HttpService:
    """Serves `handle` on a descriptor until it is stopped."""

    def __init__(self, listener: int, handle: Handle) -> None:
        self._server = _Server(listener)
        self._server.set_app(wsgi_app(handle))

    def run(self) -> None:
        """Serve."""
        self._server.serve_forever(poll_interval=0.1)
        self._server.server_close()

    def stop(self) -> None:
        """No more requests; those under way are answered."""
        self._server.shutdown()


class _Server(ThreadingMixIn, WSGIServer):
    """On a socket that listens already, a thread for each request; the end waits for them."""

    daemon_threads = True

    def __init__(self, listener: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=listener)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.socket.getsockname()
        self.setup_environ()

    def handle_error(self, _request: Any, _address: Any) -> None:
        """A caller that went away is logged by whoever it was."""
        _log.debug("a caller hung up before its answer")


class _Handler(WSGIRequestHandler):
    """Keeps no log of its own: the middleware does."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""
