"""Pages of other sites: the listed ones with a token, others not at all, nobody with a cookie."""

import httpx2
import pytest

from tamis.errors import ConfigError
from tamis.server.app import create_app
from tamis.server.front.origins import origins_of
from tamis.settings import load_settings
from tamis.store.memory import MemoryStore
from tests.unit.server.conftest import TOKEN

pytestmark = pytest.mark.anyio
SITE = "https://app.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


def client(*origins: str) -> httpx2.AsyncClient:
    settings = load_settings({"server.admin_token": TOKEN, "server.cors_origins": list(origins)}, {})
    app = create_app(settings, MemoryStore())
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost")


async def preflight(caller: httpx2.AsyncClient, origin: str) -> httpx2.Response:
    return await caller.options("/v1/logs", headers={**PREFLIGHT, "Origin": origin})


async def test_a_listed_site_may_send_with_a_token() -> None:
    """The preflight is answered without a token, the request with one, and its answer may be read."""
    async with client(SITE) as caller:
        asked = await preflight(caller, SITE)
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, SITE)
        assert "Authorization" in asked.headers["access-control-allow-headers"]
        assert "POST" in asked.headers["access-control-allow-methods"]
        sent = await caller.post(
            "/v1/logs",
            content=b"{}",
            headers={"Origin": SITE, "Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"},
        )
        assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (200, SITE)
        assert "Retry-After" in sent.headers["access-control-expose-headers"]
        refused = await caller.post("/v1/logs", content=b"{}", headers={"Origin": SITE})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, SITE)
        for answer in (asked, sent, refused):
            assert "access-control-allow-credentials" not in answer.headers
            assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://app.example", "https://app.example.evil", "null"]
)
async def test_another_site_may_not(origin: str) -> None:
    """Its browser is told nothing that would let its page read an answer; caches keep the answers apart."""
    async with client(SITE) as caller:
        for answer in (
            await preflight(caller, origin),
            await caller.get("/healthz", headers={"Origin": origin}),
        ):
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["vary"] == "Origin"


async def test_nobody_may_by_default() -> None:
    """Without a list there is no answer for other sites."""
    async with client() as caller:
        assert (await preflight(caller, SITE)).status_code == 401
        assert "vary" not in (await caller.get("/healthz", headers={"Origin": SITE})).headers


async def test_a_cookie_is_never_for_other_sites() -> None:
    """Also a listed site cannot write with the session of whoever looks at it."""
    async with client("*") as caller:
        assert (await caller.post("/signin", data={"token": TOKEN})).status_code == 303
        answer = await caller.post("/api/v1/ingest", content=b'{"message":"a"}', headers={"Origin": SITE})
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "origin", ["app.example", "https://app.example/", "https://*.example", "ftp://a.example"]
)
def test_an_origin_that_is_none_is_told(origin: str) -> None:
    """At the start, with the setting's name."""
    with pytest.raises(ConfigError, match=r"server\.cors_origins"):
        origins_of(load_settings({"server.cors_origins": [origin]}, {}))
