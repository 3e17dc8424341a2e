"""What every request passes: host, credentials, cross-site check; and what every answer carries."""

import asyncio
import logging
import re
import time
from collections.abc import Collection
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tamis.server.front.auth import Authenticator, Principal
from tamis.server.front.rates import Rates
from tamis.server.front.signin import signin_page
from tamis.server.front.spoken import refusal
from tamis.server.local import is_loopback
from tamis.server.problems import ProblemError, problem_of, stopping_problem
from tamis.telemetry.metrics import Metrics

_LOG = logging.getLogger("tamis.server")

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/signin", "/assets/signin.css", "/assets/icon.svg"})
"""What answers without credentials; beside it only `/?token=`, which looks at its own."""

PORT_MAX = 65_535
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


LAST_WORDS_S = 0.5
"""How long a reader has to take the answer that the server stops."""
_SECURITY_RAW = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


class AnswerHeaders:
    """Outermost: security headers on every answer, HEAD answered as GET without its body, errors as problems,
    requests counted."""

    def __init__(self, app: ASGIApp, metrics: Metrics, known_paths: frozenset[str]) -> None:
        self._app, self._metrics, self._known_paths = app, metrics, known_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, scope)
        began = time.perf_counter()
        self._metrics.add("tamis_http_open_requests", 1)
        try:
            inner = {**scope, "method": "GET", "tamis.head": True} if answer.is_head else scope
            await self._app(inner, receive, answer.send)
        except ClientDisconnect:
            return  # there is nobody left to answer
        except asyncio.CancelledError:  # the server stops, and has waited long enough
            if answer.status is None:
                last_words = (await refusal(scope, stopping_problem()))(scope, receive, answer.send)
                with suppress(TimeoutError):  # a reader who takes nothing does not hold up the stop
                    await asyncio.wait_for(last_words, LAST_WORDS_S)
            raise
        except Exception as error:  # the edge: whatever a route let through becomes a problem, never a trace
            if not isinstance(error, ProblemError):
                _LOG.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            if answer.status is not None:
                raise
            await (await refusal(scope, problem_of(error)))(scope, receive, answer.send)
        finally:
            self._metrics.add("tamis_http_open_requests", -1)
            self._count(scope, answer.status, time.perf_counter() - began)

    def _count(self, scope: Scope, status: int | None, seconds: float) -> None:
        path = scope["path"]
        route = path if path in self._known_paths else "/assets" if path.startswith("/assets/") else "other"
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        self._metrics.add("tamis_http_requests_total", 1, method, route, str(status or 499))
        self._metrics.observe("tamis_http_request_seconds", seconds, route)


class _Answer:
    """The way out of one request."""

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self.is_head = scope["method"] == "HEAD"
        self._is_tls = scope["scheme"] == "https"
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        """A message of the answer, with what every answer carries."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            headers.raw.extend(_SECURITY_RAW)
            headers.setdefault("cache-control", "no-store")
            if self._is_tls:
                headers.setdefault("strict-transport-security", "max-age=31536000")
        elif self.is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


class Gate:
    """Default deny: a request goes on with a principal in its scope, or not at all.

    `hosts` are the names that a server on loopback answers to beside its own (against DNS rebinding); None is
    any name. `rates` says how often who may come.
    """

    def __init__(
        self,
        app: ASGIApp,
        auth: Authenticator,
        metrics: Metrics,
        *,
        rates: Rates,
        hosts: Collection[str] | None,
    ) -> None:
        self._app, self._auth, self._metrics = app, auth, metrics
        self._rates, self._hosts = rates, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            principal = await self._admit(scope)
        except Exception as error:  # the edge: a refusal is an answer like any other
            problem = problem_of(error)
            await (await self._refusal(scope, problem))(scope, receive, send)
            return
        scope["tamis.principal"] = principal
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> Principal | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) > 1 or None in map(host_name, hosts):
            self._refuse(
                400, "host", "The Host header must be there once, and name a host and perhaps a port."
            )
        if self._hosts is not None and not is_own_host(headers.get("host", ""), self._hosts):
            self._refuse(
                421, "host", "This server listens on loopback: it answers to localhost and to server.hosts."
            )
        principal = await self._auth.principal_of(scope)
        self._rates.admit(scope, principal)
        if principal is None and not _is_open(scope):
            self._refuse(401, "credentials", _unauthorized(headers))
        carried = principal is not None and principal.how != "session"
        if scope["method"] not in SAFE_METHODS and not carried and is_cross_site(headers):
            self._refuse(403, "cross-site", "The request comes from another site; sign in on this one.")
        return principal

    def _refuse(self, status: int, reason: str, detail: str) -> None:
        self._metrics.add("tamis_refused_total", 1, reason)
        raise ProblemError(status, detail)

    async def _refusal(self, scope: Scope, problem: ProblemError) -> Response:
        if _has_body(scope) or problem.status == 400:  # nobody waits for the rest of a stranger's body
            problem.headers["Connection"] = "close"
        if problem.status != 401:
            return await refusal(scope, problem)
        problem.headers["WWW-Authenticate"] = 'Bearer realm="tamis"'
        if scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", ""):
            query = scope["query_string"].decode("latin-1")
            next_url = scope["path"] + (f"?{query}" if query else "")
            return signin_page(next_url, status=401, headers=problem.headers)
        return await refusal(scope, problem)


def _unauthorized(headers: Headers) -> str:
    if "authorization" in headers:
        return (
            "The token is not known here: look whether the sender has all of it, and the one of this server; "
            "if it is lost, `tamis users reset-admin --data DIR` makes a new one for the admin."
        )
    return "Sign in, or send a token: Authorization: Bearer TOKEN."


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _is_open(scope: Scope) -> bool:
    if scope["path"] in OPEN_PATHS:
        return True
    if scope["path"] != "/" or scope["method"] != "GET" or "tamis.head" in scope:
        return False  # HEAD would use the code up and show nothing for it
    return "token" in parse_qs(scope["query_string"].decode("latin-1"))


_HOST = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?", re.ASCII)


def host_name(host: str) -> str | None:
    """The name or address in a Host header, in small letters; None when the header is none."""
    found = _HOST.fullmatch(host)
    return found[1].lower() if found and int(found[2] or 0) <= PORT_MAX else None


def is_own_host(host: str, more: Collection[str] = ()) -> bool:
    """Whether a Host header names this machine's loopback, or one of `more`."""
    name = host_name(host) or ""
    return is_loopback(name) or name.endswith(".localhost") or name in more


def is_cross_site(headers: Headers) -> bool:
    """Whether a browser says that another site sent this; without a word it was no browser."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and _host_of(origin) != headers.get("host")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
