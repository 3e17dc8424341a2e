"""The server traces its own work: to a receiver that is set, never to itself."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tamis.errors import ConfigError
from tamis.server.front.traced import check_traces
from tamis.settings import load_settings
from tamis.store.memory import MemoryStore
from tests.support.commands import TOKEN, running_server, wait_for
from tests.unit.server.conftest import listening

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
WAIT_S = 60


class Collector:
    """A receiver of traces, and what came to it."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans.extend(scope.spans)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def named(self, name: str) -> list[Any]:
        return [one for one in self.spans if one.name == name]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def test_requests_are_traced_below_their_callers(collector: Collector, tmp_path: Path) -> None:
    """Taking in and asking are spans of the caller's trace, with their parts; what waits is sent at the stop."""
    with running_server(tmp_path, TAMIS_TRACES_URL=collector.url) as server:
        traced = {**HEADERS, "traceparent": f"00-{TRACE}-{SPAN}-01"}
        httpx2.post(
            f"{server.url}/api/v1/ingest", content=b'{"message":"a"}', headers=traced
        ).raise_for_status()
        httpx2.get(f"{server.url}/api/v1/count", headers=HEADERS).raise_for_status()
        httpx2.get(f"{server.url}/healthz").raise_for_status()
        httpx2.get(f"{server.url}/no/such/path?q=secret", headers=HEADERS)
    assert wait_for(lambda: len(collector.spans) >= 5, WAIT_S)
    (ingest,) = collector.named("POST /api/v1/ingest")
    (taken,) = collector.named("tamis.ingest")
    assert (ingest.trace_id.hex(), ingest.parent_span_id.hex()) == (TRACE, SPAN)
    assert (taken.trace_id, taken.parent_span_id) == (ingest.trace_id, ingest.span_id)
    (count,) = collector.named("GET /api/v1/count")
    (query,) = collector.named("tamis.query")
    assert query.parent_span_id == count.span_id
    attributes = {one.key: one.value for one in count.attributes}
    assert attributes["http.response.status_code"].int_value == 200
    assert [one.name for one in collector.spans if "healthz" in one.name] == []
    assert len(collector.named("GET other")) == 1
    assert "secret" not in str(collector.spans)
    assert all("x-tamis-traces" in headers for headers in collector.headers)


def test_a_server_never_feeds_itself(collector: Collector) -> None:
    """Its own address is refused at the start; its own traces coming back by a detour are 508; those of another server
    are no reason for a span."""
    settings = load_settings({"traces.url": "http://localhost:4817"}, {})
    with pytest.raises(ConfigError, match=r"traces\.url.*this server itself"):
        check_traces(settings, "http://127.0.0.1:4817")
    check_traces(settings, "http://127.0.0.1:4818")
    with listening(MemoryStore(), server__admin_token=TOKEN, traces__url=collector.url) as port:
        url = f"http://127.0.0.1:{port}"
        httpx2.get(f"{url}/api/v1/count", headers=HEADERS).raise_for_status()
        assert wait_for(lambda: bool(collector.headers), WAIT_S)
        own = collector.headers[0]["x-tamis-traces"]
        looped = httpx2.post(f"{url}/v1/traces", headers={**HEADERS, "x-tamis-traces": own})
        assert (looped.status_code, "own traces" in looped.text) == (508, True)
        other = httpx2.post(f"{url}/v1/traces", headers={**HEADERS, "x-tamis-traces": "another"})
        assert other.status_code == 404
        httpx2.get(f"{url}/api/v1/fields", headers=HEADERS).raise_for_status()
        assert wait_for(lambda: bool(collector.named("GET /api/v1/fields")), WAIT_S)
    assert [one.name for one in collector.spans if "POST" in one.name] == []


def test_a_receiver_that_is_away_delays_no_stop(tmp_path: Path) -> None:
    """What cannot be sent is given up after a moment."""
    with running_server(tmp_path, TAMIS_TRACES_URL="http://127.0.0.1:9") as server:
        httpx2.get(f"{server.url}/api/v1/count", headers=HEADERS).raise_for_status()
        assert server.stop() == 0
