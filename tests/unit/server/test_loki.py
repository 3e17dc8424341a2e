"""The Loki route: 204, or 400 with what was rejected."""

import gzip
import json

import httpx2
import pyarrow as pa
import pytest

from tamis.wire.protobuf import bytes_field

pytestmark = pytest.mark.anyio
JSON, PROTOBUF = "application/json", "application/x-protobuf"
T0 = "1763719200000000000"


def push(*lines: str) -> bytes:
    values = [[T0, line, {"order": "7"}] for line in lines]
    return json.dumps({"streams": [{"stream": {"service_name": "shop"}, "values": values}]}).encode()


async def post(client: httpx2.AsyncClient, body: bytes, kind: str, encoding: str = "") -> httpx2.Response:
    headers = {"Content-Type": kind, **({"Content-Encoding": encoding} if encoding else {})}
    return await client.post("/loki/api/v1/push", content=body, headers=headers)


async def messages(client: httpx2.AsyncClient, q: str = "") -> list[str]:
    answer = await client.get("/api/v1/search", params={"q": q, "order": "asc", "limit": 1000})
    return [record["message"] for record in answer.json()["records"]]


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_json_is_stored(caller: httpx2.AsyncClient, encoding: str) -> None:
    """204 without a body; labels and metadata are found."""
    body = push("a", "b")
    answer = await post(caller, gzip.compress(body) if encoding else body, JSON, encoding)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await messages(caller, "service:shop order:7") == ["a", "b"]
    assert (await post(caller, b'{"streams":[]}', JSON)).status_code == 204


@pytest.mark.parametrize("encoding", ["", "snappy"])
async def test_packed_protobuf_is_stored(caller: httpx2.AsyncClient, encoding: str) -> None:
    """Snappy is a part of the format, whether or not a header says so."""
    stream = bytes_field(1, b'{job="x"}') + bytes_field(2, bytes_field(2, b"line"))
    body = pa.compress(bytes_field(1, stream), codec="snappy", asbytes=True)
    assert (await post(caller, body, PROTOBUF, encoding)).status_code == 204
    assert await messages(caller, "job:x") == ["line"]


async def test_what_is_rejected_is_told(caller: httpx2.AsyncClient) -> None:
    """Sent = stored + rejected: 400 with the places and reasons, and the others are stored."""
    answer = await post(caller, push("a", "x" * (1 << 20), "b"), JSON)
    body = answer.json()
    assert (answer.status_code, body["received"], body["stored"], body["rejected_count"]) == (400, 3, 2, 1)
    assert body["rejected"][0]["line"] == 2
    assert await messages(caller) == ["a", "b"]


async def test_bodies_that_are_no_push_are_told(caller: httpx2.AsyncClient) -> None:
    """400 says what is wrong with the bytes, 415 which content types there are."""
    assert (await post(caller, b"no snappy", PROTOBUF)).status_code == 400
    assert (await post(caller, b"[]", JSON)).status_code == 400
    assert (await post(caller, b"{}", "text/plain")).status_code == 415
    assert await messages(caller) == []
