"""How the server listens: where it may, with which TLS, and how long a head may be and take."""

import asyncio
import logging
import math
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from tamis.errors import ConfigError
from tamis.server.front.gate import AnswerHeaders
from tamis.server.front.protocol import GuardedProtocol, Limits, guarded_protocol
from tamis.server.local import is_loopback
from tamis.server.problems import ProblemError
from tamis.server.service import Service
from tamis.settings import Settings

BACKLOG = 2_048
BODY_GRACE_SHARE, BODY_GRACE_S_MAX = 0.25, 2.0
"""A body that still comes at the stop has this share of `server.stop_grace_s` to be whole, and at most so long: the
rest is for storing it, and for callers to hear of it."""


def check_listen(settings: Settings) -> None:
    """Refuse to send tokens and records in clear beyond this machine, unless the settings insist."""
    server = settings.server
    if is_loopback(server.host) or server.tls_cert is not None or server.allow_insecure:
        return
    raise ConfigError(
        "server.host",
        server.host,
        settings.sources.get("server.host", "default"),
        "listening beyond loopback takes TLS (server.tls_cert and server.tls_key), "
        "or server.allow_insecure = true when a proxy in front has it",
    )


def bind(settings: Settings) -> socket.socket:
    """A socket bound to the address of the settings; ConfigError says why not."""
    server = settings.server
    try:
        found = socket.getaddrinfo(
            server.host or None, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        bound = socket.socket(family)
    except OSError as error:
        source = settings.sources.get("server.host", "default")
        raise ConfigError("server.host", server.host, source, str(error.strerror)) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        source = settings.sources.get("server.port", "default")
        reason = f"cannot listen there: {error.strerror}; choose another with --port"
        raise ConfigError("server.port", server.port, source, reason) from error
    return bound


def public_url(settings: Settings, port: int) -> str:
    """The address to show and to use on this machine."""
    scheme = "http" if settings.server.tls_cert is None else "https"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(  # noqa: S104  (compared, not bound)
        settings.server.host, settings.server.host
    )
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.3 and nothing older, when there is a certificate."""
    server = settings.server
    if server.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(server.tls_cert, server.tls_key)
    except (OSError, ssl.SSLError) as error:
        source = settings.sources.get("server.tls_cert", "default")
        raise ConfigError(
            "server.tls_cert", str(server.tls_cert), source, f"cannot be loaded: {error}"
        ) from error
    return context


async def _crowded(scope: Scope, receive: Receive, send: Send) -> None:
    """One connection too many."""
    problem = ProblemError(503, "All connections are taken (server.connections_max); try again in a moment.")
    problem.headers.update({"Retry-After": "1", "Connection": "close"})
    raise problem


def _limits(app: FastAPI, settings: Settings) -> Limits:
    server, metrics = settings.server, app.state.service.metrics
    return Limits(
        head_bytes_max=server.header_bytes_max,
        head_timeout_s=server.header_timeout_s,
        send_timeout_s=server.send_timeout_s,
        connections_max=server.connections_max,
        met=partial(metrics.add, "tamis_limits_met_total", 1),
        crowded=AnswerHeaders(_crowded, metrics, frozenset()),
    )


def server_for(app: FastAPI, settings: Settings) -> "Server":
    """uvicorn with our limits. It says nothing by itself: broken requests and cancelled ones are no news, and
    what routes let through is in our own log."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    context = tls_context(settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=guarded_protocol(_limits(app, settings)),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.server.stop_grace_s),
        ssl_context_factory=None if context is None else lambda _, __: context,
    )
    return Server(config, app.state.service)


class Server(uvicorn.Server):
    """Takes SIGINT and SIGTERM as the wish to end, and gives the signals back as it found them."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what lasts as long as its reader likes, and soon what waits for its sender; then wait for the others."""
        self._service.stopping.set()
        self._service.tails.stop()
        grace_s = min(BODY_GRACE_S_MAX, self._service.settings.server.stop_grace_s * BODY_GRACE_SHARE)
        giving_up = asyncio.get_running_loop().call_later(grace_s, self._give_up_bodies)
        await super().shutdown(sockets)
        giving_up.cancel()

    def _give_up_bodies(self) -> None:
        protocol = cast("type[GuardedProtocol]", self.config.http_protocol_class)
        for connection in list(protocol.everyone):
            connection.give_up_body()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """While the server runs, a signal ends it; a second SIGINT does not wait for open requests."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
