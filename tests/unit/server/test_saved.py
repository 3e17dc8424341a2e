"""Saved searches: kept, changed, found again, refused when they could never be asked."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from tamis.metadata.database import open_database
from tamis.metadata.saved import SavedSearch, SavedSearches
from tamis.server.app import create_app
from tamis.settings import load_settings
from tamis.store.memory import MemoryStore
from tests.support.hand_clock import HandClock
from tests.unit.server.conftest import TOKEN

pytestmark = pytest.mark.anyio
PATH = "/api/v1/saved"
LATE = {"q": "level>=error service:shop", "start": "-1h", "description": "what broke"}


async def put(caller: httpx2.AsyncClient, name: str, **body: Any) -> httpx2.Response:
    return await caller.put(f"{PATH}/{name}", json=body)


async def test_a_search_is_kept_changed_and_forgotten(caller: httpx2.AsyncClient) -> None:
    """Relative times stay relative, and the link asks the same on the page."""
    made = await put(caller, "broken", **LATE)
    assert made.status_code == 201
    assert made.json()["url"] == "/?q=level%3E%3Derror+service%3Ashop&start=-1h"
    assert (await caller.get(f"{PATH}/broken")).json() == made.json()
    assert {**LATE, "name": "broken", "end": None}.items() <= made.json().items()
    changed = await put(caller, "broken", q="*")
    assert (changed.status_code, changed.json()["q"], changed.json()["start"]) == (200, "*", None)
    assert changed.json()["created"] == made.json()["created"]
    assert [one["name"] for one in (await caller.get(PATH)).json()["searches"]] == ["broken"]
    assert (await caller.delete(f"{PATH}/broken")).status_code == 204
    assert (await caller.delete(f"{PATH}/broken")).status_code == 404
    assert (await caller.get(f"{PATH}/broken")).status_code == 404
    assert (await caller.get(PATH)).json() == {"searches": []}


async def test_a_name_is_taken_once(caller: httpx2.AsyncClient) -> None:
    """POST makes, PUT changes; neither renames."""
    assert (await caller.post(PATH, json={"name": "ä b", "q": "x"})).status_code == 201
    again = await caller.post(PATH, json={"name": "ä b", "q": "y"})
    assert again.status_code == 409
    assert f"{PATH}/%C3%A4%20b" in again.json()["detail"]
    assert (await caller.put(f"{PATH}/ä b", json={"q": "z", "name": "other"})).status_code == 400
    assert (await caller.get(f"{PATH}/%C3%A4%20b")).json()["q"] == "x"


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("a", {"q": "level>="}, "column"),
        ("a", {"start": "soon"}, "start"),
        ("a", {"query": "x"}, "query"),
        ("a", {"q": 5}, "q"),
        ("x" * 101, {}, "name"),
        ("%20a", {}, "name"),
        ("a%0Ab", {}, "name"),
    ],
)
async def test_what_could_never_be_asked_is_refused(
    caller: httpx2.AsyncClient, name: str, body: dict[str, Any], told: str
) -> None:
    """With what is wrong and where."""
    answer = await put(caller, name, **body)
    assert answer.status_code == 400
    assert told in answer.text
    assert (await caller.get(PATH)).json() == {"searches": []}


async def test_their_number_is_bounded(caller: httpx2.AsyncClient) -> None:
    """One more is refused with the setting's name, and counted; those that are there may change."""
    settings = load_settings({"server.admin_token": TOKEN, "query.saved_max": 1}, {})
    app = create_app(settings, MemoryStore())
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url="http://localhost",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as client:
        assert (await put(client, "a", q="x")).status_code == 201
        refused = await put(client, "b", q="x")
        assert (refused.status_code, "query.saved_max" in refused.text) == (422, True)
        assert (await put(client, "a", q="y")).status_code == 200
    assert app.state.service.metrics.value("tamis_limits_met_total", "query.saved_max") == 1


async def test_strangers_see_none(stranger: httpx2.AsyncClient) -> None:
    """It takes a token."""
    assert (await stranger.get(PATH)).status_code == 401


def test_they_survive_a_restart(tmp_path: Path) -> None:
    """They stand in the metadata beside the records."""
    for _ in range(2):
        database = open_database(tmp_path)
        kept = SavedSearches(database, HandClock())
        kept.put(SavedSearch("a", "x", None, None, "", 0, 0, "admin"), most=10)
        assert [(one.name, one.changed_by) for one in kept.all()] == [("a", "admin")]
        database.close()
