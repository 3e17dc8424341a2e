"""OpenTelemetry's own exporters, of Python and JavaScript, into a real Tamis server, which is killed meanwhile."""

import json
import logging
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter as JsonLogExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from tests.support.commands import ROOT, TOKEN, Server, running_server, start_server, wait_for
from tests.support.parts import program

pytestmark = pytest.mark.filterwarnings("ignore:`LoggingHandler`:DeprecationWarning")  # what users have today
COUNT = 3_000


@contextmanager
def shipping(url: str, kind: str = "protobuf") -> Iterator[logging.Logger]:
    """A logger whose records go to a server by OpenTelemetry's SDK, all sent when it ends."""
    provider = LoggerProvider(resource=Resource.create({"service.name": "shop"}))
    exporter = (JsonLogExporter if kind == "json" else OTLPLogExporter)(
        endpoint=f"{url}/v1/logs", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60
    )
    provider.add_log_record_processor(
        BatchLogRecordProcessor(
            exporter, schedule_delay_millis=50, max_export_batch_size=100, max_queue_size=10_000
        )
    )
    logger = logging.getLogger("test.otlp")
    handler = LoggingHandler(logger_provider=provider)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield logger
        provider.force_flush(60_000)
    finally:
        logger.removeHandler(handler)
        provider.shutdown()


def stored(server: Server) -> list[dict[str, Any]]:
    with httpx2.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as caller:
        answer = caller.get(f"{server.url}/api/v1/export", params={"format": "ndjson"})
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.parametrize("kind", ["protobuf", "json"])
def test_the_sdk_of_opentelemetry_ships_into_tamis(tmp_path: Path, kind: str) -> None:
    """Level, logger, service, attributes and text arrive."""
    server = start_server(tmp_path)
    try:
        with shipping(server.url, kind) as logger:
            for number in range(COUNT):
                logger.warning("order %d is late", number, extra={"order_id": number})
        found = stored(server)
    finally:
        server.stop()
    assert sorted(one["attributes"]["order_id"] for one in found) == list(range(COUNT))
    one = found[0]
    assert (one["level"], one["logger"], one["service"]) == ("WARNING", "test.otlp", "shop")
    assert one["message"] == f"order {one['attributes']['order_id']} is late"


@pytest.mark.parametrize("kind", ["protobuf", "json"])
def test_no_record_is_missing_after_a_kill_in_mid_stream(tmp_path: Path, kind: str) -> None:
    """The client sends again what was not answered: each record is stored at least once."""
    server = start_server(tmp_path)
    port = str(urlsplit(server.url).port)
    began, go_on = threading.Event(), threading.Event()

    def log() -> None:
        with shipping(server.url, kind) as logger:
            for number in range(COUNT):
                logger.info("record %d", number, extra={"order_id": number})
                if number == COUNT // 2:
                    began.set()
                    assert go_on.wait(60)

    thread = threading.Thread(target=log)
    thread.start()
    assert began.wait(60)
    assert wait_for(lambda: len(stored(server)) > 0)
    server.kill()
    go_on.set()
    server = start_server(tmp_path, port=port)
    try:
        thread.join()
        found = stored(server)
    finally:
        server.stop()
    assert {one["attributes"]["order_id"] for one in found} == set(range(COUNT))


def javascript(url: str, count: int, *options: str) -> "subprocess.Popen[str]":
    """OpenTelemetry's SDK for JavaScript, logging."""
    folder = ROOT / "tests/clients/opentelemetry-js"
    command = [str(program("node")), "ship.js", url, TOKEN, str(count), *options]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("kind", ["protobuf", "json"])
def test_the_sdk_for_javascript_ships_into_tamis(tmp_path: Path, kind: str) -> None:
    """In protobuf, and in JSON with gzip: values of every type arrive."""
    with running_server(tmp_path) as server:
        said, _ = javascript(server.url, COUNT, kind).communicate(timeout=60)
        found = stored(server)
    assert said == ""
    assert sorted(one["attributes"]["order_id"] for one in found) == list(range(COUNT))
    one = found[0]
    assert (one["level"], one["logger"], one["service"]) == ("WARNING", "orders", "shop-js")
    assert one["message"] == f"order {one['attributes']['order_id']} is late"
    assert one["attributes"]["nested"] == {"list": [1, "b", True]}
    assert one["attributes"]["ratio"] == 0.5


@pytest.mark.parametrize("kind", ["protobuf", "json"])
def test_no_record_of_javascript_is_missing_after_a_kill(tmp_path: Path, kind: str) -> None:
    """It sends again what was not answered: each record is stored at least once."""
    program("node")  # before anything is started
    server = start_server(tmp_path)
    client = javascript(server.url, COUNT, kind, "pause")
    try:
        assert client.stdout is not None
        assert client.stdout.readline() == "half\n"
        assert wait_for(lambda: len(stored(server)) > 0, 60)
        server.kill()
        assert client.stdin is not None
        client.stdin.write("go\n")
        client.stdin.flush()
        server = start_server(tmp_path, port=str(urlsplit(server.url).port))
        said, _ = client.communicate(timeout=60)
        found = stored(server)
    finally:
        client.kill()
        client.wait(30)
        server.stop()
    assert said == ""
    assert {one["attributes"]["order_id"] for one in found} == set(range(COUNT))
