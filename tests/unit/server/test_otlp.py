"""The OTLP route: answers in the request's kind, errors as google.rpc.Status, every record stored or named."""

import gzip
import json
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tamis.errors import JournalClosedError, NoSpaceError, OverloadedError
from tamis.pipeline.base import DELIVERED, Batch
from tamis.pipeline.sinks.otlp import OtlpSink
from tamis.pipeline.sinks.otlp_protobuf import encode_request, message_of, rejected_of
from tamis.record.model import Columns, Record
from tamis.server.app import create_app
from tamis.settings import load_settings
from tamis.store.base import Appended
from tamis.store.memory import MemoryStore
from tests.unit.server.conftest import TOKEN, listening

pytestmark = pytest.mark.anyio
JSON, PROTOBUF = "application/json", "application/x-protobuf"


def form(*messages: str) -> dict[str, Any]:
    records = [{"body": {"stringValue": message}} for message in messages]
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}


def encoded(kind: str, *messages: str) -> bytes:
    return json.dumps(form(*messages)).encode() if kind == JSON else encode_request(form(*messages))


async def post(client: httpx2.AsyncClient, body: bytes, kind: str, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/v1/logs", content=body, headers={"Content-Type": kind, **named})


async def messages(client: httpx2.AsyncClient) -> list[str]:
    answer = await client.get("/api/v1/search", params={"order": "asc", "limit": 1000})
    return [record["message"] for record in answer.json()["records"]]


@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
async def test_records_are_stored_and_the_answer_is_empty(caller: httpx2.AsyncClient, kind: str) -> None:
    """A full success carries no partialSuccess; the content type is the request's."""
    answer = await post(caller, gzip.compress(encoded(kind, "a", "b")), kind, Content_Encoding="gzip")
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.content == (b"{}" if kind == JSON else b"")
    assert await messages(caller) == ["a", "b"]
    assert (await post(caller, encoded(kind), f"{kind}; charset=utf-8")).status_code == 200


@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
async def test_what_is_rejected_is_counted_with_reasons(caller: httpx2.AsyncClient, kind: str) -> None:
    """Sent = stored + rejected; when nothing is stored, 400 says why."""
    answer = await post(caller, encoded(kind, "good", "x" * (1 << 20)), kind)
    if kind == JSON:
        partial = answer.json()["partialSuccess"]
        count, reason = int(partial["rejectedLogRecords"]), partial["errorMessage"]
    else:
        count, reason = rejected_of(answer.content)
    assert (answer.status_code, count) == (200, 1)
    assert "record 2: over line_bytes_max" in reason
    assert await messages(caller) == ["good"]
    answer = await post(caller, encoded(kind, "x" * (1 << 20)), kind)
    assert answer.status_code == 400
    assert "1 of 1 records" in (answer.json()["message"] if kind == JSON else message_of(answer.content))


async def test_a_body_that_is_no_request_is_told(caller: httpx2.AsyncClient) -> None:
    """400 for bytes that are none, 415 for a content type that is none of OTLP's."""
    answer = await post(caller, b"\xff", PROTOBUF)
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROTOBUF)
    assert "not protobuf" in message_of(answer.content).lower()
    answer = await post(caller, b"[]", JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    answer = await post(caller, b"{}", "text/plain")
    assert answer.status_code == 415
    assert PROTOBUF in answer.json()["message"]


@pytest.mark.parametrize("limit", ["document_bytes_max", "expanded_bytes_max"])
async def test_a_request_over_its_limits_is_refused_and_counted(limit: str) -> None:
    """A request is read whole, and each record gets a copy of what stands around it: both are bounded."""
    app = create_app(load_settings({"server.admin_token": TOKEN, f"ingest.{limit}": 500}, {}), MemoryStore())
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://localhost"
    ) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        answer = await post(client, encoded(JSON, *("m" * 100 for _ in range(10))), JSON)
        assert (answer.status_code, f"ingest.{limit}" in answer.json()["message"]) == (413, True)
        assert (await post(client, encoded(JSON, "m"), JSON)).status_code == 200
    assert app.state.service.metrics.value("tamis_limits_met_total", f"ingest.{limit}") == 1


class _FailingStore(MemoryStore):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def append(self, columns: Columns, *, batch_id: str | None = None, receipt: bytes = b"") -> Appended:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OverloadedError("busy", 3), 429, 8),
        (JournalClosedError("closed"), 503, 14),
        (NoSpaceError("/data", 2, 1), 503, 14),
        (ValueError("a fault"), 500, 13),
    ],
)
async def test_trouble_has_the_status_that_clients_retry(error: Exception, status: int, code: int) -> None:
    """429 and 503 with Retry-After are sent again by every OTLP client; nothing is lost by them."""
    app = create_app(load_settings({"server.admin_token": TOKEN}, {}), _FailingStore(error))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://localhost"
    ) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        answer = await post(client, encoded(JSON, "a"), JSON)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status != 500)
    limit = {"OverloadedError": "store.hot_bytes_max", "NoSpaceError": "store.disk_reserve_bytes"}
    met = limit.get(type(error).__name__)
    assert met is None or app.state.service.metrics.value("tamis_limits_met_total", met) == 1


async def test_strangers_are_refused(stranger: httpx2.AsyncClient, app: FastAPI) -> None:
    """Records come with a token."""
    answer = await post(stranger, encoded(JSON, "a"), JSON)
    assert answer.status_code == 401
    assert await _count(app) == 0


async def _count(app: FastAPI) -> int:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://localhost"
    ) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        return int((await client.get("/api/v1/count")).json()["count"])


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_our_own_sink_ships_into_our_own_server(encoding: str) -> None:
    """What the OTLP sink delivers is stored under the same names."""
    store = MemoryStore()
    sent = tuple(
        Record(timestamp=10**18 + at, message=f"m {at}", level="ERROR", service="shop", attributes={"n": at})
        for at in range(500)
    )
    with listening(store) as port:
        sink = OtlpSink(f"otlp+http://{TOKEN}@127.0.0.1:{port}?encoding={encoding}")
        assert sink.send(Batch("b-1", sent), timeout_s=10) == DELIVERED
        sink.close()
        url, headers = f"http://127.0.0.1:{port}/api/v1/search", {"Authorization": f"Bearer {TOKEN}"}
        found = httpx2.get(url, params={"order": "asc", "limit": 1000}, headers=headers).json()["records"]
    assert [(one["message"], one["level"], one["attributes"]["n"]) for one in found] == [
        (one.message, one.level, one.attributes["n"]) for one in sent
    ]
