"""Watches live tails over many connections, as cheaply as can be: counts events, and finds gaps and doubles by ids."""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from functools import partial
from urllib.parse import quote

import uvloop

from benchmarks.process import TOKEN

READY = "ready\n"
CONNECT_AT_ONCE = 50


def query_of(number: int) -> str:
    """The live query number so and so: each finds a marker that a measurement puts into its records."""
    return f"watched:={number}"


class Viewer(asyncio.Protocol):
    """One connection: counts what comes."""

    def __init__(self, query: str) -> None:
        self._query = query
        self.events, self.missed = 0, 0
        self.ids: list[bytes] = []
        self._rest = b""
        self.connected = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        head = f"GET /api/v1/tail?q={quote(self._query)} HTTP/1.1\r\nHost: localhost\r\n"
        request = f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        transport.write(request)  # type: ignore[attr-defined]  # of a TCP connection it can

    def data_received(self, data: bytes) -> None:
        """Count events; those that were cut in two are put together by their ids' ends."""
        self.connected.set()
        data = self._rest + data
        end = data.rfind(b"\n\n") + 2
        self._rest = data[end:] if end > 1 else data
        for part in data[:end].split(b"id: ")[1:] if end > 1 else ():
            name, _, rest = part.partition(b"\n")
            if rest.startswith(b"data: "):
                self.events += 1
                self.ids.append(name)
        self.missed += data[:end].count(b"event: missed")


def _itself(one: Viewer) -> Viewer:
    return one


async def watch(port: int, viewers: int, queries: int, seconds: float) -> list[Viewer]:
    """All viewers, for so long."""
    loop = asyncio.get_running_loop()
    made: list[Viewer] = []
    for first in range(0, viewers, CONNECT_AT_ONCE):
        some = [Viewer(query_of(at % queries)) for at in range(first, min(viewers, first + CONNECT_AT_ONCE))]
        for one in some:
            await loop.create_connection(partial(_itself, one), "127.0.0.1", port)
        await asyncio.gather(*(one.connected.wait() for one in some))
        made += some
    print(READY, end="", flush=True)
    await asyncio.sleep(seconds)
    return made


def main() -> None:
    """`PORT VIEWERS QUERIES SECONDS`: say when all are there, then print the figures as JSON."""
    port, viewers, queries, seconds = *map(int, sys.argv[1:4]), float(sys.argv[4])
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    begin = time.perf_counter()
    made = uvloop.run(watch(port, viewers, queries, seconds))
    doubles = sum(count - 1 for one in made for count in Counter(one.ids).values())
    used = resource.getrusage(resource.RUSAGE_SELF)
    by_query = [{one.events for one in made[at::queries]} for at in range(queries)]
    print(
        json.dumps(
            {
                "events": sum(one.events for one in made),
                "missed": sum(one.missed for one in made),
                "doubled": doubles,
                "equal": all(len(counts) == 1 for counts in by_query),
                "least": min(one.events for one in made),
                "client_cpu_s": used.ru_utime + used.ru_stime,
                "seconds": time.perf_counter() - begin,
            }
        )
    )


if __name__ == "__main__":
    main()
