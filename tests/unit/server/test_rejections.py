"""What could not be kept is counted by protocol, and the newest reasons are shown."""

import json

import httpx2
import pytest
from fastapi import FastAPI

pytestmark = pytest.mark.anyio
LOKI = {
    "streams": [{"stream": {"job": "a"}, "values": [["1795262400000000000", "good"], ["no time", "bad"]]}]
}


async def test_reasons_are_shown_by_protocol(caller: httpx2.AsyncClient, app: FastAPI) -> None:
    """Stored, rejected with samples, and whole bodies that were refused; a body sent again counts once."""
    headers = {"Idempotency-Key": "one"}
    for _ in range(2):
        await caller.post("/api/v1/ingest", content=b'{"message":"a"}\nnonsense\n', headers=headers)
    await caller.post(
        "/loki/api/v1/push", content=json.dumps(LOKI), headers={"Content-Type": "application/json"}
    )
    await caller.post("/v1/logs", content=b"\xff", headers={"Content-Type": "application/x-protobuf"})
    answer = (await caller.get("/api/v1/rejections")).json()
    found = {one["protocol"]: one for one in answer["protocols"]}
    assert (found["lines"]["stored"], found["lines"]["rejected"]) == (1, 1)
    assert (found["loki"]["stored"], found["loki"]["rejected"]) == (1, 1)
    assert found["loki"]["samples"][0]["reason"] == "an entry's time is a text of nanoseconds"
    assert found["lines"]["samples"][0]["sender"] == "127.0.0.1"
    assert found["otlp"]["refused"] == {"not readable": 1}
    metrics = app.state.service.metrics
    assert metrics.value("tamis_listener_messages_total", "loki", "rejected") == 1
    assert metrics.value("tamis_listener_refused_total", "otlp", "not readable") == 1


async def test_nothing_of_strangers_is_shown(stranger: httpx2.AsyncClient) -> None:
    """It takes a token to see it."""
    assert (await stranger.get("/api/v1/rejections")).status_code == 401
