"""Questions end: in time, when nobody waits any more, and when the server is told to stop."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx2
import pytest

from tamis.errors import QueryCancelledError, QueryTooLargeError
from tamis.record.model import Columns, Record, StoredRecord
from tamis.server.app import create_app
from tamis.settings import load_settings
from tamis.store.base import Budget, Counted, Order, Question
from tamis.store.memory import MemoryStore
from tests.unit.server.conftest import TOKEN

pytestmark = pytest.mark.anyio

WAIT_S = 20


class SlowStore(MemoryStore):
    """Counts until it is told to stop; exports for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.began = threading.Event()
        self.ended = threading.Event()
        self.lists = 0

    def count(self, question: Question, budget: Budget) -> Counted:
        self.began.set()
        try:
            while not budget.cancelled.wait(0.01):
                budget.remaining_s()
            raise QueryCancelledError("called off")
        finally:
            self.ended.set()

    def fields(self, question: Question, budget: Budget) -> Any:
        raise QueryTooLargeError("the answer is over the memory limit")

    def export(
        self, question: Question, budget: Budget, *, order: Order = "asc"
    ) -> AbstractContextManager[Iterator[list[StoredRecord]]]:
        return self._endless(budget)

    @contextmanager
    def _endless(self, budget: Budget) -> Iterator[Iterator[list[StoredRecord]]]:
        self.began.set()
        try:
            yield self._lists(budget)
        finally:
            self.ended.set()

    def _lists(self, budget: Budget) -> Iterator[list[StoredRecord]]:
        record = Record(timestamp=1, message="x" * 1_000)
        while True:
            budget.remaining_s()
            self.lists += 1
            yield [StoredRecord(seq=n + 1, received=1, record=record) for n in range(100)]


class RawCall:
    """One request at the level of ASGI, so that a test can close the connection when it likes."""

    def __init__(self, app: Any, path: str) -> None:
        self._app = app
        self.closed = asyncio.Event()
        self.messages: list[dict[str, Any]] = []
        self.taken = asyncio.Semaphore(0)
        self._sent_body = False
        headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {TOKEN}".encode())]
        self.scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": headers, "scheme": "http", "server": ("localhost", 1), "client": ("127.0.0.1", 2),
            "http_version": "1.1", "root_path": "", "asgi": {"version": "3.0", "spec_version": "2.3"},
        }  # fmt: skip

    async def receive(self) -> dict[str, Any]:
        if not self._sent_body:
            self._sent_body = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.closed.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.body":
            await self.taken.acquire()

    def start(self) -> asyncio.Task[None]:
        return asyncio.create_task(self._app(self.scope, self.receive, self.send))


def slow_app(store: MemoryStore, timeout: str = "30s") -> Any:
    return create_app(load_settings({"server.admin_token": TOKEN, "query.timeout_s": timeout}, {}), store)


async def wait_for(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, WAIT_S)


async def test_a_caller_who_goes_away_ends_the_question() -> None:
    """The store is told at once; no thread goes on for nobody."""
    store = SlowStore()
    call = RawCall(slow_app(store), "/api/v1/count")
    running = call.start()
    await wait_for(store.began)
    call.closed.set()
    await wait_for(store.ended)
    call.taken.release()
    await asyncio.wait_for(running, WAIT_S)


async def test_a_cancelled_request_ends_the_question() -> None:
    """So it is when the server stops with questions open."""
    store = SlowStore()
    running = RawCall(slow_app(store), "/api/v1/count").start()
    await wait_for(store.began)
    running.cancel()
    await wait_for(store.ended)
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_slot_is_held_as_long_as_its_thread(settings: Any) -> None:
    """Who asks and goes away, again and again, keeps no more threads busy than may be."""

    class Deaf(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self.began, self.end = threading.Event(), threading.Event()

        def count(self, question: Question, budget: Budget) -> Counted:
            self.began.set()
            self.end.wait(WAIT_S)
            return Counted(0)

    store = Deaf()
    app = create_app(load_settings({"server.admin_token": TOKEN, "query.heavy_max": 1}, {}), store)
    metrics = app.state.service.metrics
    running = RawCall(app, "/api/v1/count").start()
    await wait_for(store.began)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert metrics.value("tamis_queries_running", "heavy") == 1
    later = RawCall(app, "/api/v1/count")
    asking = later.start()
    while metrics.value("tamis_queries_waiting", "heavy") < 1:
        await asyncio.sleep(0)
    store.end.set()
    later.taken.release()
    await asyncio.wait_for(asking, WAIT_S)
    assert later.messages[0]["status"] == 200


async def test_a_question_ends_in_its_time() -> None:
    """504 with a sentence, and counted."""
    app = slow_app(SlowStore(), "100ms")
    headers = {"authorization": f"Bearer {TOKEN}"}
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        answer = await client.get("/api/v1/count")
        assert answer.status_code == 504
        assert "0.1 s" in answer.json()["detail"]
        assert (await client.get("/api/v1/fields")).status_code == 422
    assert app.state.service.metrics.value("tamis_queries_total", "count", "timeout") == 1
    assert app.state.service.metrics.value("tamis_queries_total", "fields", "too_large") == 1


async def test_a_reader_who_goes_away_ends_the_export() -> None:
    """The store's iterator is closed, and the slot is free again."""
    store = SlowStore()
    app = slow_app(store)
    call = RawCall(app, "/api/v1/export")
    running = call.start()
    await wait_for(store.began)
    for _ in range(5):
        call.taken.release()
    call.closed.set()
    await wait_for(store.ended)
    call.taken.release()
    await asyncio.wait_for(running, WAIT_S)
    for _ in range(4):
        await asyncio.wait_for(app.state.service.exports.enter(), WAIT_S)


async def test_an_export_is_made_as_fast_as_it_is_read() -> None:
    """A reader who takes nothing more is waited for: no list is made beyond the one in hand."""
    store = SlowStore()
    call = RawCall(slow_app(store), "/api/v1/export")
    running = call.start()
    for taken in range(1, 6):
        while sum(message["type"] == "http.response.body" for message in call.messages) < taken:
            await asyncio.sleep(0)
        assert store.lists <= taken + 1
        call.taken.release()
    call.closed.set()
    await wait_for(store.ended)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_store_that_is_not_open_yet_is_503(settings: Any) -> None:
    """While the server starts, health answers and everything else says when to come again."""
    app = create_app(settings)
    headers = {"authorization": f"Bearer {TOKEN}"}
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        for path in ("/api/v1/search", "/api/v1/export"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert (await client.post("/api/v1/ingest", content=b"{}")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "starting")
        assert (await client.get("/metrics")).status_code == 200


async def test_degraded_is_ready(settings: Any) -> None:
    """200, and the body says what is wrong to those who are signed in."""
    from tamis.store.base import StoreHealth

    class Damaged(MemoryStore):
        def health(self) -> StoreHealth:
            return StoreHealth("degraded", ("segment 1 is damaged",))

    app = create_app(settings, Damaged())
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "degraded", "problems_count": 1})
        signed = await client.get("/readyz", headers={"authorization": f"Bearer {TOKEN}"})
        assert signed.json()["problems"] == ["segment 1 is damaged"]


async def test_an_error_that_nobody_foresaw_is_a_problem(settings: Any) -> None:
    """500 without its inside, with the security headers."""

    class Broken(MemoryStore):
        def count(self, question: Question, budget: Budget) -> Counted:
            raise ZeroDivisionError("secret inside")

    transport = httpx2.ASGITransport(app=create_app(settings, Broken()))
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        answer = await client.get("/api/v1/count")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_closed_stores_take_nothing_more(settings: Any, store: MemoryStore) -> None:
    """503 on ingest, and not ready."""
    app = create_app(settings, store)
    store.append(Columns.of([Record(timestamp=1)]))
    store.close()
    transport = httpx2.ASGITransport(app=app)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        assert (await client.post("/api/v1/ingest", content=b'{"message":"x"}')).status_code == 503
        assert (await client.get("/readyz")).status_code == 503
