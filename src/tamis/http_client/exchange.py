"""One request and its whole answer within one time limit, however slowly the other side speaks."""

import http.client
import io
import socket
from typing import cast

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.http_client.connection import CHUNK_BYTES, Pool, Request, Response, chunks_of, headers_of

ANSWER_BYTES_MAX = 64 << 20


def exchange(
    pool: Pool,
    request: Request,
    timeout_s: float,
    *,
    answer_bytes_max: int = ANSWER_BYTES_MAX,
    clock: Clock = SYSTEM_CLOCK,
) -> Response:
    """Send a request once; the answer. Raises what `connection.FAILURES` names: TimeoutError when the answer is
    not there whole after `timeout_s`, HTTPException when it is over `answer_bytes_max`.
    """
    ends_s = clock.monotonic_s() + timeout_s
    connection = pool.take(timeout_s)
    try:
        if connection.sock is None:
            connection.connect()
        sock = connection.sock
        sock.settimeout(_left_s(ends_s, clock))
        connection.response_class = _response_class(sock, ends_s, clock)  # type: ignore[assignment]  # makes one, as the class does
        connection.request(request.method, request.path, body=request.body, headers=dict(request.headers))
        response = connection.getresponse()
        answer = Response(response.status, headers_of(response), _body(response, answer_bytes_max))
    except BaseException:
        pool.let_go(connection)
        raise
    pool.give_back(connection)
    return answer


def _body(response: http.client.HTTPResponse, bytes_max: int) -> bytes:
    body = bytearray()
    for chunk in chunks_of(response):
        body += chunk
        if len(body) > bytes_max:
            raise http.client.HTTPException(f"the answer is over {bytes_max:,} bytes")
    response.close()
    return bytes(body)


def _left_s(ends_s: float, clock: Clock) -> float:
    left_s = ends_s - clock.monotonic_s()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s


class _Deadline(io.RawIOBase):
    """What comes in on a socket, until an instant: the socket's own limit begins anew with every byte."""

    def __init__(self, sock: socket.socket, ends_s: float, clock: Clock) -> None:
        self._sock, self._ends_s, self._clock = sock, ends_s, clock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # typeshed: any buffer
        self._sock.settimeout(_left_s(self._ends_s, self._clock))
        return cast(int, self._raw.readinto(buffer))

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Reader:
    """Stands for a socket where a response wants only to read."""

    def __init__(self, raw: _Deadline) -> None:
        self._raw = raw

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._raw, CHUNK_BYTES)


def _response_class(sock: socket.socket, ends_s: float, clock: Clock) -> object:
    def make(_sock: socket.socket, method: str | None = None, **_more: object) -> http.client.HTTPResponse:
        reader = cast(socket.socket, _Reader(_Deadline(sock, ends_s, clock)))
        return http.client.HTTPResponse(reader, method=method)

    return make
