"""The routes that Elasticsearch's clients write to: each item's fate is told, and true."""

import asyncio
import base64
import gzip
import json
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from fastapi import FastAPI

from tamis.clock import SYSTEM_CLOCK
from tamis.pipeline.base import DELIVERED, Batch
from tamis.pipeline.sinks.elasticsearch import ElasticsearchSink
from tamis.query import ast
from tamis.record.model import Record
from tamis.server.app import create_app, create_service, ensure_admin
from tamis.settings import Settings, load_settings
from tamis.store.base import Budget, Question
from tamis.store.memory import MemoryStore
from tests.unit.server.conftest import TOKEN, listening

pytestmark = pytest.mark.anyio


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in values)


async def bulk(client: httpx2.AsyncClient, body: bytes, path: str = "/logs/_bulk", **headers: str) -> Any:
    answer = await client.post(
        path, content=body, headers={"Content-Type": "application/x-ndjson", **headers}
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    return answer.json()


def statuses(answer: Any) -> list[int]:
    return [item["status"] for one in answer["items"] for item in one.values()]


async def messages(client: httpx2.AsyncClient, q: str = "") -> list[str]:
    answer = await client.get("/api/v1/search", params={"q": q, "order": "asc", "limit": 1000})
    return [record["message"] for record in answer.json()["records"]]


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_items_are_stored(caller: httpx2.AsyncClient, method: str, encoding: str) -> None:
    """Plain and compressed, by both methods, under any content type; index and id are found again."""
    body = lines(
        {"index": {"_index": "shop-2026.11.21", "_id": "7"}},
        {"message": "a"},
        {"create": {}},
        {"message": "b"},
    )
    headers = {"Content-Type": "application/vnd.elasticsearch+x-ndjson; compatible-with=9"}
    if encoding:
        body, headers["Content-Encoding"] = gzip.compress(body), encoding
    headers["Accept"] = "application/vnd.elasticsearch+json; compatible-with=9"
    answer = await caller.request(method, "/_bulk", content=body, headers=headers)
    assert answer.headers["content-type"] == "application/vnd.elasticsearch+json;compatible-with=9"
    found = answer.json()
    assert (found["errors"], statuses(found)) == (False, [201, 201])
    assert await messages(caller, "service:=shop es.index:=shop-2026.11.21 es.id:7") == ["a"]
    made = found["items"][1]["create"]["_id"]
    assert (await caller.get("/api/v1/context", params={"id": made})).json()["record"]["message"] == "b"


async def test_mixed_bodies_are_told_item_by_item(caller: httpx2.AsyncClient) -> None:
    """Sent = stored + refused, with `errors` and a reason for each."""
    body = lines(
        {"index": {}}, {"message": "a"}, {"delete": {"_id": "1"}}, {"update": {"_id": "1"}}, {"doc": {}}
    )
    body += b'{"index":{}}\n{"message":\n' + lines({"create": {}}, {"message": "b"}, {"create": {}})
    answer = await bulk(caller, body)
    assert (answer["errors"], statuses(answer)) == (True, [201, 400, 400, 400, 201, 400])
    assert all(
        item.get("error", {"reason": "x"})["reason"] for one in answer["items"] for item in one.values()
    )
    assert await messages(caller) == ["a", "b"]
    text = (await caller.get("/metrics")).text
    assert 'tamis_ingest_records_total{result="stored"} 2' in text
    assert 'tamis_ingest_records_total{result="rejected"} 4' in text


async def test_a_document_is_created_once(caller: httpx2.AsyncClient) -> None:
    """A second creation under an id is 409, in the same body as in the next; other indices are other names."""
    body = lines({"create": {"_id": "1"}}, {"message": "a"})
    assert statuses(await bulk(caller, body + body)) == [201, 409]
    again = await bulk(caller, body)
    assert (again["errors"], statuses(again)) == (True, [409])
    assert again["items"][0]["create"]["error"]["type"] == "version_conflict_engine_exception"
    assert statuses(await bulk(caller, body, "/other/_bulk")) == [201]
    assert await messages(caller) == ["a", "a"]


async def test_the_same_document_is_indexed_once_and_another_is_kept_too(caller: httpx2.AsyncClient) -> None:
    """Sent again it is a noop; another document under the id is stored beside it, for nothing is overwritten."""
    first, second = (lines({"index": {"_id": "1"}}, {"message": text}) for text in "ab")
    assert statuses(await bulk(caller, first + first + second)) == [201, 200, 201]
    answer = await bulk(caller, first + second)
    assert (answer["errors"], [one["index"]["result"] for one in answer["items"]]) == (
        False,
        ["noop", "noop"],
    )
    assert await messages(caller) == ["a", "b"]


async def test_nothing_is_taken_for_a_duplicate_without_an_id(caller: httpx2.AsyncClient) -> None:
    """Equal documents are stored as often as they come."""
    body = lines({"index": {}}, {"message": "a"})
    assert [statuses(await bulk(caller, body)) for _ in range(2)] == [[201], [201]]
    assert await messages(caller) == ["a", "a"]


async def test_a_body_under_a_key_is_stored_once(caller: httpx2.AsyncClient) -> None:
    """The same answer again; another body under the key is refused."""
    body = lines({"index": {}}, {"message": "a"}, {"delete": {}}, {"create": {"_id": "1"}}, {"message": "b"})
    headers = {"Idempotency-Key": "k"}
    first, second = [await bulk(caller, body, **headers) for _ in range(2)]
    assert first["items"] == second["items"]
    assert await messages(caller) == ["a", "b"]
    answer = await caller.post("/other/_bulk", content=body, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["status"] == 422
    assert (await caller.post("/api/v1/ingest", content=b'{"a":1}\n', headers=headers)).status_code == 422


async def test_the_same_ids_at_once_are_stored_once(caller: httpx2.AsyncClient) -> None:
    """A client that sends again while the first request is under way."""
    body = b"".join(lines({"create": {"_id": str(at)}}, {"message": str(at)}) for at in range(200))
    answers = await asyncio.gather(*(bulk(caller, body) for _ in range(5)))
    assert sorted(statuses(one)[0] for one in answers) == [201, 409, 409, 409, 409]
    assert len(await messages(caller)) == 200


async def test_single_documents(caller: httpx2.AsyncClient) -> None:
    """201 when it is stored, 409 when it is there, 400 when it is none."""
    pretty = json.dumps({"message": "a", "n": 1}, indent=2)
    answer = await caller.post("/logs/_doc", content=pretty)
    assert (answer.status_code, answer.json()["result"]) == (201, "created")
    assert (await caller.put("/logs/_doc/1", content=pretty)).status_code == 201
    assert (await caller.put("/logs/_doc/1", content=pretty)).status_code == 200
    assert (await caller.put("/logs/_create/1", content=pretty)).status_code == 409
    assert (await caller.put("/logs/_doc/1?op_type=create", content=pretty)).status_code == 409
    for broken in ("", "[1]", '{"a"'):
        answer = await caller.post("/logs/_doc", content=broken)
        assert (answer.status_code, answer.json()["status"]) == (400, 400)
        assert answer.json()["error"]["reason"]
    assert await messages(caller) == ["a", "a"]


async def test_large_answers_come_in_pieces(caller: httpx2.AsyncClient) -> None:
    """More items than are held as one text."""
    answer = await bulk(caller, lines({"index": {}}, {"a": 1}) * 20_001)
    assert len(answer["items"]) == 20_001
    assert (await caller.get("/api/v1/count")).json()["count"] == 20_001


async def test_clients_choose_what_they_read(caller: httpx2.AsyncClient) -> None:
    """`filter_path`."""
    body = lines({"index": {}}, {"a": 1}, {"delete": {}})
    answer = await caller.post("/logs/_bulk?filter_path=errors,items.*.status", content=body)
    assert answer.json() == {
        "errors": True,
        "items": [{"index": {"status": 201}}, {"delete": {"status": 400}}],
    }


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {TOKEN}",
        "Basic " + base64.b64encode(f"elastic:{TOKEN}".encode()).decode(),
        "ApiKey " + base64.b64encode(f"id:{TOKEN}".encode()).decode(),
        f"ApiKey {TOKEN}",
    ],
)
async def test_shippers_send_the_token_as_they_can(stranger: httpx2.AsyncClient, authorization: str) -> None:
    """Bearer, password, API key; without it nothing is taken."""
    body = lines({"index": {}}, {"message": "a"})
    assert (await stranger.post("/logs/_bulk", content=body)).status_code == 401
    assert statuses(await bulk(stranger, body, Authorization=authorization)) == [201]


async def test_clients_are_greeted_and_browsers_see_the_page(caller: httpx2.AsyncClient) -> None:
    """`GET /` and `HEAD /` say whom clients look for; HTML for whoever asks for it, or for a page."""
    answer = await caller.get("/")
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    assert answer.json()["version"]["number"].startswith("8.")
    assert answer.json()["tagline"] == "You Know, for Search"
    head = await caller.head("/")
    assert (head.status_code, head.content, head.headers["x-elastic-product"]) == (200, b"", "Elasticsearch")
    for given in ({"headers": {"Accept": "text/html,*/*"}}, {"params": {"q": "a"}}):
        assert "<title>Tamis</title>" in (await caller.get("/", **given)).text  # type: ignore[arg-type]  # both are options


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_cluster/health", 200),
        ("GET", "/_cluster/health/logs", 200),
        ("GET", "/_cat/health", 200),
        ("GET", "/_license", 200),
        ("GET", "/_xpack", 200),
        ("GET", "/_nodes/http", 200),
        ("POST", "/logs/_refresh", 200),
        ("POST", "/_refresh", 200),
        *((method, f"/{kind}/x", status) for kind in (
            "_index_template", "_component_template", "_template", "_ilm/policy", "_ingest/pipeline", "_data_stream",
            "_alias",
        ) for method, status in (("PUT", 200), ("GET", 404), ("HEAD", 404))),
        ("PUT", "/logs", 200),
        ("HEAD", "/logs", 404),
        ("PUT", "/healthz", 405),
        ("GET", "/logs", 404),
        ("POST", "/logs", 404),
        ("GET", "/_bulk", 405),
    ],
)  # fmt: skip
async def test_what_clients_ask_before_they_write(
    caller: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    """Put is acknowledged, asked for is not there, and the server's own pages stay what they are."""
    answer = await caller.request(method, path)
    assert answer.status_code == status
    if status == 200 and path != "/_cat/health":
        assert answer.headers["x-elastic-product"] == "Elasticsearch"
        assert isinstance(answer.json(), dict)


async def test_errors_of_whole_requests_look_like_elasticsearch(caller: httpx2.AsyncClient) -> None:
    """An empty body, one in an unknown coding, one that is no gzip, one of too many items."""
    for body, headers, status in (
        (b"\n\n", {}, 400),
        (b"x", {"Content-Encoding": "br"}, 415),
        (b"x", {"Content-Encoding": "gzip"}, 400),
    ):
        answer = await caller.post("/_bulk", content=body, headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.json()["error"]["root_cause"][0]["reason"] == answer.json()["error"]["reason"]


async def test_limits_and_a_closed_store_are_answered_as_clients_understand(store: MemoryStore) -> None:
    """413 for too many items, 503 with Retry-After when nothing can be written."""
    settings = load_settings({"server.admin_token": TOKEN, "ingest.lines_max": 2}, {})
    transport = httpx2.ASGITransport(app=create_app(settings, store))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        answer = await client.post("/logs/_bulk", content=lines({"index": {}}, {"a": 1}) * 3)
        assert (answer.status_code, answer.json()["error"]["type"]) == (413, "content_too_long_exception")
        store.close()
        answer = await client.post("/logs/_bulk", content=lines({"index": {"_id": "1"}}, {"a": 1}))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        assert answer.headers["content-type"] == "application/json"


async def test_ids_outlive_the_server(tmp_path: Path, settings: Settings) -> None:
    """What was stored under an id is known after a start, and what was not is not."""
    store = MemoryStore()
    body = lines({"create": {"_id": "1"}}, {"message": "a"})

    async def asked(content: bytes) -> list[int]:
        app: FastAPI = create_app(settings, store, folder=tmp_path)
        transport = httpx2.ASGITransport(app=app)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers
        ) as client:
            found = statuses(await bulk(client, content))
        app.state.service.opened.bulks.close()
        return found

    assert await asked(body) == [201]
    assert await asked(body + lines({"create": {"_id": "2"}}, {"message": "b"})) == [409, 201]
    store = MemoryStore()  # one that never got the batches
    assert await asked(body) == [201]


def test_tamis_own_sink_ships_into_tamis(store: MemoryStore) -> None:
    """Records come as they were logged; a batch that is sent again is delivered, and stored once."""
    records = tuple(
        Record(
            timestamp=1_763_719_200_000_000_000 + number,
            message=f"order {number} placed",
            level="WARNING",
            service="shop",
            host="web-1",
            logger="shop.orders",
            trace_id="0af7651916cd43dd8448eb211c80319c",
            span_id="b7ad6b7169203331",
            attributes={"n": number, "nested": {"a": [1, "x"]}},
        )
        for number in range(50)
    )
    with listening(store) as port:
        sink = ElasticsearchSink(f"elasticsearch+http://x:{TOKEN}@127.0.0.1:{port}/shop-%Y.%m.%d")
        try:
            for _ in range(2):
                assert sink.deliver(Batch("batch-1", records), SYSTEM_CLOCK.monotonic_s() + 60) == DELIVERED
        finally:
            sink.close()
    found = store.search(Question(ast.All()), Budget(), limit=100, order="asc").records
    kept = [
        msgspec.structs.replace(one.record, attributes=_without_es(one.record.attributes)) for one in found
    ]
    assert kept == list(records)


def _without_es(attributes: dict[str, Any]) -> dict[str, Any]:
    assert attributes["es.index"] == "shop-2025.11.21"
    return {name: value for name, value in attributes.items() if not name.startswith(("es.", "ecs"))}


async def test_requests_wait_for_a_store_that_is_being_opened(settings: Settings, store: MemoryStore) -> None:
    """rsyslog takes an answer without items for the end of its documents; while the server stops nobody waits."""
    service = create_service(settings, None)
    ensure_admin(service)
    transport = httpx2.ASGITransport(app=create_app(settings, service=service))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        asking = asyncio.create_task(bulk(client, lines({"index": {}}, {"a": 1})))
        health = asyncio.create_task(client.get("/_cat/health"))
        done, _ = await asyncio.wait([asking, health], timeout=0.2)
        assert not done
        service.set_store(store)
        assert statuses(await asking) == [201]
        assert " green " in (await health).text
        service.opened = None
        service.stopping.set()
        assert (await client.post("/logs/_bulk", content=b"{}")).status_code == 503
