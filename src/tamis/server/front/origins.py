"""Pages of other sites, as far as `server.cors_origins` lets them in: with a token, never with a cookie."""

import re
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tamis.errors import ConfigError
from tamis.settings import Settings

ANY = "*"
METHODS = "GET, HEAD, POST, PUT, DELETE"
HEADERS = (
    "Authorization, Content-Type, Content-Encoding, Idempotency-Key, Last-Event-ID, traceparent, tracestate"
)
EXPOSED = "Retry-After, RateLimit, RateLimit-Policy, Content-Disposition"
MAX_AGE_S = 7_200
_ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?", re.ASCII)


def origins_of(settings: Settings) -> frozenset[str]:
    """`server.cors_origins`, checked; ConfigError says which is none."""
    found = frozenset(map(str.lower, settings.server.cors_origins))
    for origin in found:
        if origin != ANY and not _ORIGIN.fullmatch(origin):
            source = settings.sources.get("server.cors_origins", "default")
            reason = "is no origin such as https://app.example (no path, no slash at the end), nor *"
            raise ConfigError("server.cors_origins", origin, source, reason)
    return found


class Origins:
    """Answers the preflights of the sites that are let in, and tells their browsers that they may read the answers.

    Cookies are not for other sites: no answer allows credentials, and the gate refuses cookies from elsewhere.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app, self._allowed = app, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not self._allowed:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        is_allowed = bool(origin) and (ANY in self._allowed or origin.lower() in self._allowed)
        if is_allowed and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(origin, send)
            return

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                made = MutableHeaders(raw=message.setdefault("headers", []))
                made.add_vary_header("Origin")
                if is_allowed:
                    made["Access-Control-Allow-Origin"] = origin
                    made["Access-Control-Expose-Headers"] = EXPOSED
            await send(message)

        await self._app(scope, receive, named)


async def _preflight(origin: str, send: Send) -> None:
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": HEADERS,
        "Access-Control-Max-Age": str(MAX_AGE_S),
        "Vary": "Origin",
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 204, "headers": raw})
    await send({"type": "http.response.body", "body": b""})
