"""Asks a server so many questions a second, as cheaply as can be: a process of its own, connections that stay open.

Questions go out when they are due, however late the answers before them are; each one's time counts from there.
"""

import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
import uvloop

from benchmarks.process import TOKEN

CONNECTIONS = 64
TICK_S = 0.002
WAIT_S = 10.0
WORDS = (
    "timeout", "received", "declined", "connection", "failed", "request", "payment", "order", "cache", "refused",
    "user", "session", "started", "retry", "block", "created", "deleted", "accepted", "expired", "slow",
)  # fmt: skip
SERVICES = ("payments", "checkout", "auth", "search", "inventory", "gateway", "shipping", "billing")
TEAM = (
    "", "level:error", "level>=warning", "service:payments", "service:payments declined", "timeout",
    '"connection refused"', "status:500", "status:[500 TO 599]", "level:error NOT timeout", "service:auth failed",
    "duration_ms>500", "level:critical", "received",
)  # fmt: skip
"""What a team looks at: each as records, as a count and as a histogram."""
REPEATED_SHARE = 0.95


def request_of(kind: str, query: str, start: str) -> bytes:
    """The bytes of a question about the time from `start` until now."""
    given = {"q": query, "start": start, "end": "now"}
    if kind == "histogram":
        given["by"] = "level"
    if kind == "search":
        given["limit"] = "100"
    head = f"GET /api/v1/{kind}?{urlencode(given)} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    return head.encode()


KINDS = ("search", "count", "histogram")


def team(
    rng: random.Random, kinds: tuple[str, ...] = KINDS, starts: tuple[str, ...] = ("-15m", "-1h")
) -> Iterator[bytes]:
    """Questions of a busy team: of a hundred at least 95 were asked seconds ago; the others are new."""
    known = [request_of(kind, query, rng.choice(starts)) for query in TEAM for kind in kinds]
    weights = [1.0 / (1 + at) ** 0.7 for at in range(len(known))]
    rng.shuffle(known)
    new = different(rng, kinds, starts[0])
    while True:
        yield rng.choices(known, weights)[0] if rng.random() < REPEATED_SHARE else next(new)


def different(rng: random.Random, kinds: tuple[str, ...] = KINDS, start: str = "-1h") -> Iterator[bytes]:
    """Questions of which none was asked before."""
    made: set[bytes] = set()
    while True:
        number = rng.randint(1, 10_000_000)
        query = rng.choice(
            (
                f"{rng.choice(WORDS)} duration_ms>{number / 10_000:.3f}",
                f"service:{rng.choice(SERVICES)} {rng.choice(WORDS)} duration_ms<{number / 1_000:.3f}",
                f"level>=warning status:[{rng.randint(100, 599)} TO 600] duration_ms>{number / 100_000:.3f}",
                f"trace_id:={rng.getrandbits(128):032x}",
                f"{rng.choice(WORDS)} OR {rng.choice(WORDS)} duration_ms>{number / 10_000:.3f}",
                f'"order A-{number:07d}"',
            )
        )
        request = request_of(rng.choice(kinds), query, start)
        if request not in made:
            made.add(request)
            yield request


SOURCES: dict[str, Callable[[random.Random], Iterator[bytes]]] = {
    "team": team,
    "different": different,
    "searches": lambda rng: team(rng, ("search",), ("-15m",)),
}


class Connection(asyncio.Protocol):
    """One connection: a question at a time."""

    def __init__(self, done: "Callable[[Connection, int], None]") -> None:
        self._done = done
        self._buffer = b""
        self._left = -1
        self._status = 0
        self.due = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self.transport = transport  # type: ignore[assignment]  # of a TCP connection it is one

    def ask(self, request: bytes, due: float) -> None:
        """Send a question that was due then."""
        self.due = due
        assert self.transport is not None
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """A piece of the answer."""
        if self._left < 0:
            self._buffer += data
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            at = self._buffer.index(b"content-length: ") + 16
            length = int(self._buffer[at : self._buffer.index(b"\r", at)])
            self._status = int(self._buffer[9:12])
            self._left = end + 4 + length - len(self._buffer)
            self._buffer = b""
        else:
            self._left -= len(data)
        if self._left == 0:
            self._left = -1
            self._done(self, self._status)


@dataclass(slots=True)
class Asked:
    """What came of the questions."""

    times: list[float]
    statuses: Counter[int]


async def ask(port: int, questions: Iterator[bytes], rate: float, seconds: float) -> Asked:
    """Ask `rate` questions a second."""
    loop = asyncio.get_running_loop()
    asked = Asked([], Counter())
    waiting: deque[tuple[bytes, float]] = deque()
    free: deque[Connection] = deque()
    """Used in turns: one that is idle for seconds is closed by the server."""

    def done(connection: Connection, status: int) -> None:
        asked.times.append(loop.time() - connection.due)
        asked.statuses[status] += 1
        if waiting:
            connection.ask(*waiting.popleft())
        else:
            free.append(connection)

    for _ in range(min(CONNECTIONS, int(rate * 2))):
        _, connection = await loop.create_connection(lambda: Connection(done), "127.0.0.1", port)
        free.append(connection)
    begin, sent, total = loop.time(), 0, int(rate * seconds)
    while sent < total:
        due_now = min(total, int((loop.time() - begin) * rate) + 1)
        while sent < due_now:
            due = begin + sent / rate
            if free:
                free.popleft().ask(next(questions), due)
            else:
                waiting.append((next(questions), due))
            sent += 1
        await asyncio.sleep(TICK_S)
    until = loop.time() + WAIT_S
    while len(asked.times) < total and loop.time() < until:
        await asyncio.sleep(TICK_S)
    asked.statuses[0] += total - len(asked.times)
    return asked


def figures(asked: Asked) -> dict[str, object]:
    """Times in milliseconds, statuses (0: no answer), the generator's own processor seconds."""
    p50, p95, p99 = np.percentile(asked.times, [50, 95, 99]) * 1_000 if asked.times else (0, 0, 0)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "asked": len(asked.times),
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "p99_ms": float(p99),
        "max_ms": max(asked.times, default=0.0) * 1_000,
        "statuses": {str(status): count for status, count in asked.statuses.items() if count},
        "client_cpu_s": used.ru_utime + used.ru_stime,
    }


def main() -> None:
    """`PORT SOURCE RATE SECONDS`: print the figures as JSON."""
    port, source, rate, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    questions = SOURCES[source](random.Random(time.time_ns()))
    begin = time.perf_counter()
    asked = uvloop.run(ask(port, questions, rate, seconds))
    print(json.dumps({**figures(asked), "seconds": time.perf_counter() - begin}))


if __name__ == "__main__":
    main()
