"""HTTP without tokens, for senders that cannot show one: who may send says their address."""

import asyncio
from email.utils import formatdate
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from tamis.clock import NS_PER_S
from tamis.errors import TamisError
from tamis.server.front.auth import Principal
from tamis.server.front.gate import AnswerHeaders, is_cross_site
from tamis.server.listeners.allowed import Networks, peer_address
from tamis.server.problems import ProblemError, answer_error, problem_response
from tamis.server.service import Service

CLOSE_S = 3.0
"""So long requests may take to end once the server stops."""
_POLL_S = 0.02


class AddressGate:
    """Lets requests on that come from the networks, and not from a page that a browser shows."""

    def __init__(self, app: ASGIApp, protocol: str, *, service: Service, networks: Networks) -> None:
        self._app, self._protocol = app, protocol
        self._tally, self._networks = service.tallies.of(protocol), networks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        peer, headers = peer_address(scope.get("client")), Headers(scope=scope)
        reason = ""
        if not self._networks.has(peer):
            reason = "listener.allowed"
        elif is_cross_site(headers):
            reason = "cross-site"
        if reason:
            self._tally.refuse(peer, reason)
            problem = ProblemError(403, f"This sender may not send here ({reason}).")
            problem.headers["Connection"] = "close"
            await problem_response(problem)(scope, receive, send)
            return
        scope["tamis.principal"] = Principal(self._protocol, "listener")
        await self._app(scope, receive, send)


class _State(ServerState):
    """What uvicorn's protocols share, with a date that is always now's."""

    def __init__(self, service: Service) -> None:
        self._service = service
        super().__init__()

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """On every answer."""
        now_s = self._service.clock.now_ns() / NS_PER_S
        return [(b"date", formatdate(now_s, usegmt=True).encode())]

    @default_headers.setter
    def default_headers(self, value: list[tuple[bytes, bytes]]) -> None:
        """uvicorn sets it once, to nothing."""


def _patient(http: type[Any]) -> type[Any]:
    """The protocol for senders that do not wait for an answer: what came whole is taken, though its sender is gone."""

    def connection_lost(self: Any, error: Exception | None) -> None:
        cycle = self.cycle
        http.connection_lost(self, error)
        if cycle is not None and not cycle.more_body and not cycle.response_started:
            cycle.disconnected = False

    return type("PatientProtocol", (http,), {"connection_lost": connection_lost})


class OpenHttp:
    """Some routes without tokens. `http` is uvicorn's protocol with the limits of the server's own."""

    def __init__(
        self,
        routes: list[Route],
        protocol: str,
        *,
        service: Service,
        networks: Networks,
        http: type[asyncio.Protocol],
    ) -> None:
        app = Starlette(
            routes=routes,
            middleware=[
                Middleware(AnswerHeaders, service.metrics, frozenset(route.path for route in routes)),
                Middleware(AddressGate, protocol, service=service, networks=networks),
            ],
            exception_handlers=dict.fromkeys((ProblemError, TamisError, HTTPException), answer_error),
        )
        app.state.service = service
        self._config = uvicorn.Config(
            app,
            http=_patient(http),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        self._config.load()
        self._state = _State(service)
        self._server: asyncio.Server | None = None

    def protocol(self) -> asyncio.Protocol:
        """For one more connection."""
        made: asyncio.Protocol = self._config.http_protocol_class(  # type: ignore[call-arg]  # uvicorn's own protocols take these
            config=self._config, server_state=self._state, app_state={}
        )
        return made

    def listen(self, server: asyncio.Server) -> None:
        """This one accepts our connections."""
        self._server = server

    async def close(self) -> None:
        """Take no more requests, and let those there are come to their end."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + CLOSE_S
        while (self._state.connections or self._state.tasks) and loop.time() < ends_s:
            await asyncio.sleep(_POLL_S)
        for task in self._state.tasks:
            task.cancel()
