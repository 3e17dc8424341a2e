"""Backups over HTTP: how they stand, made, read back, brought back; refused with a sentence where they cannot be."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tamis.server.app import create_app
from tamis.settings import load_settings
from tamis.store.embedded.face import EmbeddedStore
from tests.support.embedded import batch, open_quiet
from tests.unit.server.conftest import TOKEN

pytestmark = pytest.mark.anyio
PATH = "/api/v1/backups"
PATIENCE_S = 60.0


@pytest.fixture
def backed(tmp_path: Path) -> Iterator[EmbeddedStore]:
    store = open_quiet(tmp_path / "data")
    yield store
    store.close()


@pytest.fixture
async def client(tmp_path: Path, backed: EmbeddedStore) -> AsyncIterator[httpx2.AsyncClient]:
    """A server with a store in a folder and a repository, and its admin."""
    settings = load_settings(
        {
            "server.admin_token": TOKEN,
            "rates.anonymous_per_minute": 0,
            "keys.keyring": str(tmp_path / "keys"),
            "audit.ledger": str(tmp_path / "audit"),
            "audit.heads": str(tmp_path / "heads"),
            "backup.repository": str(tmp_path / "repository"),
            "backup.file": str(tmp_path / "backup.key"),
            "backup.interval_s": 0,
        },
        {},
    )
    app: FastAPI = create_app(settings, backed, folder=tmp_path / "data")
    transport = httpx2.ASGITransport(app=app)
    app.state.service.opened.backups.start()
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost:4817", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as client:
        yield client
    app.state.service.opened.backups.stop()


async def ended(client: httpx2.AsyncClient, answer: httpx2.Response) -> dict[str, Any]:
    """What became of the job that was asked for."""
    assert answer.status_code == 202, answer.text
    number = answer.json()["job"]["id"]
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        jobs = (await client.get(f"{PATH}/jobs")).json()["jobs"]
        (job,) = [one for one in jobs if one["id"] == number]
        if job["state"] in ("done", "failed"):
            return dict(job)
        time.sleep(0.02)
    raise AssertionError("the job does not end")


async def test_a_backup_is_made_shown_and_brought_back(
    client: httpx2.AsyncClient, backed: EmbeddedStore
) -> None:
    """Each by a job that tells what came of it; times are RFC 3339."""
    backed.append(batch("one", "two"))
    made = await ended(client, await client.post(PATH))
    assert (made["state"], made["why"], made["result"]["records"]) == ("done", "by admin", 2)
    shown = (await client.get(PATH)).json()
    (snapshot,) = shown["snapshots"]
    assert (snapshot["name"], snapshot["records"]) == (made["result"]["name"], 2)
    assert snapshot["created"].endswith("Z")
    assert (shown["newest"], shown["problems"], shown["damaged"]) == (snapshot["name"], [], {})
    whole = await ended(client, await client.post(f"{PATH}/verify"))
    assert whole["result"]["whole"] is True
    body = {"snapshot": snapshot["name"][:10], "start": "2020-01-01", "end": "2030-01-01"}
    back = await ended(client, await client.post(f"{PATH}/restore", json=body))
    assert (back["result"]["known"], back["result"]["adopted"]) == (2, 0)


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"[]", 400, "does not say what to restore"),
        (b'{"snapshots": "x"}', 400, "unknown field"),
        (b'{"start": "yesterdayish"}', 400, "start"),
        (b'{"renew": "yes"}', 400, "renew"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, body: bytes, status: int, told: str
) -> None:
    """Before anything is begun."""
    answer = await client.post(f"{PATH}/restore", content=body)
    assert answer.status_code == status
    assert told in answer.json()["detail"]
    assert (await client.get(f"{PATH}/jobs")).json()["jobs"] == []


async def test_a_snapshot_that_is_not_there_fails_the_job(client: httpx2.AsyncClient) -> None:
    """With the sentence that the command shows."""
    await ended(client, await client.post(PATH))
    job = await ended(client, await client.post(f"{PATH}/restore", json={"snapshot": "0000"}))
    assert job["state"] == "failed"
    assert "is no snapshot" in job["error"]


async def test_without_a_repository_it_is_said_what_to_set(caller: httpx2.AsyncClient) -> None:
    """Nothing is there to show, and nothing can be asked for."""
    shown = (await caller.get(PATH)).json()
    assert (shown["possible"], shown["snapshots"]) == (False, [])
    for path in ("", "/verify", "/restore"):
        answer = await caller.post(PATH + path)
        assert answer.status_code == 409
        assert "backup.repository" in answer.json()["detail"]


async def test_strangers_learn_nothing_of_backups(stranger: httpx2.AsyncClient) -> None:
    """Nor can they have any made."""
    assert (await stranger.get(PATH)).status_code == 401
    assert (await stranger.post(PATH)).status_code == 401
