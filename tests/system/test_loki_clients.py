"""Pushes to Loki into a real Tamis server, which is killed meanwhile."""

import json
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from tests.support.commands import TOKEN, start_server, wait_for

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
T0 = 1_763_719_200_000_000_000
WAIT_S = 60.0


def push(first: int, count: int) -> bytes:
    """A push; each tenth of its entries is broken."""
    values = [
        [str(T0 + number) if number % 10 else "no time", f"line {number}"]
        for number in range(first, first + count)
    ]
    return json.dumps({"streams": [{"stream": {"job": "test"}, "values": values}]}).encode()


def pushed(url: str, body: bytes) -> int:
    """Push until it is answered, as promtail does; how many entries were rejected."""
    ends_s = time.monotonic() + WAIT_S
    while time.monotonic() < ends_s:
        try:
            answer = httpx2.post(f"{url}/loki/api/v1/push", content=body, headers=HEADERS, timeout=10)
        except httpx2.TransportError:
            time.sleep(0.05)  # the server starts again meanwhile
            continue
        if answer.status_code == 400:
            return int(answer.json()["rejected_count"])
        assert answer.status_code in (204, 503), answer.text
        if answer.status_code == 204:
            return 0
    raise AssertionError("never answered")


def test_every_entry_is_stored_or_reported_though_the_server_is_killed(tmp_path: Path) -> None:
    """`kill -9` twice in the middle of the stream: sent = stored (at least once) + reported as rejected."""
    server = start_server(tmp_path)
    url = server.url
    sent, rejected, ends = [0], [0], threading.Event()

    def stream() -> None:
        while not ends.is_set():
            rejected[0] += pushed(url, push(sent[0], 50))
            sent[0] += 50

    streaming = threading.Thread(target=stream)
    streaming.start()
    try:
        for _ in range(2):
            before = sent[0]
            assert wait_for(lambda before=before: sent[0] >= before + 300, WAIT_S)  # type: ignore[misc]  # mypy: lambda
            server.kill()
            server = start_server(tmp_path, port=str(urlsplit(url).port))
    finally:
        ends.set()
        streaming.join(WAIT_S)
    answer = httpx2.get(f"{url}/api/v1/export", params={"format": "ndjson"}, headers=HEADERS, timeout=30)
    stored = {json.loads(line)["message"] for line in answer.text.splitlines()}
    assert server.stop() == 0
    assert stored == {f"line {number}" for number in range(sent[0]) if number % 10}
    assert sent[0] == len(stored) + rejected[0]
