"""A span for each request, when the server's own work is traced."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tamis.errors import ConfigError
from tamis.server.local import is_loopback
from tamis.server.problems import ProblemError
from tamis.settings import Settings
from tamis.telemetry.tracing import OWN_HEADER, Tracing

UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
LOOP_STATUS = 508
_PORTS = {"http": 80, "https": 443}


def check_traces(settings: Settings, url: str) -> None:
    """ConfigError when the server would send its traces to itself."""
    given, own = urlsplit(settings.traces.url), urlsplit(url)
    same_host = given.hostname == own.hostname or (
        is_loopback(given.hostname or "") and is_loopback(own.hostname or "")
    )
    if given.hostname and same_host and (given.port or _PORTS[given.scheme]) == own.port:
        source = settings.sources.get("traces.url", "default")
        raise ConfigError(
            "traces.url", settings.traces.url, source, "is this server itself; name another receiver"
        )


class Traced:
    """Makes a span of each request but those that ask how the server is, and those that carry traces themselves."""

    def __init__(self, app: ASGIApp, tracing: Tracing, known_paths: frozenset[str]) -> None:
        self._app, self._tracing, self._known_paths = app, tracing, known_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] in UNTRACED:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        carried = headers.get(OWN_HEADER)
        if carried == self._tracing.instance:
            raise ProblemError(
                LOOP_STATUS, "These are this server's own traces (traces.url): send them elsewhere."
            )
        if carried is not None:
            await self._app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        route = path if path in self._known_paths else "other"
        attributes = {"http.request.method": method, "http.route": route, "url.scheme": scope["scheme"]}
        with self._tracing.request(f"{method} {route}", headers, attributes) as made:

            async def answered(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._tracing.answered(made, message["status"])
                await send(message)

            await self._app(scope, receive, answered)
