"""Who may ask: default deny, tokens, sessions, the one-time link, other sites, other hosts."""

import base64
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from tamis.metadata.accounts import ADMIN, Accounts, reset_admin
from tamis.metadata.database import open_database
from tamis.metadata.tokens import make_token
from tamis.server.app import create_app, create_service, ensure_admin
from tamis.server.front.auth import Authenticator, tokens_in
from tamis.server.front.gate import OPEN_PATHS
from tamis.server.service import Service
from tamis.settings import Settings, load_settings
from tamis.store.memory import MemoryStore
from tamis.telemetry.metrics import Metrics
from tests.unit.server.conftest import TOKEN

pytestmark = pytest.mark.anyio

SEARCH = "/api/v1/search"
HTML = {"accept": "text/html,*/*"}


def paths(app: FastAPI) -> list[tuple[str, str]]:
    """Every path and method that the app answers."""
    return [
        (str(getattr(route, "path", "")).replace("{name}", "app.js"), method)
        for route in app.routes
        for method in sorted(getattr(route, "methods", None) or ())
    ]


def basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_every_route_refuses_strangers(app: FastAPI, stranger: httpx2.AsyncClient) -> None:
    """Each path and method but the named few is 401, with a problem that says how to sign in."""
    seen = 0
    for path, method in paths(app):
        answer = await stranger.request(method, path)
        if path in OPEN_PATHS:
            assert answer.status_code in (200, 401 if method == "POST" else 200), path
            continue
        seen += 1
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        if method != "HEAD":
            is_elastic = "x-elastic-product" in answer.headers
            assert is_elastic == any(part.startswith("_") for part in path.split("/")[1:3]), path
            media_type = "application/json" if is_elastic else "application/problem+json"
            assert answer.headers["content-type"] == media_type
    assert seen > 20


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/v1/nothing", "/assets/app.js", "//", "/HEALTHZ", "/healthz/"]
)
async def test_strangers_learn_nothing_of_paths(stranger: httpx2.AsyncClient, path: str) -> None:
    """A path that is not there is refused like one that is."""
    assert (await stranger.get(path)).status_code == 401


async def test_health_and_the_sign_in_page_are_open(stranger: httpx2.AsyncClient) -> None:
    """They say no more than a stranger may know."""
    for path in OPEN_PATHS:
        assert (await stranger.get(path)).status_code == 200
    assert (await stranger.get("/healthz")).json() == {"status": "ready", "problems_count": 0}
    page = (await stranger.get("/signin")).text
    linked = {part.split('"')[0] for part in page.split('href="')[1:]} | {"/assets/icon.svg"}
    assert linked <= OPEN_PATHS


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {TOKEN}",
        f"bearer  {TOKEN}",
        f"Basic {basic('anyone:' + TOKEN)}",
        f"ApiKey {TOKEN}",
        f"ApiKey {basic('id:' + TOKEN)}",
    ],
)
async def test_the_token_may_come_in_several_ways(stranger: httpx2.AsyncClient, header: str) -> None:
    """Bearer, password of Basic, ApiKey bare or with an id."""
    assert (await stranger.get(SEARCH, headers={"authorization": header})).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Token {TOKEN}", "Basic !!!", f"Basic {basic(TOKEN)}",
     f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Basic " + basic("a:"), "Bearer \xff"],
)  # fmt: skip
async def test_anything_else_is_refused(stranger: httpx2.AsyncClient, header: str) -> None:
    """Wrong, cut, lengthened or empty tokens are 401."""
    answer = await stranger.get(SEARCH, headers=[(b"authorization", header.encode("latin-1"))])
    assert answer.status_code == 401


async def test_a_chosen_token_works(store: MemoryStore) -> None:
    """A short token that a person chose is kept by scrypt, and guesses at it are limited."""
    settings = load_settings({"server.admin_token": "hunter2"}, {})
    service = create_service(settings, None, clock=HandClock())  # time stands still, however slow scrypt is
    ensure_admin(service)
    app = create_app(settings, store, service=service)
    stored = app.state.service.accounts.token_hash(ADMIN)
    assert stored.startswith("scrypt$")
    assert "hunter2" not in stored
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://localhost"
    ) as client:
        good = {"authorization": "Bearer hunter2"}
        assert (await client.get(SEARCH, headers=good)).status_code == 200
        statuses = [
            (await client.get(SEARCH, headers={"authorization": f"Bearer wrong{n}"})).status_code
            for n in range(30)
        ]
        assert set(statuses[:20]) == {401}
        assert 429 in statuses
        assert (await client.get(SEARCH, headers=good)).status_code == 200


async def test_only_the_hash_is_stored(tmp_path: Path) -> None:
    """The token's text is nowhere in the data folder, and the file is for its owner alone."""
    token = make_token()
    accounts = Accounts(open_database(tmp_path))
    accounts.set_token(ADMIN, token)
    accounts.close()
    assert (tmp_path / "meta.db").stat().st_mode & 0o777 == 0o600
    assert all(token.encode() not in file.read_bytes() for file in tmp_path.iterdir())


async def sign_in(client: httpx2.AsyncClient, next_url: str = "/") -> httpx2.Response:
    return await client.post("/signin", data={"token": TOKEN, "next": next_url})


async def test_a_browser_signs_in_with_the_form(stranger: httpx2.AsyncClient) -> None:
    """The cookie is for this site and HTTP only; the page that was asked for comes after."""
    answer = await sign_in(stranger, "/?q=a&tab=patterns")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=a&tab=patterns")
    cookie = answer.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/", "max-age="))
    assert (await stranger.get(SEARCH)).status_code == 200
    assert "<title>Tamis</title>" in (await stranger.get("/")).text


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""]
)
async def test_signing_in_never_leads_elsewhere(stranger: httpx2.AsyncClient, url: str) -> None:
    """The way on stays on this server."""
    assert (await sign_in(stranger, url)).headers["location"] == "/"


async def test_a_wrong_token_shows_the_form_again(stranger: httpx2.AsyncClient) -> None:
    """401, a sentence, and no cookie; what was asked for is kept, as text."""
    data = {"token": "wrong", "next": '/?q="><script>alert(1)</script>'}
    answer = await stranger.post("/signin", data=data)
    assert answer.status_code == 401
    assert "not the token" in answer.text
    assert "<script" not in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_browser_without_session_gets_the_form(stranger: httpx2.AsyncClient) -> None:
    """Any page asked for by a browser shows the form, which leads on to it."""
    answer = await stranger.get("/?q=level:error&start=-1h", headers=HTML)
    assert answer.status_code == 401
    assert 'value="/?q=level:error&amp;start=-1h"' in answer.text


async def test_signing_out_ends_the_session(stranger: httpx2.AsyncClient) -> None:
    """Also for who kept the cookie."""
    await sign_in(stranger)
    cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in stranger.cookies.items())}
    assert (await stranger.post("/api/v1/auth/logout")).status_code == 303
    stranger.cookies.clear()
    assert (await stranger.get(SEARCH, headers=cookie)).status_code == 401


async def test_the_link_signs_in_once(app: FastAPI, stranger: httpx2.AsyncClient) -> None:
    """Its code opens a session for the first who takes it; the second gets the form."""
    code = app.state.service.auth.make_code()
    assert (await stranger.head("/", params={"token": code})).status_code == 401
    first = await stranger.get("/", params={"token": code, "q": "a b"})
    assert (first.status_code, first.headers["location"]) == (303, "/?q=a+b")
    assert (await stranger.get(SEARCH)).status_code == 200
    stranger.cookies.clear()
    second = await stranger.get("/", params={"token": code})
    assert second.status_code == 401
    assert "set-cookie" not in second.headers


async def test_a_newer_link_replaces_the_older(app: FastAPI, stranger: httpx2.AsyncClient) -> None:
    """Only the code of this start counts."""
    old = app.state.service.auth.make_code()
    app.state.service.auth.make_code()
    assert (await stranger.get("/", params={"token": old})).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:9999"}, 403),
        ({"origin": "http://localhost:4817"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({}, 200),
    ],
)
async def test_other_sites_cannot_use_a_session(
    stranger: httpx2.AsyncClient, headers: dict[str, str], status: int
) -> None:
    """A POST with the cookie that a browser says comes from elsewhere is 403; with a token it is fine."""
    await sign_in(stranger)
    assert (await stranger.post(SEARCH, headers=headers)).status_code == status
    by_token = {**headers, "authorization": f"Bearer {TOKEN}"}
    assert (await stranger.post(SEARCH, headers=by_token)).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:4817", 200),
        ("127.0.0.1:4817", 200),
        ("[::1]:4817", 200),
        ("shop.localhost", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:4817", 421),
        ("", 400),
        ("a:b:c", 400),
    ],
)
async def test_a_server_on_loopback_answers_to_its_own_names(
    caller: httpx2.AsyncClient, host: str, status: int
) -> None:
    """A name that an attacker lets point here (DNS rebinding) is refused."""
    assert (await caller.get(SEARCH, headers={"host": host})).status_code == status


async def test_a_proxy_s_name_can_be_added(store: MemoryStore) -> None:
    """`server.hosts` names what the server answers to beside localhost."""
    given = {"server.admin_token": TOKEN, "server.hosts": "Logs.example, other.example"}
    transport = httpx2.ASGITransport(app=create_app(load_settings(given, {}), store))
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="https://logs.example", headers=headers
    ) as client:
        assert (await client.get(SEARCH)).status_code == 200
        assert (await client.get(SEARCH, headers={"host": "evil.example"})).status_code == 421


async def test_beyond_loopback_any_host_will_do(store: MemoryStore) -> None:
    """There the server does not know its names."""
    app = create_app(load_settings({"server.admin_token": TOKEN, "server.host": "0.0.0.0"}, {}), store)
    transport = httpx2.ASGITransport(app=app)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://logs.example", headers=headers
    ) as client:
        assert (await client.get(SEARCH)).status_code == 200


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("192.0.2.7", {}, 401),
        ("127.0.0.1", {"x-forwarded-for": "192.0.2.7"}, 401),
        ("127.0.0.1", {"forwarded": "for=192.0.2.7"}, 401),
    ],
)
async def test_the_local_token_is_good_on_loopback_only(
    app: FastAPI, peer: str, headers: dict[str, str], status: int
) -> None:
    """Not from other machines, nor through a proxy on this one."""
    token = app.state.service.auth.local_token
    transport = httpx2.ASGITransport(app=app, client=(peer, 5555))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get(SEARCH, headers={"authorization": f"Bearer {token}", **headers})
    assert answer.status_code == status


async def test_every_answer_has_the_security_headers(app: FastAPI, stranger: httpx2.AsyncClient) -> None:
    """Pages, refusals, problems: all of them."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    for path in (
        "/",
        "/healthz",
        "/signin",
        SEARCH,
        "/nothing",
        "/api/v1/search?q=(",
        "/assets/app.js",
        "/metrics",
    ):
        for given in (headers, {}):
            answer = await stranger.get(path, headers=given)
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert "server" not in answer.headers


class HandClock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def now_ns(self) -> int:
        return int(self.now * 10**9)

    def monotonic_s(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_a_new_admin_token_counts_within_a_second(tmp_path: Path) -> None:
    """`reset_admin` beside a running server ends the old token and its sessions."""
    clock = HandClock()
    accounts = Accounts(open_database(tmp_path), clock)
    old = make_token()
    accounts.set_token(ADMIN, old)
    auth = Authenticator(accounts, Metrics(), clock)
    cookie = await auth.open_session(ADMIN)
    scope = {"type": "http", "headers": [(b"authorization", f"Bearer {old}".encode())], "client": None}
    by_cookie = {"type": "http", "headers": [(b"cookie", f"tamis_session={cookie}".encode())], "server": None}
    assert await auth.principal_of(scope) is not None
    assert await auth.principal_of(by_cookie) is not None
    new = reset_admin(tmp_path)
    clock.sleep(1.1)
    assert await auth.principal_of(scope) is None
    assert await auth.principal_of(by_cookie) is None
    assert await auth.by_token(new) is not None
    accounts.close()


async def test_sessions_outlive_a_restart_and_end_with_their_time(tmp_path: Path) -> None:
    """A session is known to the next start, and to none after a week."""
    clock = HandClock()
    accounts = Accounts(open_database(tmp_path), clock)
    cookie = await Authenticator(accounts, Metrics(), clock).open_session(ADMIN)
    accounts.close()
    again = Accounts(open_database(tmp_path), clock)
    auth = Authenticator(again, Metrics(), clock)
    scope = {"type": "http", "headers": [(b"cookie", f"tamis_session={cookie}".encode())], "server": None}
    assert await auth.principal_of(scope) is not None
    clock.sleep(8 * 86_400)
    assert await auth.principal_of(scope) is None
    again.close()


async def test_the_first_admin_token_is_made_once(tmp_path: Path) -> None:
    """A later start neither makes nor takes another."""
    first = create_app(load_settings({"server.admin_token": "one"}, {}), MemoryStore(), folder=tmp_path)
    service: Service = first.state.service
    service.accounts.close()
    second = create_app(load_settings({"server.admin_token": "two"}, {}), MemoryStore(), folder=tmp_path)
    assert await second.state.service.auth.by_token("one") is not None
    assert await second.state.service.auth.by_token("two") is None
    second.state.service.accounts.close()


def test_an_unknown_settings_folder_is_not_needed(settings: Settings) -> None:
    """Without a folder, accounts are in memory."""
    assert create_app(settings, MemoryStore()).state.service.folder is None


def test_a_password_that_is_no_base64_is_no_password() -> None:
    """Bytes that no client means are refused like a wrong token, not with an error of the server."""
    assert tokens_in("Basic \xff\xfe") == []
    assert tokens_in("Basic !!!") == []
