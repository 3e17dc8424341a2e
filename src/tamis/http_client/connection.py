"""One request on one connection, and the connections that wait for the next."""

import http.client
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tamis.errors import RemoteError
from tamis.http_client.address import Address

IDLE_MAX = 8
"""Connections kept open for the next request."""
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


class Pool:
    """Connections to one server. Thread-safe: each serves one request at a time."""

    def __init__(self, address: Address, timeout_s: float, *, verify: bool = True) -> None:
        self._address, self._timeout_s, self._verify = address, timeout_s, verify
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None

    def take(self) -> http.client.HTTPConnection:
        """An idle connection, or a new one (that connects with its first request)."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        address = self._address
        if address.scheme == "http":
            return http.client.HTTPConnection(address.host, address.port, timeout=self._timeout_s)
        return http.client.HTTPSConnection(
            address.host, address.port, timeout=self._timeout_s, context=self._tls_context()
        )

    def give_back(self, connection: http.client.HTTPConnection) -> None:
        """Keep it for the next request, or close it when enough wait."""
        with self._lock:
            if connection.sock is not None and len(self._idle) < IDLE_MAX:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _tls_context(self) -> ssl.SSLContext:
        """The machine's certificates (SSL_CERT_FILE names others), TLS 1.3 and nothing older."""
        if self._tls is None:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            if not self._verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._tls = context
        return self._tls


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
