"""`/api/v1/losses`: what processes sent and the server never got."""

import json
from collections.abc import Iterable

import httpx2
import pytest

from tamis.settings import Settings, load_settings
from tests.unit.server.conftest import TOKEN

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings() -> Settings:
    return load_settings({"server.admin_token": TOKEN, "ingest.gap_settle_s": 0}, {})


async def send(caller: httpx2.AsyncClient, numbers: Iterable[int], **headers: str) -> None:
    rows = [
        {
            "message": "x" * 100,
            "service": "shop",
            "attributes": {"process": "0a1b2c3d", "sequence": number, "process_id": 7},
        }
        for number in numbers
    ]
    body = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await caller.post("/api/v1/ingest", content=body, headers=named)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("size", [100, 2_000])
async def test_a_gap_is_listed_counted_and_taken_back(caller: httpx2.AsyncClient, size: int) -> None:
    """With service, process and range, for bodies small and large; and gone when the records come after all."""
    await send(caller, range(1, size))
    await send(caller, range(size + 5, 2 * size))
    found = (await caller.get("/api/v1/losses")).json()
    (loss,) = found["losses"]
    assert (loss["service"], loss["process"]) == ("shop", "0a1b2c3d")
    assert (loss["lost"], loss["missing"]) == (5, [[size, size + 4]])
    assert (loss["first"], loss["last"]) == (1, 2 * size - 1)
    assert (found["lost"], found["processes"]) == (5, 1)
    assert "tamis_ingest_lost_records 5.0" in (await caller.get("/metrics")).text
    await send(caller, range(size, size + 5))
    found = (await caller.get("/api/v1/losses")).json()
    assert (found["losses"], found["lost"]) == ([], 0)
    assert "tamis_ingest_lost_records 0.0" in (await caller.get("/metrics")).text


async def test_a_body_sent_twice_opens_no_gap(caller: httpx2.AsyncClient) -> None:
    """Neither under its key nor without one."""
    for _ in range(2):
        await send(caller, range(1, 50), Idempotency_Key="a")
        await send(caller, range(50, 99))
    assert (await caller.get("/api/v1/losses")).json()["losses"] == []


async def test_strangers_are_not_told(stranger: httpx2.AsyncClient) -> None:
    """It takes a token, as everything does."""
    assert (await stranger.get("/api/v1/losses")).status_code == 401
