"""Who asks: credentials of a request made into a principal."""

import asyncio
import base64
import secrets
from dataclasses import dataclass
from hmac import compare_digest
from typing import Literal

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.errors import OverloadedError
from tamis.metadata.accounts import ADMIN, Accounts, Session
from tamis.metadata.tokens import digest, is_cheap, make_token, verify_token
from tamis.server.local import is_loopback
from tamis.telemetry.metrics import Metrics

How = Literal["token", "session", "local", "listener"]

SESSION_S = 7 * 86_400
RELOAD_S = 1.0
KNOWN_MAX = 1_000
FAILURES_PER_S = 100 / 60
FAILURES_BURST = 20
STARTING_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, and how that was shown."""

    name: str
    how: How


class _Failures:
    """A token bucket of failed guesses at a chosen (not random) token."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = float(FAILURES_BURST)
        self._at = clock.monotonic_s()

    def check(self) -> None:
        now = self._clock.monotonic_s()
        self._left = min(FAILURES_BURST, self._left + (now - self._at) * FAILURES_PER_S)
        self._at = now
        if self._left < 1:
            raise OverloadedError("too many wrong tokens", 1 / FAILURES_PER_S)

    def count(self) -> None:
        self._left -= 1


class Authenticator:
    """Knows the tokens and sessions there are. For one event loop; SQLite and scrypt run in threads.

    `local_token` opens the server to callers on loopback; `make_code` makes a code that signs in once.
    """

    def __init__(self, accounts: Accounts, metrics: Metrics, clock: Clock = SYSTEM_CLOCK) -> None:
        self._accounts, self._metrics, self._clock = accounts, metrics, clock
        self.local_token = make_token()
        self._code: str | None = None
        self._known: dict[str, Principal] = {}
        self._failures = _Failures(clock)
        self._guess = asyncio.Lock()
        self.load()

    def load(self) -> None:
        """Read anew what tokens and sessions there are."""
        self._seen = self._accounts.changes_seen()
        self._admin = self._accounts.token_hash(ADMIN)
        self._sessions = {session.digest: session for session in self._accounts.sessions()}
        self._known = {}
        self._loaded_s = self._clock.monotonic_s()

    def _reload(self) -> None:
        if self._accounts.changes_seen() != self._seen:
            self.load()

    async def principal_of(self, scope: Scope) -> Principal | None:
        """Who sent this request; None when it says nothing that is true."""
        headers = Headers(scope=scope)
        authorization = headers.get("authorization")
        if (authorization or headers.get("cookie")) is None:
            return None
        if self._clock.monotonic_s() - self._loaded_s > RELOAD_S:
            self._loaded_s = self._clock.monotonic_s()
            await asyncio.to_thread(self._reload)
        if authorization is not None:
            principal = await self._by_header(authorization, scope, headers)
            how = "header"
        else:
            principal = self._by_cookie(headers.get("cookie", ""), scope)
            how = "session"
        self._metrics.add("tamis_auth_total", 1, how, "refused" if principal is None else "accepted")
        return principal

    async def _by_header(self, authorization: str, scope: Scope, headers: Headers) -> Principal | None:
        for token in tokens_in(authorization):
            if _is_local(scope, headers) and compare_digest(digest(token), digest(self.local_token)):
                return Principal("local", "local")
            principal = await self.by_token(token)
            if principal is not None:
                return principal
        return None

    async def by_token(self, token: str) -> Principal | None:
        """Whose token this is. A chosen (not random) one costs scrypt once, then is remembered by its digest."""
        key = digest(token)
        known = self._known.get(key)
        if known is not None:
            return known
        if self._admin is None:  # the first start: a shipper shall wait, not give up its token
            raise OverloadedError("the server is starting for the first time", STARTING_RETRY_S)
        if is_cheap(self._admin):
            good = verify_token(token, self._admin)
        else:
            async with self._guess:
                self._failures.check()
                good = await asyncio.to_thread(verify_token, token, self._admin)
        if not good:
            self._failures.count()
            return None
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[key] = Principal(ADMIN, "token")
        return self._known[key]

    def _by_cookie(self, cookie: str, scope: Scope) -> Principal | None:
        value = cookie_parser(cookie).get(cookie_name(scope))
        session = self._sessions.get(digest(value)) if value else None
        if session is None or session.expires_ns <= self._clock.now_ns():
            return None
        return Principal(session.principal, "session")

    async def open_session(self, principal: str) -> str:
        """A new session; the value of its cookie."""
        value = secrets.token_urlsafe(32)
        session = Session(digest(value), principal, self._clock.now_ns() + SESSION_S * NS_PER_S)
        await asyncio.to_thread(self._accounts.add_session, session)
        self._sessions[session.digest] = session
        return value

    async def close_session(self, scope: Scope) -> None:
        """The session whose cookie came with this request ends."""
        value = cookie_parser(Headers(scope=scope).get("cookie", "")).get(cookie_name(scope), "")
        self._sessions.pop(digest(value), None)
        await asyncio.to_thread(self._accounts.end_session, digest(value))

    def make_code(self) -> str:
        """A code for the link that signs in once; an earlier one is worth nothing any more."""
        code = secrets.token_urlsafe(24)
        self._code = digest(code)
        return code

    def take_code(self, code: str) -> Principal | None:
        """Use the code up."""
        if self._code is None or not compare_digest(digest(code), self._code):
            self._metrics.add("tamis_auth_total", 1, "link", "refused")
            return None
        self._code = None
        self._metrics.add("tamis_auth_total", 1, "link", "accepted")
        return Principal(ADMIN, "session")


def tokens_in(authorization: str) -> list[str]:
    """The tokens an Authorization header may mean: Bearer, Basic (the password), ApiKey (bare, or id:key)."""
    scheme, _, value = authorization.strip().partition(" ")
    value = value.strip()
    match scheme.lower():
        case "bearer":
            return [value] if value else []
        case "basic":
            return [_after_colon(value)] if _after_colon(value) else []
        case "apikey":
            return [token for token in (value, _after_colon(value)) if token]
        case _:
            return []


def _after_colon(encoded: str) -> str:
    try:
        decoded = base64.b64decode(encoded, validate=True).decode("utf-8")
    except ValueError:  # not ASCII, not base64, not UTF-8
        return ""
    return decoded.partition(":")[2]


def _is_local(scope: Scope, headers: Headers) -> bool:
    """A caller on this machine itself, not one whom a proxy on this machine forwards."""
    client = scope.get("client")
    forwarded = "x-forwarded-for" in headers or "forwarded" in headers or "x-real-ip" in headers
    return client is not None and is_loopback(client[0]) and not forwarded


def cookie_name(scope: Scope) -> str:
    """Browsers share cookies between ports: two servers on one machine must not sign each other out."""
    server = scope.get("server")
    return f"tamis_session_{server[1]}" if server and server[1] else "tamis_session"
