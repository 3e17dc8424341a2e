"""A web server as a source, another Tamis among them: files under a URL, read in ranges."""

import http.client
import re
import threading
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import AbsentError, ConfigError, SourceError
from tamis.http_client.address import Address, parse_address
from tamis.http_client.connection import FAILURES, Pool, Request, headers_of, send
from tamis.version import __version__

TAMIS_FILES: Final = "/api/v1/assets/files"
"""Where a Tamis server has its assets."""
REDIRECTS_MAX: Final = 5
_READ_BYTES = 1 << 18
_REST_BYTES_MAX = 1 << 16
_PASSING = frozenset({408, 425, 429})
"""Refusals that may be none a little later."""
_MOVED = frozenset({301, 302, 303, 307, 308})
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(slots=True)
class _Answer:
    """An answer under way: the bytes of a file from `position` on."""

    pool: Pool
    connection: http.client.HTTPConnection
    response: http.client.HTTPResponse
    path: str
    position: int
    is_whole: bool
    """Whether the server takes no ranges: it goes on to the file's end, and the next piece may be taken from it."""
    size: int | None


class HttpSource:
    """`Source` over HTTP. A server that knows no ranges is read from the beginning to the end, once, when pieces are
    asked for in order. Redirections are followed, never from https to http, and credentials stay with their host.
    """

    is_local = False

    def __init__(
        self,
        address: Address,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = address.url
        self._address, self._timeout_s, self._clock = address, timeout_s, clock
        self._headers = {"User-Agent": f"tamis/{__version__}", "Accept-Encoding": "identity"}
        self._private = dict(headers or {})
        self._pools: dict[str, Pool] = {}
        self._open: _Answer | None = None
        self._lock = threading.Lock()

    def size(self, path: str) -> int:
        """Bytes of a file."""
        with self._lock, _Told(self.name, path):
            answer = self._ask(path, 0, 1)
            try:
                if answer.size is None:
                    raise SourceError(self.name, path, "the server does not say how many bytes it has")
                return answer.size
            finally:
                self._let_go(answer)

    def read(self, path: str, *, start: int, length: int) -> bytes:
        """Exactly `length` bytes of a file from `start` on."""
        if length == 0:
            return b""
        with self._lock, _Told(self.name, path):
            deadline_s = self._clock.monotonic_s() + self._timeout_s
            answer = self._answer(path, start, length)
            try:
                self._skip(answer, start, deadline_s)
                data = self._take(answer, length, deadline_s)
            except BaseException:
                self._let_go(answer)
                raise
            self._keep(answer)
            return data

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._open is not None:
                self._let_go(self._open)
            self._open = None
            for pool in self._pools.values():
                pool.close()

    def _answer(self, path: str, start: int, length: int) -> _Answer:
        """One that stands where we read on, or a new one."""
        answer, self._open = self._open, None
        if answer is not None:
            if answer.path == path and answer.position == start:
                return answer
            self._let_go(answer)
        return self._ask(path, start, length)

    def _ask(self, path: str, start: int, length: int) -> _Answer:
        address, target = self._address, f"{self._address.prefix}/{quote(path)}"
        for _ in range(REDIRECTS_MAX + 1):
            answer = self._send(address, target, path=path, start=start, length=length)
            if answer.response.status not in _MOVED:
                return self._judged(answer, start)
            place = answer.response.getheader("Location", "")
            self._let_go(answer)
            address, target = self._moved(address, target, place=place, path=path)
        raise SourceError(self.name, path, f"more than {REDIRECTS_MAX} redirections")

    def _send(self, address: Address, target: str, *, path: str, start: int, length: int) -> _Answer:
        key = f"{address.scheme}://{address.host}:{address.port}"
        pool = self._pools.setdefault(key, Pool(address, self._timeout_s))
        own = (address.scheme, address.host, address.port)
        is_own = own == (self._address.scheme, self._address.host, self._address.port)
        headers = {**self._headers, **(self._private if is_own else {})}
        headers["Range"] = f"bytes={start}-{start + length - 1}"
        connection = pool.take()
        try:
            response = send(connection, Request("GET", target, headers))
        except BaseException:
            pool.let_go(connection)
            raise
        return _Answer(pool, connection, response, path, 0, is_whole=response.status == 200, size=None)

    def _moved(self, address: Address, target: str, *, place: str, path: str) -> tuple[Address, str]:
        base = Address(address.scheme, address.host, address.port).url
        url = urljoin(base + target, place)
        parts = urlsplit(url)
        try:
            new = parse_address(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
        except ConfigError as error:
            raise SourceError(self.name, path, f"redirects to what is no URL: {error.reason}") from None
        if address.scheme == "https" and new.scheme != "https":
            raise SourceError(self.name, path, "redirects from https to http; that is not followed")
        return new, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _judged(self, answer: _Answer, start: int) -> _Answer:
        """The answer, when bytes of the file follow; else its connection is let go of, and the error raised."""
        status, headers = answer.response.status, headers_of(answer.response)
        try:
            if 400 <= status < 500 and status not in _PASSING:
                advice = "; name a token that it knows" if status in (401, 403) else ""
                raise AbsentError(self.name, answer.path, f"answered with status {status}{advice}")
            if status not in (200, 206):
                raise SourceError(self.name, answer.path, f"answered with status {status}")
            if headers.get("content-encoding", "identity") != "identity":
                raise SourceError(self.name, answer.path, "sends it compressed, though it was not asked to")
            if status == 200:
                answer.size = answer.response.length
            else:
                found = _RANGE.fullmatch(headers.get("content-range", ""))
                if found is None or int(found[1]) != start:
                    raise SourceError(
                        self.name, answer.path, "answered with another range than was asked for"
                    )
                answer.position = start
                answer.size = None if found[3] == "*" else int(found[3])
        except BaseException:
            self._let_go(answer)
            raise
        return answer

    def _skip(self, answer: _Answer, start: int, deadline_s: float) -> None:
        while answer.position < start:
            self._take(answer, min(_READ_BYTES, start - answer.position), deadline_s)

    def _take(self, answer: _Answer, length: int, deadline_s: float) -> bytes:
        data = bytearray()
        while len(data) < length:
            if self._clock.monotonic_s() > deadline_s:
                raise TimeoutError(f"not {length:,} bytes within {self._timeout_s:g} s")
            piece = answer.response.read1(min(_READ_BYTES, length - len(data)))
            if not piece:
                end = answer.position + len(data)
                if answer.response.length or (answer.size or 0) > end:
                    raise http.client.IncompleteRead(bytes(data[:0]))
                raise AbsentError(self.name, answer.path, f"it ends at byte {end:,}")
            data += piece
        answer.position += length
        return bytes(data)

    def _keep(self, answer: _Answer) -> None:
        """A file without ranges is read on from here; a range that was read to its end frees its connection."""
        if answer.is_whole and answer.response.length != 0:
            self._open = answer
        elif (answer.response.length or 0) <= _REST_BYTES_MAX:
            answer.response.read()
            answer.pool.give_back(answer.connection)
        else:
            self._let_go(answer)

    def _let_go(self, answer: _Answer) -> None:
        answer.response.close()
        answer.pool.let_go(answer.connection)


class _Told:
    """Failures of a connection as the error of a source."""

    def __init__(self, name: str, path: str) -> None:
        self._name, self._path = name, path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FAILURES):
            text = str(getattr(error, "strerror", None) or error) or type(error).__name__
            raise SourceError(self._name, self._path, f"the connection failed ({text})") from error


def http_source(url: str, *, timeout_s: float = 60.0, clock: Clock = SYSTEM_CLOCK) -> HttpSource:
    """A web server's folder (``https://user:password@host/folder``, ``https://TOKEN@host/folder``) or another Tamis
    (``tamis+https://TOKEN@host:4817``).
    """
    is_tamis = url.startswith("tamis+")
    address = parse_address(url.removeprefix("tamis+"), "mirror")
    parts = urlsplit(url)
    headers = {}
    if parts.password is not None:
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password)}".encode()
        headers["Authorization"] = f"Basic {b64encode(pair).decode('ascii')}"
    elif address.token:
        headers["Authorization"] = f"Bearer {address.token}"
    prefix = address.prefix + (TAMIS_FILES if is_tamis else "")
    plain = Address(address.scheme, address.host, address.port, prefix)
    return HttpSource(plain, headers=headers, timeout_s=timeout_s, clock=clock)
