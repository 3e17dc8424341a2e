"""The client: requests with a token, retried where that is safe."""

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from urllib.parse import urlencode

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import RemoteError, TamisError, UnreachableError
from tamis.http_client.address import Address
from tamis.http_client.connection import (
    ANY_CERTIFICATE,
    FAILURES,
    USUAL_TRUST,
    Pool,
    Request,
    Response,
    chunks_of,
    headers_of,
    send,
)
from tamis.http_client.problem import error_of, retry_after_s
from tamis.version import __version__

REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
PUSHED_BACK = 429
TRY_LATER = frozenset({PUSHED_BACK, 502, 503})
"""Nothing was done: the same request may be sent again after a while."""
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.2, 5.0

Query = Mapping[str, str | int | None]


class HttpClient:
    """A client of one server. Thread-safe.

    A request that may be repeated (GET, or with an Idempotency-Key) is sent again while the server is away or
    pushes back, for `retry_for_s` at most; a server that was never reached is not waited for. Answers of
    status 400 and more raise what their problem document describes (`problem.error_of`). `verify` False takes
    any certificate: for a server on this machine that is known otherwise.
    """

    def __init__(
        self,
        address: Address,
        token: str = "",
        *,
        timeout_s: float = 60.0,
        retry_for_s: float = 30.0,
        verify: bool = True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.address = address
        self._pool = Pool(address, timeout_s, trust=USUAL_TRUST if verify else ANY_CERTIFICATE)
        self._retry_for_s, self._clock = retry_for_s, clock
        self._reached = threading.Event()
        self._headers = {"User-Agent": f"tamis/{__version__}", "Accept": "application/json"}
        if token or address.token:
            self._headers["Authorization"] = f"Bearer {token or address.token}"

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = frozenset(),
    ) -> Response:
        """The answer; raises a TamisError for status 400 and more (but those of `accept`), UnreachableError
        when none came.
        """
        request = self._request(method, path, query=query, body=body, headers=headers)
        repeatable = method in REPEATABLE or "Idempotency-Key" in request.headers
        deadline_s = self._clock.monotonic_s() + self._retry_for_s
        attempt = 0
        while True:
            outcome = self._attempt(request)
            if isinstance(outcome, Response) and (outcome.status < 400 or outcome.status in accept):
                return outcome
            wait_s = self._wait_s(outcome, attempt, repeatable=repeatable)
            if wait_s is None or self._clock.monotonic_s() + wait_s > deadline_s:
                raise self._error(outcome)
            self._clock.sleep(wait_s)
            attempt += 1

    @contextmanager
    def stream(
        self, method: str, path: str, *, query: Query | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[Iterator[bytes]]:
        """The answer's body piece by piece; never retried, so that nothing is read twice. What fails in the
        caller's own block goes through as it is: a full disk or a closed pipe is not the connection's.
        """
        request = self._request(
            method, path, query=query, body=None, headers={"Accept": "*/*", **(headers or {})}
        )
        connection = self._pool.take()
        try:
            with self._failures_told():
                response = send(connection, request)
                self._reached.set()
                refused = response.read() if response.status >= 400 else None
            if refused is not None:
                raise error_of(self.address.url, Response(response.status, headers_of(response), refused))
            yield self._pieces(response)
        finally:
            self._pool.let_go(connection)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _pieces(self, response: HTTPResponse) -> Iterator[bytes]:
        with self._failures_told():
            yield from chunks_of(response)

    @contextmanager
    def _failures_told(self) -> Iterator[None]:
        try:
            yield
        except FAILURES as failure:
            raise self._error(failure) from failure

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Request:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = self.address.prefix + path + (f"?{urlencode(given)}" if given else "")
        return Request(method, target, {**self._headers, **(headers or {})}, body)

    def _attempt(self, request: Request) -> Response | Exception:
        connection = self._pool.take()
        try:
            response = send(connection, request)
            answer = Response(response.status, headers_of(response), response.read())
        except FAILURES as failure:
            self._pool.let_go(connection)
            return failure
        except BaseException:
            self._pool.let_go(connection)
            raise
        self._reached.set()
        self._pool.give_back(connection)
        return answer

    def _wait_s(self, outcome: Response | Exception, attempt: int, *, repeatable: bool) -> float | None:
        """How long to wait before the next attempt; None: there is none."""
        backoff_s: float = min(BACKOFF_FIRST_S * 2**attempt, BACKOFF_MAX_S) * random.uniform(0.5, 1.0)  # noqa: S311  # spreads clients, keeps no secret
        if isinstance(outcome, Exception):
            return backoff_s if repeatable and self._reached.is_set() else None
        if outcome.status not in TRY_LATER or not (repeatable or outcome.status == PUSHED_BACK):
            return None
        return max(retry_after_s(outcome), backoff_s) if "retry-after" in outcome.headers else backoff_s

    def _error(self, outcome: Response | Exception) -> TamisError:
        if isinstance(outcome, Response):
            return error_of(self.address.url, outcome)
        return _unreachable(self.address.url, outcome)


def _unreachable(url: str, failure: Exception) -> RemoteError:
    if isinstance(failure, ConnectionRefusedError):
        reason = "nothing listens there; start it with `tamis serve`, or name another with --url"
    elif isinstance(failure, TimeoutError):
        reason = "no answer in time"
    else:
        text = str(failure.strerror if isinstance(failure, OSError) and failure.strerror else failure)
        reason = f"the connection failed ({text or type(failure).__name__})"
    return UnreachableError(url, reason)
