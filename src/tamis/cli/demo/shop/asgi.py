"""How the web process listens: a Starlette application in uvicorn, with the package's middleware."""

import socket

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tamis.cli.demo.shop.serving import Handle, Request, answer, route_of
from tamis.embed.asgi import AsgiMiddleware

STOP_S = 1
_ROUTE_KEY = "tamis.route"
"""Where the middleware looks for the route."""


class AsgiService:
    """Serves `handle` on a descriptor until it is stopped."""

    def __init__(self, listener: int, handle: Handle) -> None:
        self._handle = handle
        route = Route("/{path:path}", self._endpoint, methods=["GET", "POST"])
        config = uvicorn.Config(
            AsgiMiddleware(Starlette(routes=[route])),
            log_config=None,
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=STOP_S,
        )
        self._socket = socket.socket(fileno=listener)
        self._server = _Server(config)

    def run(self) -> None:
        """Serve."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """No more requests; those under way have a second."""
        self._server.should_exit = True

    async def _endpoint(self, request: StarletteRequest) -> Response:
        content = await request.body()
        parts = tuple(part for part in request.url.path.split("/") if part)
        body = msgspec.json.decode(content) if content else {}
        asked = Request(request.method, parts, request.url.query, body)
        request.scope[_ROUTE_KEY] = route_of(asked)
        status, said = await run_in_threadpool(answer, self._handle, asked)
        return JSONResponse(said, status)


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    def capture_signals(self) -> "_Nothing":  # type: ignore[override]  # any context manager will do
        """None is taken."""
        return _Nothing()


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None
