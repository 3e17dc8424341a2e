"""An HTTP server on loopback, with real sockets and threads, that can be told to fail in every way a server can."""

import contextlib
import gzip
import json
import math
import os
import socket
import struct
import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

FOREVER = math.inf
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, with no time: closing sends RST."""
PIECES_PER_S = 20


@dataclass(frozen=True)
class Request:
    """What a client sent: `body` is decompressed, `wire_bytes` is what its body had on the wire."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    wire_bytes: int


@dataclass(frozen=True)
class Reply:
    """What the server answers."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. `where`: only for paths that contain it."""

    answer: Reply | None = None
    """Answered instead of doing what was asked."""
    stall_before_s: float = 0.0
    stall_after_s: float = 0.0
    """Waiting before, and after, what was asked is done; `release()` ends both. It is done even when the client
    has gone meanwhile.
    """
    drop: bool = False
    """The connection is reset when the request was read; nothing is done."""
    cut_at: int | None = None
    """It is done; so many bytes of the answer are sent; then the connection is reset."""
    garbage: bytes | None = None
    """It is done; this is the answer's body instead."""
    bytes_per_s: float | None = None
    """Bodies are read and answers written this fast."""
    where: str = ""


NONE = Fault()


def refuse_with(status: int, *, retry_after: str = "", body: bytes = b"", where: str = "") -> Fault:
    """Answers with a status (429, 500, 503 …) and does nothing."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Fault(answer=Reply(status, body, headers), where=where)


def stall(seconds: float = FOREVER, *, done: bool = False, where: str = "") -> Fault:
    """Hangs before doing what was asked; with `done`, when it was done and before the answer."""
    return Fault(stall_before_s=0.0 if done else seconds, stall_after_s=seconds if done else 0.0, where=where)


def cut(at: int = 20, *, where: str = "") -> Fault:
    """Does what was asked, and resets the connection after `at` bytes of the answer."""
    return Fault(cut_at=at, where=where)


def drop(*, where: str = "") -> Fault:
    """Resets the connection without doing anything."""
    return Fault(drop=True, where=where)


def garble(body: bytes = b'{"took": 3, "err', *, where: str = "") -> Fault:
    """Does what was asked, and answers with what nobody can read."""
    return Fault(garbage=body, where=where)


def slow(bytes_per_s: float, *, where: str = "") -> Fault:
    """Reads and writes at this rate."""
    return Fault(bytes_per_s=bytes_per_s, where=where)


class FaultyServer(ABC):
    """Subclasses say what is answered (`answer`, called under `lock`). Thread-safe; a context manager.

    `script(fault, times=n)` puts faults on for the next requests that they fit, in order; `always(fault)` holds
    for all others until `always(NONE)`. `refuse()` closes the port and every connection, `listen()` opens the
    same port again. `body_bytes_max` is the size of a body (on the wire) over which 413 is answered.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.body_bytes_max: int | None = None
        self._seen = threading.Condition(self.lock)
        self._requests: list[Request] = []
        self._statuses: list[int] = []
        self._script: list[Fault] = []
        self._always = NONE
        self._released = threading.Event()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = _bound(0)
        self.port: int = self._listener.getsockname()[1]
        self._is_listening = self._is_closed = False
        self.listen()

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """What this server does and says when nothing is wrong."""

    def refused_reply(self, status: int, reason: str) -> Reply:
        """How this server words an error of its own."""
        return json_reply({"error": reason, "status": status}, status)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Request]:
        """Every request that was read whole, oldest first."""
        with self.lock:
            return list(self._requests)

    @property
    def statuses(self) -> list[int]:
        """The status of every answer that was begun."""
        with self.lock:
            return list(self._statuses)

    def wait_until(self, holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Wait until something holds; looked at after each request."""
        with self._seen:
            if not self._seen.wait_for(holds, timeout_s):
                raise TimeoutError(f"did not happen in {timeout_s:g} s; {len(self._requests)} requests came")

    def script(self, *faults: Fault, times: int = 1) -> None:
        """The next requests meet these, each `times` times."""
        with self.lock:
            self._script += [fault for fault in faults for _ in range(times)]

    def always(self, fault: Fault) -> None:
        """What requests meet that no script is for."""
        with self.lock:
            self._always = fault

    def clear(self) -> None:
        """Nothing is wrong any more, and what hangs goes on."""
        with self.lock:
            self._script, self._always = [], NONE
            self.body_bytes_max = None
        self.release()

    def release(self) -> None:
        """Everything that hangs now goes on."""
        released, self._released = self._released, threading.Event()
        released.set()

    def refuse(self) -> None:
        """Connections are refused from now on, and those there are reset; the port stays ours."""
        with self.lock:
            if not self._is_listening:
                return
            self._is_listening = False
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = _bound(self.port)
        self.cut_connections()

    def listen(self) -> None:
        """Accept connections (again)."""
        with self.lock:
            if self._is_listening:
                return
            self._is_listening = True
            self._listener.listen(128)
            self._start(self._accept, self._listener)

    def cut_connections(self) -> None:
        """Reset every connection there is."""
        with self.lock:
            connections = list(self._connections)
        for connection in connections:
            _reset(connection)

    @property
    def open_connections(self) -> int:
        with self.lock:
            return len(self._connections)

    def close(self) -> None:
        """Stop; every thread has ended when it returns."""
        self._is_closed = True
        self.refuse()
        self._listener.close()
        self._released.set()
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _start(self, target: Callable[[socket.socket], None], connection: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(connection,), daemon=True)
        with self.lock:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            thread.start()
            self._threads.append(thread)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                if not self._is_listening:
                    connection.close()
                    return
                self._connections.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            _Handler(connection, ("127.0.0.1", 0), self)  # type: ignore[arg-type]
        except (OSError, ValueError):
            return  # the client went away, or was cut off
        finally:
            with self._seen:
                self._connections.discard(connection)
                self._seen.notify_all()
            connection.close()

    def _fault_for(self, path: str) -> Fault:
        with self.lock:
            for place, fault in enumerate(self._script):
                if fault.where in path:
                    return self._script.pop(place)
            return self._always if self._always.where in path else NONE

    def _note(self, request: Request) -> None:
        with self._seen:
            self._requests.append(request)
            self._seen.notify_all()

    def _reply(self, request: Request, fault: Fault) -> Reply:
        self._hang(fault.stall_before_s)
        if fault.answer is not None:
            reply = fault.answer if fault.answer.body else self._worded(fault.answer)
        elif self.body_bytes_max is not None and request.wire_bytes > self.body_bytes_max:
            reply = self.refused_reply(413, "the body is too large")
        else:
            with self.lock:
                reply = self.answer(request)
        if fault.garbage is not None:
            reply = replace(reply, body=fault.garbage)
        with self._seen:
            self._statuses.append(reply.status)
            self._seen.notify_all()
        self._hang(fault.stall_after_s)
        return reply

    def _worded(self, given: Reply) -> Reply:
        worded = self.refused_reply(given.status, "told to")
        return replace(worded, headers={**worded.headers, **given.headers})

    def _hang(self, seconds: float) -> None:
        if seconds:
            self._released.wait(None if seconds == FOREVER else seconds)
        if self._is_closed:
            raise ConnectionAbortedError("the server was closed")


class _Handler(BaseHTTPRequestHandler):
    """Reads requests of one connection and answers them, as told."""

    protocol_version = "HTTP/1.1"
    server: FaultyServer  # type: ignore[assignment]

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        target = urlsplit(self.path)
        fault = self.server._fault_for(target.path)
        wire = b"".join(self._body(fault.bytes_per_s))
        if self.connection.fileno() < 0:
            raise ConnectionResetError("reset meanwhile: what still came in is not looked at")
        request = Request(
            self.command,
            unquote(target.path),
            dict(parse_qsl(target.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            wire,
            len(wire),
        )
        try:
            request = replace(request, body=self._plain(wire))
        except (zlib.error, gzip.BadGzipFile, EOFError) as error:
            self._send(self.server.refused_reply(400, f"cannot decompress: {error}"), fault)
            return
        self.server._note(request)
        if fault.drop:
            self._cut_off()
        else:
            self._send(self.server._reply(request, fault), fault)

    def _body(self, bytes_per_s: float | None) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline(1_000).split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline(10)
            while self.rfile.readline(1_000).strip():
                pass
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read(min(left, self._piece(bytes_per_s) or left))
            if not piece:
                raise ConnectionError("the client went away in the middle of its body")
            left -= len(piece)
            yield piece

    def _plain(self, body: bytes) -> bytes:
        return gzip.decompress(body) if self.headers.get("Content-Encoding", "").lower() == "gzip" else body

    def _send(self, reply: Reply, fault: Fault) -> None:
        length = str(len(reply.body))
        headers = {"Content-Length": length, "Content-Type": "application/json", **reply.headers}
        head = [f"HTTP/1.1 {reply.status} {self.responses.get(reply.status, ('Told to',))[0]}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        answer = "\r\n".join([*head, "", ""]).encode() + (b"" if self.command == "HEAD" else reply.body)
        if fault.cut_at is not None:
            self._write(answer[: fault.cut_at], fault.bytes_per_s)
            self._cut_off()
            return
        self._write(answer, fault.bytes_per_s)
        self.close_connection |= reply.headers.get("Connection", "").lower() == "close"

    def _write(self, answer: bytes, bytes_per_s: float | None) -> None:
        step = self._piece(bytes_per_s) or len(answer) or 1
        for start in range(0, len(answer), step):
            if start:
                self._pace(step, bytes_per_s)
            self.wfile.write(answer[start : start + step])
            self.wfile.flush()

    def _piece(self, bytes_per_s: float | None) -> int:
        """How much goes at once: a twentieth of a second's, so that slow is steady."""
        return 0 if bytes_per_s is None else max(int(bytes_per_s / PIECES_PER_S), 1)

    def _pace(self, size: int, bytes_per_s: float | None) -> None:
        if bytes_per_s is not None:
            self.server._released.wait(size / bytes_per_s)

    def _cut_off(self) -> None:
        self.close_connection = True
        _reset(self.connection)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def json_reply(body: Any, status: int = 200, **headers: str) -> Reply:
    """A reply of JSON."""
    return Reply(status, json.dumps(body).encode(), headers)


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def _reset(connection: socket.socket) -> None:
    """Close with RST: the other side sees its connection broken, not ended."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.shutdown(socket.SHUT_RD)  # wakes the thread that reads, and sends nothing
    with contextlib.suppress(OSError):
        os.close(connection.detach())
