"""What callers see while two hundred of them ask one server at once."""

import http.client
import json
import re
import selectors
import socket
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
import pytest

from tests.support.commands import TOKEN, running_server

CALLERS = 200
RECORDS = 50_000
ROUNDS = 2
TIMEOUT_S = 30.0
HEALTH_S = 0.1
RETRY = re.compile(rb"\r\nretry-after: [1-9]\d*\r\n")
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
LIMITS = {
    "TAMIS_QUERY_LIGHT_MAX": "2",
    "TAMIS_QUERY_WAITING_MAX": "20",
    "TAMIS_QUERY_WAITING_TIMEOUT_S": "0.5",
}


class Watcher:
    """Asks for one path again and again, and keeps how long each answer took; beside it, how much later than wanted
    a thread here wakes from sleep: what the machine itself adds."""

    def __init__(self, port: int, path: str) -> None:
        self._port, self._path = port, path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seconds: list[float] = []
        self.late: list[float] = []

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        while not self._stop.is_set():
            began = time.perf_counter()
            connection.request("GET", self._path, headers=HEADERS)
            assert connection.getresponse().read()
            answered = time.perf_counter()
            time.sleep(0.005)
            self.seconds.append(answered - began)
            self.late.append(time.perf_counter() - answered - 0.005)
        connection.close()

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def press(port: int, first: int) -> list[tuple[float, bytes]]:
    """Seconds and head of the answer of every search; each is another question, and no quick one."""
    done: list[tuple[float, bytes]] = []
    began = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for number in range(first, first + CALLERS):
            caller = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
            q = quote(f"message:/o+.*{number}.*[a-f]+/ OR message:~{number} | sort n")
            target = f"GET /api/v1/search?limit=1&q={q} HTTP/1.1\r\nHost: localhost\r\n"
            caller.sendall(f"{target}Authorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n".encode())
            selector.register(caller, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(TIMEOUT_S):
                caller = key.fileobj  # type: ignore[assignment]  # they are the sockets from above
                done.append((time.perf_counter() - began, caller.recv(65_536)))
                selector.unregister(caller)
                caller.close()
    return done


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_two_hundred_searches_at_once(tmp_path: Path, path: str) -> None:
    """Some are answered, the others refused early with the time to come again, none is late; health and metrics are
    answered at once all the while."""
    body = b"".join(b'{"message":"order %d of the shop","n":%d}\n' % (n, n) for n in range(RECORDS))
    with running_server(tmp_path, **LIMITS) as server:
        received = httpx2.post(
            f"{server.url}/api/v1/ingest", content=body, headers=HEADERS, timeout=TIMEOUT_S
        )
        assert json.loads(received.content)["stored"] == RECORDS
        port = int(urlsplit(server.url).port or 0)
        with Watcher(port, path) as watched:
            done = [one for turn in range(ROUNDS) for one in press(port, 1_000 * (turn + 1))]
    statuses = Counter(answer.split()[1] for _, answer in done)
    assert set(statuses) == {b"200", b"429"}, statuses
    refused = [(seconds, answer) for seconds, answer in done if answer.split()[1] == b"429"]
    assert all(RETRY.search(answer.lower()) for _, answer in refused)
    assert max(seconds for seconds, _ in refused) < TIMEOUT_S / 5
    assert p99(watched.seconds) < HEALTH_S + 5 * p99(watched.late)
