"""How often callers may come: the generic cell rate algorithm (ITU-T I.371), a time for each caller and nothing more.

Limits by number are for addresses and browser sessions; tokens have budgets of bytes and of time instead, because a
shipper that is refused by number loses records in the very incident it reports.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.server.front.address import caller_address, proxies_of
from tamis.server.front.auth import Principal, cookie_name
from tamis.server.problems import ProblemError
from tamis.settings import Settings
from tamis.telemetry.metrics import Metrics

MINUTE_S = 60.0
NOT_TAKEN = frozenset({429, 503, 507})
"""The server could not take the body: to come again is not to come twice."""
FREE_PATHS = frozenset({"/healthz", "/readyz"})
"""Said at once and cost nothing: whoever watches a server must hear from it also while strangers press on it."""
ASK_PATHS = frozenset({"/api/v1/ask", "/api/v1/investigate"})


@dataclass(frozen=True, slots=True)
class Rate:
    """So much a minute, so much of it at once. `setting` is where the number stands."""

    name: str
    setting: str
    per_minute: float
    burst: float

    @property
    def interval_s(self) -> float:
        """From one unit to the next."""
        return MINUTE_S / self.per_minute


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a caller has left, when all of it is back, and how long to wait when this was too much."""

    rate: Rate
    remaining: int
    full_s: float
    retry_after_s: float = 0.0


class Callers:
    """When each caller's units will be used up (the theoretical arrival time). For one event loop."""

    def __init__(self, rate: Rate, callers_max: int, clock: Clock = SYSTEM_CLOCK) -> None:
        self.rate, self._callers_max, self._clock = rate, callers_max, clock
        self._times: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._times)

    def take(self, caller: str) -> Verdict:
        """One unit, if there is one."""
        rate, now = self.rate, self._clock.monotonic_s()
        time = max(now, self._times.get(caller, now))
        wait = time + rate.interval_s - now - rate.burst * rate.interval_s
        if wait > 1e-9:
            return Verdict(rate, 0, time - now, wait)
        self._set(caller, time + rate.interval_s)
        return self._verdict(time + rate.interval_s - now)

    def look(self, caller: str) -> Verdict:
        """Whether anything is left, without taking it."""
        rate, now = self.rate, self._clock.monotonic_s()
        used_s = max(0.0, self._times.get(caller, now) - now)
        wait = used_s - rate.burst * rate.interval_s
        return self._verdict(used_s) if wait <= 0 else Verdict(rate, 0, used_s, wait)

    def charge(self, caller: str, units: float) -> None:
        """What was used, known only afterwards: the next ones wait for it."""
        now = self._clock.monotonic_s()
        time = max(now, self._times.get(caller, now))
        self._set(caller, time + units * self.rate.interval_s)

    def _verdict(self, used_s: float) -> Verdict:
        rate = self.rate
        return Verdict(rate, max(0, math.floor(rate.burst - used_s / rate.interval_s + 1e-9)), used_s)

    def _set(self, caller: str, time: float) -> None:
        self._times[caller] = time
        self._times.move_to_end(caller)
        if len(self._times) > self._callers_max:
            self._times.popitem(last=False)


class Rates:
    """Which limit a request falls under, and what the caller has left of it. For one event loop."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Clock = SYSTEM_CLOCK) -> None:
        self._metrics = metrics
        self._proxies = proxies_of(settings)
        given = settings.rates
        rates = (
            Rate(
                "anonymous", "rates.anonymous_per_minute", given.anonymous_per_minute, given.anonymous_burst
            ),
            Rate("signin", "rates.signin_per_minute", given.signin_per_minute, given.signin_burst),
            Rate("ask", "rates.ask_per_minute", given.ask_per_minute, given.ask_burst),
            Rate("session", "rates.session_per_minute", given.session_per_minute, given.session_burst),
            _budget("bytes", "rates.token_bytes_per_minute", given.token_bytes_per_minute),
            _budget("query", "rates.token_query_s_per_minute", given.token_query_s_per_minute),
        )
        self._callers = {
            rate.name: Callers(rate, given.callers_max, clock) for rate in rates if rate.per_minute > 0
        }
        self._clock = clock

    def admit(self, scope: Scope, principal: Principal | None) -> None:
        """Count the request, or refuse it with a 429 problem. What is left goes onto the answer, by the scope."""
        for name, caller, takes in self._limits(scope, principal):
            callers = self._callers.get(name)
            if callers is None:
                continue
            verdict = callers.take(caller) if takes else callers.look(caller)
            scope["tamis.rate"] = verdict
            self._metrics.set("tamis_rate_callers", len(callers), name)
            if verdict.retry_after_s:
                raise self._refusal(verdict)

    def _limits(self, scope: Scope, principal: Principal | None) -> list[tuple[str, str, bool]]:
        """The name of each limit, whom it counts for, and whether a request is a unit of it."""
        path = scope["path"]
        if path in FREE_PATHS:
            return []
        who = f"token {principal.name}" if principal else caller_address(scope, self._proxies)
        if principal is not None and principal.how == "session":
            who = _session(scope)
        found = [("ask", who, True)] if path in ASK_PATHS else []
        if principal is None:
            return [*found, ("signin" if _is_signin(scope) else "anonymous", who, True)]
        if principal.how == "session":
            return [*found, ("session", who, True)]
        if principal.how == "token":
            found.append(("query" if is_question(scope) else "bytes", who, False))
        return found

    def _refusal(self, verdict: Verdict) -> ProblemError:
        rate = verdict.rate
        self._metrics.add("tamis_limits_met_total", 1, rate.setting)
        after = math.ceil(verdict.retry_after_s)
        problem = ProblemError(
            429,
            f"Too much in too short a time: {rate.per_minute:,.15g} a minute, {rate.burst:,.15g} at once "
            f"({rate.setting}); go on in {after} s.",
            {"limit": rate.setting, "limit_value": rate.per_minute, "retry_after_s": verdict.retry_after_s},
        )
        problem.headers["Retry-After"] = str(after)
        return problem

    def budget(self, name: str) -> Callers | None:
        """The budget of tokens with this name, when there is one."""
        return self._callers.get(name)


class RateHeaders:
    """Around the gate: says on each answer what the caller has left, and charges tokens for what they used."""

    def __init__(self, app: ASGIApp, rates: Rates, clock: Clock = SYSTEM_CLOCK) -> None:
        self._app, self._rates, self._clock = app, rates, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        used = _Used(scope, receive, send, self._clock)
        bytes_budget = self._rates.budget("bytes")
        try:
            await self._app(scope, receive if bytes_budget is None else used.receive, used.send)
        finally:
            principal: Principal | None = scope.get("tamis.principal")
            if principal is not None and principal.how == "token":
                self._charge(f"token {principal.name}", scope, used)

    def _charge(self, who: str, scope: Scope, used: "_Used") -> None:
        bytes_budget, time_budget = self._rates.budget("bytes"), self._rates.budget("query")
        if bytes_budget is not None and used.bytes and used.status not in NOT_TAKEN:
            bytes_budget.charge(who, used.bytes)
        if time_budget is not None and is_question(scope):
            time_budget.charge(who, used.seconds)


class _Used:
    """What one request uses: bytes of its body, seconds until its answer begins."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, clock: Clock) -> None:
        self._scope, self._receive, self._send, self._clock = scope, receive, send, clock
        self._began_s = clock.monotonic_s()
        self.bytes, self.seconds, self.status = 0, 0.0, 0

    async def receive(self) -> Message:
        """A piece of the body."""
        message = await self._receive()
        self.bytes += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """A piece of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.seconds = self._clock.monotonic_s() - self._began_s
            verdict: Verdict | None = self._scope.get("tamis.rate")
            if verdict is not None:
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers.update(rate_headers(verdict))
        await self._send(message)


def rate_headers(verdict: Verdict) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers-10 has them; `t` is when all is back, or when to come again."""
    rate = verdict.rate
    after_s = verdict.retry_after_s or verdict.full_s
    return {
        "RateLimit-Policy": f'"{rate.name}";q={rate.per_minute:.0f};w={MINUTE_S:.0f}',
        "RateLimit": f'"{rate.name}";r={verdict.remaining};t={math.ceil(after_s)}',
    }


def is_question(scope: Scope) -> bool:
    """Whether the request asks something of the records."""
    path: str = scope["path"]
    return path.startswith("/api/v1/") and path != "/api/v1/ingest"


def _budget(name: str, setting: str, per_minute: float) -> Rate:
    return Rate(name, setting, per_minute, per_minute)


def _is_signin(scope: Scope) -> bool:
    if scope["path"] == "/":
        return "token" in parse_qs(scope["query_string"].decode("latin-1"))
    return scope["method"] == "POST" and scope["path"] in ("/signin", "/api/v1/auth/token")


def _session(scope: Scope) -> str:
    value = cookie_parser(Headers(scope=scope).get("cookie", "")).get(cookie_name(scope), "")
    return blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
