"""`/api/v1/status`: what the server is doing, at once and while it changes."""

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.limits import BreakerLimits
from tamis.store.memory import MemoryStore
from tamis.telemetry.status import BOARD, BoardLimits
from tamis.wire.sse import Event, decode_events
from tests.unit.server.conftest import TOKEN, listening

pytestmark = pytest.mark.anyio

WAIT_S = 60
GIVEN = {"tail__interval_s": "10ms", "tail__heartbeat_s": "100ms"}
PATH = "/api/v1/status"


@pytest.fixture(autouse=True)
def _an_empty_board() -> Iterator[None]:
    """The board and the breakers are the process's: nothing of other tests is on them."""
    gc.collect()
    BOARD.after_fork()
    yield
    BOARD.after_fork()


class Stream:
    """One connection to the stream."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader, self._waiting = reader, list[Event]()
        self.said = b""

    async def next(self, name: str) -> tuple[str, dict[str, Any]]:
        """The id and data of the next event of this name."""
        while True:
            while self._waiting:
                event = self._waiting.pop(0)
                if event.data and event.name == name:
                    return event.id, json.loads(event.data)
            await self.more()

    async def more(self) -> None:
        """Read a chunk; EOFError at the end of the stream."""
        size = int(await asyncio.wait_for(self._reader.readuntil(b"\r\n"), WAIT_S), 16)
        data = (await asyncio.wait_for(self._reader.readexactly(size + 2), WAIT_S))[:-2]
        if not size:
            raise EOFError
        self.said += data
        self._waiting += decode_events([data])


@contextlib.asynccontextmanager
async def streaming(port: int, after: str = "") -> AsyncIterator[Stream]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    more = f"Last-Event-ID: {after}\r\n" if after else ""
    writer.write(
        f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n{more}\r\n".encode()
    )
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT_S)
        assert b" 200 " in head
        assert b"text/event-stream" in head
        yield Stream(reader)
    finally:
        writer.close()


async def test_one_answer_has_everything(caller: httpx2.AsyncClient) -> None:
    """Works, events, what is degraded and the breakers, as JSON when JSON is asked for."""
    breaker = CircuitBreaker("mail.example", BreakerLimits(failures_to_open=1))
    breaker.permit().failure(ConnectionRefusedError())
    with BOARD.doing("scrub", total=10, unit="files") as work:
        work.advance(4, "b.seg")
        BOARD.degrade("semantic search", "its model is missing; words are searched")
        answer = (await caller.get(PATH, headers={"Accept": "application/json"})).json()
    (found,) = answer["works"]
    assert (found["name"], found["done"], found["total"], found["note"]) == ("scrub", 4, 10, "b.seg")
    assert found["started"].endswith("Z")
    assert answer["state"] == "ready"
    assert [one["name"] for one in answer["degraded"]] == ["semantic search"]
    assert [event["kind"] for event in answer["events"]] == ["breaker", "degraded"]
    (shown,) = [one for one in answer["breakers"] if one["name"] == "mail.example"]
    assert (shown["state"], shown["opened"], shown["last_failure"]) == ("open", 1, "ConnectionRefusedError")
    assert 0 < shown["retry_after_s"] <= 60


async def test_the_stream_tells_what_changes() -> None:
    """First all there is, then works as they get on, events, and the parts when one changes."""
    breaker = CircuitBreaker("mail.example", BreakerLimits(failures_to_open=1))
    with listening(MemoryStore(), **GIVEN) as port:
        async with streaming(port) as stream:
            _, first = await stream.next("snapshot")
            assert first["works"] == []
            work = BOARD.doing("backup", total=3)
            assert (await stream.next("work"))[1]["state"] == "running"
            work.advance(2)
            assert (await stream.next("work"))[1]["done"] == 2
            work.end()
            assert (await stream.next("work"))[1]["state"] == "done"
            breaker.permit().failure()
            _, event = await stream.next("event")
            assert (event["kind"], event["facts"]["after"]) == ("breaker", "open")
            _, parts = await stream.next("parts")
            assert ("mail.example", "open") in [(one["name"], one["state"]) for one in parts["breakers"]]


async def test_who_comes_back_goes_on_where_it_was() -> None:
    """Every event is shown once however often the connection breaks; too long away, everything anew."""
    with listening(MemoryStore(), **GIVEN) as port:
        async with streaming(port) as stream:
            last, _ = await stream.next("snapshot")
        seen = []
        for number in range(5):
            for part in range(3):
                BOARD.tell("note", f"{number} {part}")
            async with streaming(port, last) as stream:
                last, event = await stream.next("event")
                seen.append(event["text"])
        assert seen == [f"{number // 3} {number % 3}" for number in range(5)]
        for _ in range(BoardLimits().ended_max + 2):
            BOARD.doing("quick").end()
        async with streaming(port, last) as stream:
            _, found = await stream.next("snapshot")
            assert len(found["works"]) == BoardLimits().ended_max
        for foreign in ("0badcafe-7", "nonsense"):
            async with streaming(port, foreign) as stream:
                assert (await stream.next("snapshot"))[1]["events"][-1]["text"] == "4 2"


async def test_a_quiet_stream_says_that_it_is_there_and_ends_with_the_server() -> None:
    """A comment now and then; the server's stop waits for no reader."""
    with listening(MemoryStore(), **GIVEN) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        writer.write(head.encode())
        await asyncio.wait_for(reader.readuntil(b"nothing changed"), WAIT_S)
    try:
        await asyncio.wait_for(reader.read(), WAIT_S)
        assert reader.at_eof()
    finally:
        writer.close()


async def test_there_are_so_many_readers_at_a_time() -> None:
    """One more is answered 429, which is counted; when one leaves there is room again."""
    with listening(MemoryStore(), tail__status_viewers_max=1, **GIVEN) as port:
        url = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            async with streaming(port) as stream:
                await stream.next("snapshot")
                refused = await client.get(PATH)
                assert refused.status_code == 429
                assert "tail.status_viewers_max" in refused.json()["detail"]
                counted = (await client.get("/metrics")).text
                assert "tamis_status_viewers 1.0" in counted
                assert 'tamis_limits_met_total{limit="tail.status_viewers_max"} 1.0' in counted
            async with asyncio.timeout(WAIT_S):
                while "tamis_status_viewers 0.0" not in (await client.get("/metrics")).text:
                    await asyncio.sleep(0.01)
            async with streaming(port) as stream:
                await stream.next("snapshot")


async def test_breakers_are_in_the_metrics(caller: httpx2.AsyncClient) -> None:
    """State, calls, changes and time by name; what is gone has no state, and its counts stay."""
    breaker = CircuitBreaker("mail.example", BreakerLimits(failures_to_open=1))
    other = CircuitBreaker("mail.example", BreakerLimits(failures_to_open=1))
    breaker.call(int)
    other.call(int)
    text = (await caller.get("/metrics")).text
    assert 'tamis_breaker_state{breaker="mail.example",state="closed"} 1.0' in text
    assert 'tamis_breaker_calls_total{breaker="mail.example",result="success"} 2.0' in text
    other.permit().failure()
    assert other.allow() is None
    for _ in range(2):
        text = (await caller.get("/metrics")).text
        assert 'tamis_breaker_state{breaker="mail.example",state="closed"} 0.0' in text
        assert 'tamis_breaker_state{breaker="mail.example",state="open"} 1.0' in text
        assert 'tamis_breaker_calls_total{breaker="mail.example",result="failure"} 1.0' in text
        assert 'tamis_breaker_calls_total{breaker="mail.example",result="refused"} 1.0' in text
        assert 'tamis_breaker_entered_total{breaker="mail.example",state="open"} 1.0' in text
        assert 'tamis_breaker_seconds_total{breaker="mail.example",state="open"}' in text
    del breaker, other
    gc.collect()
    text = (await caller.get("/metrics")).text
    assert 'tamis_breaker_state{breaker="mail.example"' not in text
    assert 'tamis_breaker_calls_total{breaker="mail.example",result="success"} 2.0' in text


async def test_strangers_are_not_told(stranger: httpx2.AsyncClient) -> None:
    """It takes a token, as everything does."""
    assert (await stranger.get(PATH)).status_code == 401
