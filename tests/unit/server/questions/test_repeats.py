"""Repeats are answered by what was computed before, and never by what is old."""

import asyncio
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tamis.clock import NS_PER_S
from tamis.query.parser import parse
from tamis.query.resolve import resolve
from tamis.record.model import Columns, Record
from tamis.server.app import create_app
from tamis.server.questions.moving import Now, moves_of, resolved
from tamis.settings import Settings, load_settings
from tamis.store.base import Budget, Counted, Question, Store
from tamis.store.embedded.options import StoreOptions
from tamis.store.embedded.store import EmbeddedStore, open_store
from tamis.store.memory import MemoryStore
from tests.unit.server.conftest import TOKEN

pytestmark = pytest.mark.anyio

S = NS_PER_S
T0 = 1_795_255_200 * S
WAIT_S = 60


class Counting(MemoryStore):
    """Counts how often it was asked; waits for `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = 0, threading.Event()
        self.go.set()

    def count(self, question: Question, budget: Budget) -> Counted:
        self.asked += 1
        assert self.go.wait(WAIT_S)
        return super().count(question, budget)


class HandClock:
    """Goes where a test puts it."""

    def __init__(self) -> None:
        self.wall_ns = T0

    def now_ns(self) -> int:
        return self.wall_ns

    def monotonic_s(self) -> float:
        return self.wall_ns / S


def client_of(app: Any) -> httpx2.AsyncClient:
    headers = {"authorization": f"Bearer {TOKEN}"}
    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)


async def counted(client: httpx2.AsyncClient, **given: Any) -> int:
    answer = await client.get("/api/v1/count", params=given)
    assert answer.status_code == 200, answer.text
    found: int = answer.json()["count"]
    return found


def at(app: Any, clock: HandClock) -> None:
    """The app lives by this clock."""
    service = app.state.service
    service.repeats._clock = service.opened.searcher._clock = clock


async def test_a_repeat_is_not_computed_again(settings: Settings) -> None:
    """By GET and by POST, however the words are written; the answer says how long it took this time."""
    store = Counting()
    app = create_app(settings, store)
    store.append(Columns.of([Record(timestamp=T0, level="ERROR")]))
    async with client_of(app) as client:
        for _ in range(5):
            assert await counted(client, q="level:error service:*") == 0
        assert await counted(client, q="  level:error   service:*") == 0
        answer = await client.post("/api/v1/count", json={"q": "level:error service:*"})
    assert answer.json()["took_ms"] >= 0
    assert store.asked == 1
    metrics = app.state.service.metrics
    assert metrics.value("tamis_answers_total", "kept") == 6
    assert metrics.value("tamis_queries_total", "count", "ok") == 7


async def test_what_came_is_counted_at_once(settings: Settings) -> None:
    """The next answer after an append, and after a deletion, is a new one."""
    store = Counting()
    app = create_app(settings, store)
    async with client_of(app) as client:
        for number in range(1, 4):
            store.append(Columns.of([Record(timestamp=T0 + number, attributes={"n": number})]))
            assert await counted(client) == number
            assert await counted(client) == number
        assert (await client.post("/api/v1/delete", json={"q": "n:2"})).json()["hidden"] == 1
        assert await counted(client) == 2
    assert store.asked == 4


async def test_a_range_that_moves_is_asked_again_each_second(settings: Settings) -> None:
    """Within one it is the same question; in the next one, what is too old is not counted any more."""
    store, clock = Counting(), HandClock()
    app = create_app(settings, store)
    at(app, clock)
    store.append(Columns.of([Record(timestamp=T0 - 60 * S), Record(timestamp=T0 - 58 * S)]))
    async with client_of(app) as client:
        found = []
        for _ in range(8):
            found.append(await counted(client, start="-1m", end="now"))
            clock.wall_ns += S // 2
    assert found == [2, 2, 1, 1, 1, 1, 0, 0]
    assert store.asked == 4


async def test_many_who_ask_at_once_wait_for_one(settings: Settings) -> None:
    """One computation, the same answer for all; who goes away takes it from nobody."""
    store = Counting()
    store.go.clear()
    app = create_app(settings, store)
    async with client_of(app) as client:
        asking = [asyncio.create_task(counted(client, q="*")) for _ in range(20)]
        while store.asked < 1:
            await asyncio.sleep(0.001)
        for _ in range(100):
            await asyncio.sleep(0)
        assert store.asked == 1
        store.go.set()
        assert await asyncio.gather(*asking) == [0] * 20
    assert store.asked == 1


@pytest.mark.parametrize("leader_stays", [True, False])
async def test_a_repeat_waits_for_what_is_being_computed(settings: Settings, *, leader_stays: bool) -> None:
    """Many who ask again after something came wait for one new answer; when who asked first goes away, they get it
    from the next."""
    store = Counting()
    app = create_app(settings, store)
    async with client_of(app) as client:
        assert await counted(client, q="*") == 0
        store.append(Columns.of([Record(timestamp=T0)]))
        store.go.clear()
        asking = [asyncio.create_task(counted(client, q="*")) for _ in range(20)]
        while store.asked < 2:
            await asyncio.sleep(0.001)
        for _ in range(100):
            await asyncio.sleep(0)
        if not leader_stays:
            asking.pop(0).cancel()
        store.go.set()
        assert await asyncio.gather(*asking) == [1] * len(asking)
        assert await counted(client, q="*") == 1
    assert store.asked == 2 or not leader_stays


async def test_questions_in_bodies_are_told_apart(settings: Settings) -> None:
    """The words of a request that is no GET are in its body."""
    store = Counting()
    app = create_app(settings, store)
    store.append(Columns.of([Record(timestamp=T0, level="ERROR")]))
    async with client_of(app) as client:
        assert (await client.get("/api/v1/count")).json()["count"] == 1
        assert (await client.post("/api/v1/count", json={"q": "level:info"})).json()["count"] == 0
        assert (await client.post("/api/v1/count", json={"q": "level:error"})).json()["count"] == 1


async def test_strangers_get_no_repeats(settings: Settings) -> None:
    """The gate stands before what is kept."""
    app = create_app(settings, Counting())
    async with client_of(app) as client:
        assert await counted(client) == 0
        del client.headers["authorization"]
        assert (await client.get("/api/v1/count")).status_code == 401


async def test_errors_are_not_kept(settings: Settings) -> None:
    """A question that is wrong is told so each time, with its own words."""
    app = create_app(settings, Counting())
    async with client_of(app) as client:
        for _ in range(2):
            answer = await client.get("/api/v1/count", params={"q": "level:("})
            assert (answer.status_code, answer.json()["status"]) == (400, 400)
    assert app.state.service.metrics.value("tamis_answers_total", "kept") == 0


async def test_keeping_can_be_off() -> None:
    """With query.cache_bytes = off every question is computed."""
    store = Counting()
    app = create_app(load_settings({"server.admin_token": TOKEN, "query.cache_bytes": "off"}, {}), store)
    async with client_of(app) as client:
        for _ in range(3):
            await counted(client)
    assert store.asked == 3


@pytest.mark.parametrize(
    ("text", "start_s", "end_s"),
    [
        ("_time:-15m", -900, None),
        ("_time:[-2h TO -1h]", -7200, -3599),
        ("x timestamp>=-1m", -60, None),
        ("x timestamp<-1m", None, -59),
    ],
)
def test_times_that_move_count_from_whole_seconds(text: str, start_s: int | None, end_s: int | None) -> None:
    """A beginning from the second before, an end from the one after; nothing that is within is left out."""
    found = resolved(parse(text), Now(T0 + 300))
    exact = resolve(parse(text), T0 + 300)
    assert found != exact
    times = next(item for item in getattr(found.filter, "items", [found.filter]) if hasattr(item, "start_ns"))
    ends = [None if end is None else T0 + end * S for end in (start_s, end_s)]
    assert [times.start_ns, times.end_ns and times.end_ns // S * S] == ends
    assert moves_of(parse(text), [], T0 + 300) is True


def test_times_in_negations_are_exact() -> None:
    """There a beginning is an end; such questions are computed each time."""
    query = parse("NOT _time:-15m")
    assert resolved(query, Now(T0 + 300)) == resolve(query, T0 + 300)
    assert moves_of(query, [], T0 + 300) is None
    assert moves_of(parse("level:error"), ["2026-11-21T10:00:00Z", None], T0 + 300) is False
    assert moves_of(parse("level:error"), ["-1h", None], T0 + 300) is True


QUESTIONS = (
    ("count", {"q": "*"}),
    ("count", {"q": "level:error"}),
    ("count", {"q": "n>3 n<9"}),
    ("count", {"q": "beta", "start": f"{T0 // S + 20}", "end": f"{T0 // S + 70}"}),
    ("histogram", {"q": "*", "interval": "7s"}),
    ("histogram", {"q": "alpha", "interval": "10s", "by": "service"}),
    ("search", {"q": "*", "limit": "7"}),
    ("search", {"q": "gamma NOT level:info", "order": "asc"}),
    ("facets", {"q": "*", "field": "service"}),
    ("stats", {"q": "* | stats count(), sum(n) by level"}),
    ("patterns", {"q": "alpha OR beta"}),
)


def small_store(folder: Path) -> EmbeddedStore:
    return open_store(
        folder, StoreOptions(background=False, segment_records=50, merge_count=2, batch_ids_max=100)
    )


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[list[Store]]:
    made: list[Store] = [MemoryStore(), small_store(tmp_path / "data")]
    yield made
    for store in made:
        store.close()


@pytest.mark.parametrize("seed", range(4))
async def test_kept_answers_are_those_that_would_be_computed(
    seed: int, stores: list[Store], settings: Settings
) -> None:
    """Whatever comes, goes, is sealed, merged and erased in between, in any order; asked twice, too."""
    rng = random.Random(seed)
    never = replace(settings, query=replace(settings.query, cache_bytes=0))
    for store in stores:
        async with client_of(create_app(settings, store)) as kept, client_of(create_app(never, store)) as new:
            for _ in range(40):
                change(store, rng)
                for kind, given in rng.sample(QUESTIONS, 3):
                    await same_answers(kept, new, f"/api/v1/{kind}", given)


async def same_answers(kept: httpx2.AsyncClient, new: httpx2.AsyncClient, path: str, given: Any) -> None:
    answers = [(await client.get(path, params=given)).json() for client in (kept, new, kept)]
    for answer in answers:
        answer.pop("took_ms")
        answer.pop("example", None)
    assert answers[0] == answers[1] == answers[2], (path, given)


def change(store: Store, rng: random.Random) -> None:
    """Something that may happen to a store."""
    what = rng.choice(["append", "append", "append", "delete", "seal", "merge", "erase", "nothing"])
    if what == "append":
        store.append(Columns.of([some_record(rng) for _ in range(rng.randint(1, 40))]))
    elif what == "delete":
        text = rng.choice(["n:4", "level:error", "gamma", "service:b n>6"])
        end = rng.choice([None, T0 + rng.randint(0, 100) * S])
        store.delete(Question(resolve(parse(text), T0).filter, None, end), Budget())
    elif isinstance(store, EmbeddedStore) and what != "nothing":
        {"seal": store.seal_now, "merge": store.merge_now, "erase": store.erase_now}[what]()


def some_record(rng: random.Random) -> Record:
    return Record(
        timestamp=T0 + rng.randint(0, 100 * S),
        level=rng.choice(["INFO", "ERROR", "DEBUG"]),
        service=rng.choice(["a", "b", None]),
        message=" ".join(rng.sample(["alpha", "beta", "gamma", "delta 7"], 2)),
        attributes={"n": rng.randint(0, 10)},
    )
