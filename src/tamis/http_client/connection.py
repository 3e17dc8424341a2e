"""One request on one connection, and the connections that wait for the next."""

import http.client
import select
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import RemoteError
from tamis.http_client.address import DEFAULT_PORTS, Address
from tamis.http_client.guard import Dial, dial_any, host_bytes

IDLE_MAX = 8
"""Connections kept open for the next request."""
IDLE_S = 60.0
"""A connection that nobody needed for so long is closed when another is asked for or given back."""
CHUNK_BYTES = 1 << 16
FAILURES = (OSError, http.client.HTTPException)
"""What a connection that does not work raises."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: `path` with its query, headers without those the client adds, the body as sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What came back; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; RemoteError when it is none."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise RemoteError(
                "the server", f"sent an answer that is not JSON ({error})", status=self.status
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose certificates are taken: those of the machine (SSL_CERT_FILE names others) or those in `ca_file`;
    any at all without `verify`.
    """

    verify: bool = True
    ca_file: str = ""


ANY_CERTIFICATE = Trust(verify=False)
USUAL_TRUST = Trust()


class Pool:
    """Connections to one server, as many as are used at a time, at most `connections_max`; those that were not
    needed for `idle_s` are closed. Thread-safe: each serves one request at a time.
    """

    def __init__(
        self,
        address: Address,
        timeout_s: float,
        *,
        trust: Trust = USUAL_TRUST,
        connections_max: int | None = None,
        idle_s: float = IDLE_S,
        dial: Dial = dial_any,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._address, self._timeout_s, self._trust = address, timeout_s, trust
        self._idle_s, self._dial, self._clock = idle_s, dial, clock
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(connections_max) if connections_max else None
        self._tls: ssl.SSLContext | None = None

    def take(self, timeout_s: float | None = None) -> http.client.HTTPConnection:
        """An idle connection that still stands, or a new one (that connects with its first request). TimeoutError
        when all are in use for that long.
        """
        limit_s = self._timeout_s if timeout_s is None else max(timeout_s, 0.0)
        if self._places is not None and not self._places.acquire(timeout=limit_s):
            raise TimeoutError("every connection is in use")
        try:
            connection = self._standing() or self._fresh()
        except BaseException:
            self._leave()
            raise
        connection.timeout = limit_s
        if connection.sock is not None:
            connection.sock.settimeout(limit_s)
        return connection

    def give_back(self, connection: http.client.HTTPConnection) -> None:
        """Keep it for the next request, or close it when enough wait."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            kept = connection.sock is not None and len(self._idle) < IDLE_MAX
            if kept:
                self._idle.append((now_s, connection))
            old = self._too_old(now_s)
        if not kept:
            connection.close()
        _close_all(old)
        self._leave()

    def let_go(self, connection: http.client.HTTPConnection) -> None:
        """Close it instead: nobody knows what still comes on it."""
        connection.close()
        self._leave()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        _close_all([connection for _, connection in idle])

    @property
    def idle(self) -> int:
        """How many wait for the next request."""
        with self._lock:
            return len(self._idle)

    def _standing(self) -> http.client.HTTPConnection | None:
        """The idle connection used last that the other side has not closed meanwhile."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            old = self._too_old(now_s)
        _close_all(old)
        while True:
            with self._lock:
                if not self._idle:
                    return None
                _, connection = self._idle.pop()
            if not _has_ended(connection):
                return connection
            connection.close()

    def _too_old(self, now_s: float) -> list[http.client.HTTPConnection]:
        """Take out those nobody needed for long; the oldest stand first. Under the lock."""
        fresh = [item for item in self._idle if now_s - item[0] < self._idle_s]
        old = [connection for since_s, connection in self._idle if now_s - since_s >= self._idle_s]
        self._idle = fresh
        return old

    def _fresh(self) -> http.client.HTTPConnection:
        address = self._address
        if address.scheme == "http":
            return _Dialled(address, self._timeout_s, self._dial)
        return _Dialled(address, self._timeout_s, self._dial, tls=self._tls_context())

    def _leave(self) -> None:
        if self._places is not None:
            self._places.release()

    def _tls_context(self) -> ssl.SSLContext:
        """TLS 1.3 and nothing older."""
        if self._tls is None:
            context = ssl.create_default_context(cafile=self._trust.ca_file or None)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            if not self._trust.verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._tls = context
        return self._tls


class _Dialled(http.client.HTTPConnection):
    """A connection over a socket that `dial` made; within `tls`, where that is given."""

    def __init__(
        self, address: Address, timeout_s: float, dial: Dial, *, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(address.host, address.port, timeout=timeout_s)
        self.default_port = DEFAULT_PORTS[address.scheme]  # what no Host header names
        self._dial, self._tls = dial, tls

    def connect(self) -> None:
        """Connect, within the time limit."""
        timeout_s = self.timeout if isinstance(self.timeout, int | float) else None
        sock = self._dial(self.host, self.port, timeout_s)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_hostname=host_bytes(self.host))
            self.sock = sock
        except BaseException:
            sock.close()
            raise


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """Whether something came on a connection on which nothing is due: its end, mostly."""
    if connection.sock is None:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([connection.sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _close_all(connections: list[http.client.HTTPConnection]) -> None:
    for connection in connections:
        connection.close()


def send(connection: http.client.HTTPConnection, request: Request) -> http.client.HTTPResponse:
    """Send a request; the response's head, its body still to be read."""
    connection.request(request.method, request.path, body=request.body, headers=dict(request.headers))
    return connection.getresponse()


def headers_of(response: http.client.HTTPResponse) -> dict[str, str]:
    """The response's headers, names in small letters."""
    return {name.lower(): value for name, value in response.getheaders()}


def chunks_of(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body piece by piece as it comes; raises one of FAILURES when it ends early."""
    while chunk := response.read1(CHUNK_BYTES):
        yield chunk
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
