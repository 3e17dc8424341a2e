"""How often callers may come: by address, session and token, each told what is left."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.clock import Clock
from tamis.errors import ConfigError, OverloadedError
from tamis.server.app import create_app
from tamis.server.front.address import caller_address, proxies_of
from tamis.server.front.rates import Callers, Rate
from tamis.settings import load_settings
from tamis.store.memory import MemoryStore
from tests.support.hand_clock import HandClock
from tests.unit.server.conftest import TOKEN

RATE = Rate("session", "rates.session_per_minute", 60, 5)


def callers(clock: Clock, *, rate: Rate = RATE, callers_max: int = 100) -> Callers:
    return Callers(rate, callers_max, clock)


def test_a_burst_then_the_rate() -> None:
    """So many at once, then one each interval; the wait that is told is enough and not too much."""
    clock = HandClock()
    made = callers(clock)
    assert [made.take("a").remaining for _ in range(5)] == [4, 3, 2, 1, 0]
    refused = made.take("a")
    assert refused.retry_after_s == pytest.approx(1.0)
    clock.pass_s(refused.retry_after_s * 0.9)
    assert made.take("a").retry_after_s == pytest.approx(0.1)
    clock.pass_s(0.1)
    assert made.take("a").retry_after_s == 0
    assert made.take("b").remaining == 4
    clock.pass_s(3_600)
    assert made.take("a").remaining == 4


@given(st.lists(st.floats(0, 3), max_size=200))
def test_never_more_than_the_rate_and_a_burst(steps: list[float]) -> None:
    """Whenever requests come, no span of time lets more through than its rate and one burst."""
    clock = HandClock()
    made, begin, passed = callers(clock), clock.monotonic_s(), 0
    for step in steps:
        clock.pass_s(step)
        passed += made.take("a").retry_after_s == 0
        assert passed <= RATE.burst + (clock.monotonic_s() - begin) / RATE.interval_s + 1e-6


def test_what_is_known_afterwards_is_paid_before_the_next() -> None:
    """A budget lets one through as long as anything is left, and then waits until the debt is paid."""
    clock = HandClock()
    made = callers(clock, rate=Rate("bytes", "rates.token_bytes_per_minute", 600, 600))
    assert made.look("a").remaining == 600
    made.charge("a", 900)
    assert made.look("a").retry_after_s == pytest.approx(30)
    clock.pass_s(31)
    assert made.look("a").retry_after_s == 0
    assert made.look("b").remaining == 600


def test_callers_are_bounded() -> None:
    """The longest silent makes room."""
    made = callers(HandClock(), callers_max=3)
    for name in "abcad":
        made.take(name)
    assert len(made) == 3
    assert made.take("b").remaining == 4
    assert made.take("a").remaining == 2


def scope(client: str, *forwarded: str) -> dict[str, object]:
    return {
        "type": "http",
        "client": (client, 1),
        "headers": [(b"x-forwarded-for", one.encode()) for one in forwarded],
    }


@pytest.mark.parametrize(
    ("client", "forwarded", "expected"),
    [
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("6.6.6.6, 198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("6.6.6.6, 198.51.100.1, 10.2.3.4",), "198.51.100.1"),
        ("10.0.0.1", ("6.6.6.6", "198.51.100.1"), "198.51.100.1"),
        ("10.0.0.1", ("<script>",), "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", (), "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", (), "203.0.113.9"),
    ],
)
def test_the_address_that_counts(client: str, forwarded: tuple[str, ...], expected: str) -> None:
    """Trusted proxies are believed, as far as they go; strangers' headers are not; IPv6 counts by network."""
    proxies = proxies_of(load_settings({"server.proxies": ["10.0.0.0/8"]}, {}))
    assert caller_address(scope(client, *forwarded), proxies) == expected


def test_a_proxy_that_is_none_is_told() -> None:
    """With the setting's name and the text."""
    with pytest.raises(ConfigError, match=r"server\.proxies.*nginx"):
        proxies_of(load_settings({"server.proxies": ["nginx"]}, {}))


def made_client(**values: object) -> tuple[httpx2.AsyncClient, HandClock]:
    clock = HandClock()
    given = {"server.admin_token": TOKEN, **{name.replace("__", "."): one for name, one in values.items()}}
    settings = load_settings(given, {})
    app = create_app(settings, MemoryStore(), clock=clock)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost"), clock


async def statuses(
    client: httpx2.AsyncClient, count: int, path: str = "/api/v1/count", **more: str
) -> list[int]:
    return [(await client.get(path, headers=more)).status_code for _ in range(count)]


@pytest.mark.anyio
async def test_strangers_are_slowed_down_and_told() -> None:
    """Twenty at once and a hundred a minute by default; then 429 with Retry-After, and what is left on each answer."""
    client, clock = made_client()
    async with client:
        first = await client.get("/api/v1/count")
        assert (first.status_code, first.headers["ratelimit"]) == (401, '"anonymous";r=19;t=1')
        assert first.headers["ratelimit-policy"] == '"anonymous";q=100;w=60'
        assert await statuses(client, 20) == [401] * 19 + [429]
        refused = await client.get("/api/v1/count")
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["ratelimit"] == '"anonymous";r=0;t=1'
        assert "rates.anonymous_per_minute" in refused.json()["detail"]
        assert refused.headers["x-content-type-options"] == "nosniff"
        assert await statuses(client, 3, "/healthz") == [200] * 3
        assert await statuses(client, 3, Authorization=f"Bearer {TOKEN}") == [200] * 3
        clock.pass_s(0.6)
        assert await statuses(client, 2) == [401, 429]
        text = (await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})).text
    assert 'tamis_limits_met_total{limit="rates.anonymous_per_minute"} 3.0' in text


@pytest.mark.anyio
async def test_attempts_to_sign_in_are_counted_apart() -> None:
    """Guessing tokens ends after the burst, whoever else comes from there."""
    client, _ = made_client(rates__signin_burst=2)
    async with client:
        for expected in (401, 401, 429):
            answer = await client.post("/signin", data={"token": "guess"})
            assert answer.status_code == expected
        assert (await client.get("/?token=guess")).status_code == 429
        assert (await client.get("/signin")).status_code == 200


@pytest.mark.anyio
async def test_questions_in_plain_language_are_counted_apart() -> None:
    """They cost most: also a token has a number of them."""
    client, clock = made_client(rates__ask_burst=2)
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    async with client:
        answers = [await client.post("/api/v1/ask", json={"question": "why"}) for _ in range(3)]
        assert [answer.status_code == 429 for answer in answers] == [False, False, True]
        assert answers[2].json()["limit"] == "rates.ask_per_minute"
        assert await statuses(client, 3) == [200] * 3
        clock.pass_s(0.6)
        assert (await client.post("/api/v1/ask", json={"question": "why"})).status_code != 429


@pytest.mark.anyio
async def test_a_session_has_a_limit_of_its_own() -> None:
    """200 at once by default; another session of the same person has its own."""
    client, _ = made_client(rates__session_burst=3)
    async with client:
        assert (await client.post("/signin", data={"token": TOKEN})).status_code == 303
        assert await statuses(client, 4) == [200, 200, 200, 429]
        first = dict(client.cookies)
        client.cookies.clear()
        assert (await client.post("/signin", data={"token": TOKEN})).status_code == 303
        assert dict(client.cookies) != first
        assert await statuses(client, 1) == [200]


@pytest.mark.anyio
async def test_a_token_has_a_budget_of_bytes() -> None:
    """Off by default; on, the body that takes it over is still stored, and the next waits."""
    client, clock = made_client(rates__token_bytes_per_minute=600)
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    async with client:
        line = b'{"message":"' + b"x" * 700 + b'"}\n'
        assert (await client.post("/api/v1/ingest", content=line)).status_code == 200
        refused = await client.post("/api/v1/ingest", content=line)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 11
        assert refused.json()["limit"] == "rates.token_bytes_per_minute"
        assert await statuses(client, 1) == [200]
        clock.pass_s(12)
        assert (await client.post("/api/v1/ingest", content=line)).status_code == 200


@pytest.mark.anyio
async def test_a_body_that_the_store_refuses_costs_no_budget() -> None:
    """It comes again, and is paid for when it is taken; the refusal shows the whole number."""
    client, _ = made_client(rates__token_bytes_per_minute=20_000_000)
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    store = client._transport.app.state.service.opened.store  # type: ignore[attr-defined]  # the client's own
    real, line = store.append, b'{"message":"' + b"x" * 1_000 + b'"}\n'

    def behind(*given: object, **more: object) -> object:
        raise OverloadedError("the store is behind", 1.0)

    async with client:
        store.append = behind
        for _ in range(3):
            assert (await client.post("/api/v1/ingest", content=line * 20_000)).status_code == 429
        store.append = real
        assert (await client.post("/api/v1/ingest", content=line * 20_000)).status_code == 200
        refused = await client.post("/api/v1/ingest", content=line)
        assert "20,000,000 a minute, 20,000,000 at once" in refused.json()["detail"]


@pytest.mark.anyio
async def test_a_token_has_a_budget_of_waiting() -> None:
    """Seconds until answers begin; records are taken in all the same."""
    client, clock = made_client(rates__token_query_s_per_minute=1)
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    async with client:
        assert await statuses(client, 1) == [200]
        app = client._transport.app  # type: ignore[attr-defined]  # the client's own
        real = app.state.service.opened.searcher.count

        def slow(*given: object, **more: object) -> object:
            clock.pass_s(90)
            return real(*given, **more)

        app.state.service.opened.searcher.count = slow
        assert await statuses(client, 1, "/api/v1/count?q=a") == [200]
        assert await statuses(client, 1, "/api/v1/count?q=b") == [429]
        assert (await client.post("/api/v1/ingest", content=b'{"message":"a"}')).status_code == 200
        clock.pass_s(60 * 90)
        assert await statuses(client, 1, "/api/v1/count?q=c") == [200]
