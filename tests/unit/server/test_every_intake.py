"""Every way in is counted alike: its rejections with samples, and what the store refuses."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

import httpx2
import pytest

from tamis.errors import OverloadedError
from tamis.record.model import Columns
from tamis.server.app import create_app, create_service, ensure_admin
from tamis.server.front.listen import server_for
from tamis.server.listeners.start import Listeners
from tamis.server.service import Service
from tamis.settings import load_settings
from tamis.store.base import Appended
from tamis.store.memory import MemoryStore
from tests.unit.server.conftest import TOKEN
from tests.unit.server.listeners.test_listeners import datagrams, until

pytestmark = pytest.mark.anyio
PORTS = {"syslog.tcp_port": 0, "syslog.udp_port": 0, "gelf.port": 0, "journal.port": 0}
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Place:
    """A server with all its ways in."""

    api: httpx2.AsyncClient
    ports: dict[str, int]
    service: Service

    async def post(self, path: str, body: bytes, kind: str, *, port: str | None = None) -> int:
        url = path if port is None else f"http://127.0.0.1:{self.ports[port]}{path}"
        if port is None:
            return (await self.api.post(url, content=body, headers={"Content-Type": kind})).status_code
        async with httpx2.AsyncClient(timeout=60.0) as client:
            return (await client.post(url, content=body, headers={"Content-Type": kind})).status_code

    async def stream(self, protocol: str, body: bytes) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", self.ports[protocol])
        with closing(writer):
            writer.write(body)
            await writer.drain()


Send = Callable[[Place], Awaitable[object]]


def posted(path: str, body: bytes, kind: str, port: str | None = None) -> Send:
    return lambda place: place.post(path, body, kind, port=port)


def streamed(protocol: str, body: bytes) -> Send:
    return lambda place: place.stream(protocol, body)


async def datagram(place: Place, protocol: str, *messages: bytes) -> None:
    datagrams(place.ports[protocol], *messages)


OTLP = json.dumps(
    {"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"body": {"stringValue": "good"}, "timeUnixNano": "1795262400000000000"},
        {"body": {"stringValue": "bad"}, "timeUnixNano": "soon"},
    ]}]}]}
).encode()  # fmt: skip
LOKI = json.dumps(
    {"streams": [{"stream": {"a": "b"}, "values": [["1795262400000000000", "good"], ["soon", "bad"]]}]}
).encode()
GELF_GOOD, GELF_BAD = b'{"version":"1.1","host":"h","short_message":"good"}', b'{"version":"1.1"'
JOURNAL = b"__CURSOR=c\n__REALTIME_TIMESTAMP=1763719200000000\nMESSAGE=good\n\nbad entry\n\n"
WAYS: dict[str, Send] = {
    "lines": posted("/api/v1/ingest", b'{"message":"good"}\n{"message":\n', "application/x-ndjson"),
    "otlp": posted("/v1/logs", OTLP, JSON),
    "loki": posted("/loki/api/v1/push", LOKI, JSON),
    "bulk": posted("/_bulk", b'{"create":{}}\n{"message":"good"}\n{"create":{}}\nbad\n', "application/x-ndjson"),
    "gelf-http": posted("/gelf", GELF_GOOD + b"\n" + GELF_BAD, JSON, "gelf-tcp"),
    "gelf-tcp": streamed("gelf-tcp", GELF_GOOD + b"\0" + GELF_BAD + b"\0"),
    "gelf-udp": lambda place: datagram(place, "gelf-udp", GELF_GOOD, GELF_BAD),
    "journal": posted("/upload", JOURNAL, "application/vnd.fdo.journal", "journal"),
}  # fmt: skip
NEVER_REJECTED: dict[str, Send] = {
    "syslog-tcp": streamed("syslog-tcp", b"<13>1 - h a - - - good\n"),
    "syslog-udp": lambda place: datagram(place, "syslog-udp", b"<13>1 - h a - - - good"),
}
"""A line is a record, whatever it says."""


class PushesBackOnce(MemoryStore):
    """A store that is behind when the first batch comes."""

    behind = True

    def append(self, batch: Columns, *, batch_id: str | None = None, receipt: bytes = b"") -> Appended:
        if self.behind:
            self.behind = False
            raise OverloadedError("the store is behind", retry_after_s=0.01)
        return super().append(batch, batch_id=batch_id, receipt=receipt)


@asynccontextmanager
async def place_of(store: MemoryStore) -> AsyncIterator[Place]:
    """A server that listens for every protocol."""
    settings = load_settings({"server.admin_token": TOKEN, **PORTS}, {})
    service = create_service(settings, None)
    ensure_admin(service)
    service.set_store(store)
    app = create_app(settings, service=service)
    http = server_for(app, settings).config.http
    assert isinstance(http, type)
    listeners = Listeners(service, settings, http=http)
    await listeners.start()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost:4817", headers=headers
    ) as api:
        try:
            yield Place(api, listeners.ports, service)
        finally:
            service.stopping.set()
            await listeners.close()
            service.writes.shutdown()
            service.reads.shutdown()
            service.asker.close()
            service.ready().bulks.close()
            service.accounts.close()


@pytest.mark.parametrize("protocol", WAYS)
async def test_rejections_stand_in_both_places(protocol: str) -> None:
    """One record is stored and one rejected, by each protocol: its reason in the API, and in the metrics."""
    async with place_of(MemoryStore()) as place:
        await WAYS[protocol](place)
        tally = place.service.tallies.of(protocol)
        await until(lambda: (tally.stored, tally.rejected) == (1, 1))
        answer = (await place.api.get("/api/v1/rejections")).json()
        (found,) = [one for one in answer["protocols"] if one["protocol"] == protocol]
        assert (found["stored"], found["rejected"]) == (1, 1)
        assert len(found["samples"]) == 1
        assert found["samples"][0]["reason"]
        assert found["samples"][0]["sender"].startswith("127.0.0.1")
        text = (await place.api.get("/metrics")).text
        for result in ("stored", "rejected"):
            assert f'tamis_listener_messages_total{{protocol="{protocol}",result="{result}"}} 1.0' in text


@pytest.mark.parametrize("protocol", NEVER_REJECTED)
async def test_what_is_never_rejected_is_counted_as_stored(protocol: str) -> None:
    """Of syslog every line is a record: it stands in both places as stored."""
    async with place_of(MemoryStore()) as place:
        await NEVER_REJECTED[protocol](place)
        tally = place.service.tallies.of(protocol)
        await until(lambda: tally.stored == 1)
        answer = (await place.api.get("/api/v1/rejections")).json()
        (found,) = [one for one in answer["protocols"] if one["protocol"] == protocol]
        assert (found["stored"], found["rejected"]) == (1, 0)
        text = (await place.api.get("/metrics")).text
        assert f'tamis_listener_messages_total{{protocol="{protocol}",result="stored"}} 1.0' in text


@pytest.mark.parametrize("protocol", [*WAYS, *NEVER_REJECTED])
async def test_a_store_that_is_behind_is_counted_whoever_sends(protocol: str) -> None:
    """Its limit is counted for every protocol; those who cannot be told are stored later, and the others try again."""
    store = PushesBackOnce()
    async with place_of(store) as place:
        await {**WAYS, **NEVER_REJECTED}[protocol](place)
        metrics = place.service.metrics
        await until(lambda: metrics.value("tamis_limits_met_total", "store.hot_bytes_max") == 1)
        assert not store.behind


async def test_a_bulk_sent_again_is_counted_once() -> None:
    """A body under its key is the same records, and the same rejections."""
    async with place_of(MemoryStore()) as place:
        body = b'{"create":{"_id":"1"}}\n{"message":"good"}\n{"delete":{"_id":"2"}}\n'
        for _ in range(2):
            headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "k"}
            assert (await place.api.post("/_bulk", content=body, headers=headers)).status_code == 200
        tally = place.service.tallies.of("bulk")
        assert (tally.stored, tally.rejected, len(tally.samples)) == (1, 1, 1)


async def test_a_bulk_that_cannot_be_read_is_counted_as_refused() -> None:
    """A body that is no gzip, though it says so."""
    async with place_of(MemoryStore()) as place:
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        assert (await place.api.post("/_bulk", content=b"no gzip", headers=headers)).status_code == 400
        assert place.service.tallies.of("bulk").refused == {"not readable": 1}
