"""Pushes to Loki, and two handlers for Python that push, into a real Tamis server, which is killed meanwhile."""

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import logging_loki  # type: ignore[import-untyped]  # without types
import pytest
from loki_logger_handler.formatters.logger_formatter import LoggerFormatter  # type: ignore[import-untyped]  # without types
from loki_logger_handler.loki_logger_handler import LokiLoggerHandler  # type: ignore[import-untyped]  # without types

from tests.support.commands import TOKEN, running_server, start_server, wait_for

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
T0 = 1_763_719_200_000_000_000
WAIT_S = 60.0
COUNT = 300


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


def exported(url: str) -> list[dict[str, Any]]:
    """What is stored."""
    answer = httpx2.get(f"{url}/api/v1/export", params={"format": "ndjson"}, headers=HEADERS, timeout=30)
    return [json.loads(line) for line in answer.text.splitlines()]


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
    stored = {one["message"] for one in exported(url)}
    assert server.stop() == 0
    assert stored == {f"line {number}" for number in range(sent[0]) if number % 10}
    assert sent[0] == len(stored) + rejected[0]


class Shipping:
    """A handler that ships to Loki's push, the messages whose delivery it saw fail, and how many it is done with."""

    def __init__(self, handler: logging.Handler, failed: set[str], done: list[int]) -> None:
        self.failed, self._done, self.logged = failed, done, 0
        self._logger = logging.Logger(type(handler).__name__, logging.INFO)
        self._logger.addHandler(handler)

    def log(self, message: str, number: int) -> None:
        """One more record."""
        self._logger.warning(message, number, extra={"order_id": number, "tags": {"region": "eu"}})
        self.logged += 1

    def settle(self, behind: int = 0) -> None:
        """Wait until no more than so many records are on their way."""
        assert wait_for(lambda: self._done[0] >= self.logged - behind, WAIT_S)


def python_logging_loki(url: str) -> Shipping:
    """python-logging-loki: a request for each record, uncompressed, with Basic credentials; it tries once."""
    failed, done = set[str](), [0]

    class Handler(logging_loki.LokiHandler):  # type: ignore[misc]  # the package has no types
        def emit(self, record: logging.LogRecord) -> None:
            super().emit(record)
            done[0] += 1

        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # standard logging's name
            failed.add(record.getMessage())
            self.emitter.close()

    handler = Handler(
        url=f"{url}/loki/api/v1/push", tags={"service": "shop"}, auth=("any", TOKEN), version="1"
    )
    return Shipping(handler, failed, done)


def loki_logger_handler(url: str) -> Shipping:
    """loki-logger-handler: batches in gzip with structured metadata and keys that Loki does not know; tries once."""
    failed, done = set[str](), [0]
    handler = LokiLoggerHandler(
        url=f"{url}/loki/api/v1/push",
        labels={"service": "shop"},
        label_keys=["level"],
        additional_headers={"Authorization": f"Bearer {TOKEN}"},
        message_in_json_format=False,
        enable_structured_loki_metadata=True,
        loki_metadata={"release": "1.2"},
        loki_metadata_keys=["order_id"],
        default_formatter=TextFormatter(),
        timeout=0.05,
    )
    send = handler.request.send

    def watched(data: str) -> None:
        lines = [line for stream in json.loads(data)["streams"] for _, line, *_ in stream["values"]]
        try:
            send(data)
        except Exception:
            failed.update(lines)
            raise
        finally:
            done[0] += len(lines)

    handler.request.send = watched
    return Shipping(handler, failed, done)


class TextFormatter(LoggerFormatter):  # type: ignore[misc]  # the package has no types
    """The message as the line, as handlers for other languages have it, and the order's number beside it."""

    def format(self, record: logging.LogRecord) -> Any:
        return TextLine(record.getMessage()), {"order_id": getattr(record, "order_id", None)}


class TextLine(str):
    """A line that the handler may ask for labels."""

    def get(self, name: str) -> float | None:
        return time.time() if name == "timestamp" else None


HANDLERS = pytest.mark.parametrize("make", [python_logging_loki, loki_logger_handler])


@HANDLERS
def test_a_handler_ships_into_tamis(tmp_path: Path, make: Callable[[str], Shipping]) -> None:
    """Set up as its documentation says, with nothing but the address and the token of Tamis."""
    with running_server(tmp_path) as server:
        shipping = make(server.url)
        for number in range(COUNT):
            shipping.log("order %d is late", number)
        shipping.settle()
        found = exported(server.url)
    assert shipping.failed == set()
    assert {one["message"] for one in found} == {f"order {number} is late" for number in range(COUNT)}
    assert {one["service"] for one in found} == {"shop"}
    assert len(found) == COUNT


@HANDLERS
def test_what_a_handler_did_not_see_fail_is_stored(tmp_path: Path, make: Callable[[str], Shipping]) -> None:
    """`kill -9` in the middle of the stream: these handlers try once, and what was answered is there."""
    server = start_server(tmp_path)
    url, ends = server.url, threading.Event()
    shipping = make(url)

    def stream() -> None:
        while not ends.is_set():
            shipping.log("line %d", shipping.logged)
            shipping.settle(behind=100)

    streaming = threading.Thread(target=stream)
    streaming.start()
    try:
        assert wait_for(lambda: shipping.logged >= 100 and bool(exported(url)), WAIT_S)
        server.kill()
        assert wait_for(lambda: bool(shipping.failed), WAIT_S)
        server = start_server(tmp_path, port=str(urlsplit(url).port))
        before = shipping.logged
        assert wait_for(lambda: shipping.logged >= before + 300, WAIT_S)
    finally:
        ends.set()
        streaming.join(WAIT_S)
    shipping.settle()
    stored = {one["message"] for one in exported(url)}
    assert server.stop() == 0
    lines = {f"line {number}" for number in range(shipping.logged)}
    assert stored <= lines
    assert lines - stored <= shipping.failed
    assert stored - shipping.failed
