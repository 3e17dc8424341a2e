"""Live tails: every record once and in order, whoever watches, however often they come back."""

import asyncio
import contextlib
import json
import random
import threading
from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from tamis.query.parser import parse
from tamis.query.resolve import resolve
from tamis.record.model import Columns, Record, StoredRecord
from tamis.server.app import create_app
from tamis.server.questions.tail import Look, Place, Stream, watched
from tamis.settings import load_settings
from tamis.store.base import Budget, Order, Page, Question, Store
from tamis.store.embedded.options import StoreOptions
from tamis.store.embedded.store import open_store
from tamis.store.memory import MemoryStore
from tamis.wire.sse import Event, decode_events
from tests.unit.server.conftest import TOKEN, listening

pytestmark = pytest.mark.anyio

WAIT_S = 60
GIVEN = {"tail__interval_s": "10ms", "tail__heartbeat_s": "100ms"}


class Watching:
    """One connection to /api/v1/tail, read as slowly as a test likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.status = 0
        self._rest = b""

    async def head(self) -> None:
        text = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), WAIT_S)
        self.status = int(text.split()[1])

    async def events(self, count: int) -> list[Event]:
        """The next events that have data."""
        found: list[Event] = []
        while len(found) < count:
            found += [one for one in await self.some() if one.data]
        return found

    async def some(self) -> list[Event]:
        """Events of the next chunk; [] at the end."""
        size = int(await asyncio.wait_for(self.reader.readuntil(b"\r\n"), WAIT_S), 16)
        self._rest += (await asyncio.wait_for(self.reader.readexactly(size + 2), WAIT_S))[:-2]
        whole, _, self._rest = self._rest.rpartition(b"\n\n")
        if size == 0:
            raise EOFError
        return list(decode_events([whole + b"\n\n"]))


@contextlib.asynccontextmanager
async def watching(port: int, query: str = "", after: str | None = None) -> AsyncIterator[Watching]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    more = f"Last-Event-ID: {after}\r\n" if after else ""
    head = f"GET /api/v1/tail?q={query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n{more}\r\n"
    writer.write(head.encode())
    one = Watching(reader, writer)
    try:
        await one.head()
        yield one
    finally:
        writer.close()


def put(store: Store, *messages: str, level: str = "INFO") -> int:
    return store.append(
        Columns.of([Record(timestamp=1, message=one, level=level) for one in messages])
    ).first_seq


def messages(events: list[Event]) -> list[str]:
    return [json.loads(one.data)["message"] for one in events]


def numbers(events: list[Event]) -> list[int]:
    return [int(one.id.rpartition("-")[2]) for one in events]


@pytest.fixture(params=["memory", "embedded"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store: Store = MemoryStore()
    if request.param == "embedded":
        store = open_store(tmp_path / "data", StoreOptions(background=False))
    yield store
    store.close()


async def test_what_comes_is_shown_in_order_of_arrival(either: Store) -> None:
    """Records that match, with their ids, whatever their times say; what was there before is not."""
    put(either, "before")
    with listening(either, **GIVEN) as port:
        async with watching(port, "NOT+level:debug") as one:
            assert (await one.some())[0].id == f"{either.store_id}-1"
            put(either, "a", "b")
            put(either, "not this", level="DEBUG")
            either.append(Columns.of([Record(timestamp=0, message="c")]))
            events = await one.events(3)
            assert messages(events) == ["a", "b", "c"]
            assert [one.id for one in events] == [f"{either.store_id}-{seq}" for seq in (2, 3, 5)]


async def test_who_comes_back_goes_on_where_it_was(either: Store) -> None:
    """Nothing is left out and nothing comes twice, however often and wherever the connection was cut."""
    rng = random.Random(3)
    stop = threading.Event()

    def pour() -> None:
        for batch in range(150):
            put(either, *(f"{batch} {at} {'even' if at % 2 else 'odd'}" for at in range(rng.randint(1, 30))))
            if stop.wait(0.002):
                return

    pouring = threading.Thread(target=pour)
    with listening(either, **GIVEN) as port:
        last = f"{either.store_id}-0"
        seen: list[int] = []
        pouring.start()
        try:
            while pouring.is_alive() or not seen or seen[-1] < newest(either, "even"):
                async with watching(port, "even", last) as one:
                    for _ in range(rng.randint(1, 4)):
                        for event in await one.some():
                            last = event.id or last
                            seen += numbers([event]) if event.data else []
        finally:
            stop.set()
            pouring.join()
    assert seen == sequences(either, "even")


def sequences(store: Store, text: str) -> list[int]:
    question = Question(resolve(parse(text), 0).filter)
    return sorted(one.seq for one in store.search(question, Budget(), limit=10_000).records)


def newest(store: Store, text: str) -> int:
    return max(sequences(store, text), default=0)


async def test_a_restart_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The id that the old server gave is where the new one goes on."""
    last = ""
    seen: list[str] = []
    for start in range(3):
        store = open_store(tmp_path / "data", StoreOptions(background=False))
        put(store, f"unseen {start}")
        with listening(store, **GIVEN) as port:
            async with watching(port, "", last or f"{store.store_id}-0") as one:
                put(store, f"seen {start}")
                events = await one.events(2)
                put(store, f"not read {start}")
                last, seen = events[-1].id, seen + messages(events)
        store.close()
    store = open_store(tmp_path / "data", StoreOptions(background=False))
    with listening(store, **GIVEN) as port:
        async with watching(port, "", last) as one:
            while seen[-1] != "not read 2":
                seen += messages(await one.events(1))
    store.close()
    assert seen == [f"{what} {start}" for start in range(3) for what in ("unseen", "seen", "not read")]


class Asked(MemoryStore):
    """Counts searches; may be told to fail."""

    searches = 0
    broken = False

    def search(
        self,
        question: Question,
        budget: Budget,
        *,
        limit: int = 100,
        order: Order = "desc",
        cursor: str | None = None,
    ) -> Page:
        self.searches += 1
        if self.broken:
            raise ZeroDivisionError("inside")
        return super().search(question, budget, limit=limit, order=order, cursor=cursor)


async def test_equal_queries_are_asked_once() -> None:
    """For all who watch, however they are written."""
    store = Asked()
    with listening(store, **GIVEN) as port:
        async with contextlib.AsyncExitStack() as stack:
            queries = ["level:info+x", "+level:info++x"] * 20
            viewers = [await stack.enter_async_context(watching(port, query)) for query in queries]
            for one in viewers:
                await one.some()
            store.searches = 0
            put(store, "x")
            for one in viewers:
                assert messages(await one.events(1)) == ["x"]
            assert store.searches == 1


async def test_a_slow_viewer_is_told_what_it_missed() -> None:
    """It never slows the others or what comes in; what it was shown and what it missed is everything."""
    store = MemoryStore()
    long = "x" * 20_000
    with listening(store, **GIVEN, tail__buffer_bytes="64KiB") as port:
        async with watching(port) as slow, watching(port) as quick:
            await slow.some()
            await quick.some()
            for number in range(1_500):
                put(store, f"{number} {long}")
                if number % 50 == 49:
                    await asyncio.sleep(0)
            put(store, "last")
            told = {"slow": await until_last(slow), "quick": await until_last(quick)}
    for shown, missed in told.values():
        assert shown == sorted(set(shown))
        assert len(shown) + missed == 1_501


async def test_a_stream_keeps_its_newest_events() -> None:
    """Who is further behind gets what is left, after how many records there were before; then nothing twice."""
    stream = Stream(watched("x"), 0, bytes_max=25)
    for seq in range(1, 10):
        stream.add(
            b"piece %d\n\n" % seq,
            Look([StoredRecord(seq=seq, received=1, record=Record(timestamp=1))], left_out=1),
        )
    data, shown, place = stream.since(Place(0, 0))
    missed, *rest = decode_events([data])
    assert (missed.name, json.loads(missed.data), rest) == ("missed", {"count": 14}, [])
    assert data.endswith(b"piece 8\n\npiece 9\n\n")
    assert (shown, place) == (2, stream.end)
    assert stream.since(Place(8, 16)) == (b"piece 9\n\n", 1, stream.end)


async def until_last(one: Watching) -> tuple[list[int], int]:
    shown, missed = [], 0
    while True:
        for event in await one.some():
            if event.name == "missed":
                missed += json.loads(event.data)["count"]
            elif event.data:
                shown += numbers([event])
                if messages([event]) == ["last"]:
                    return shown, missed


async def test_a_flood_shows_its_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than there is time to show the newest are shown, the others are counted."""
    monkeypatch.setattr("tamis.server.questions.tail.EVENTS_MAX", 10)
    monkeypatch.setattr("tamis.server.questions.tail.BEHIND_MAX_S", 0.0)
    store = MemoryStore()
    with listening(store, **GIVEN) as port:
        async with watching(port, "even") as one:
            await one.some()
            put(store, *("even" if at % 2 else "odd" for at in range(100)))
            missed, *shown = await one.events(6)
    assert (missed.name, json.loads(missed.data)) == ("missed", {"count": 45})
    assert numbers(shown) == [92, 94, 96, 98, 100]


async def test_who_reads_fast_misses_nothing_of_a_large_batch(either: Store) -> None:
    """It comes in pieces, the next when the one before is taken: all of it, in order, of two queries side by side."""
    with listening(either, **GIVEN, tail__buffer_bytes="64KiB") as port:
        async with watching(port) as every, watching(port, "even") as some:
            await every.some()
            await some.some()
            put(either, *("even" if at % 2 else "odd" for at in range(5_000)), "even last")
            shown = numbers(await every.events(5_001)), numbers(await some.events(2_501))
    assert shown == (list(range(1, 5_002)), [*range(2, 5_001, 2), 5_001])


async def test_a_piece_is_made_when_the_one_before_is_taken() -> None:
    """So a large batch is never in memory at once: not for who reads nothing, until it is late."""
    stream = Stream(watched("x"), 0, bytes_max=25)
    look = Look([StoredRecord(seq=1, received=1, record=Record(timestamp=1))])
    place = stream.join()
    assert stream.has_room
    stream.add(b"piece", look)
    assert not stream.has_room
    assert [stream.is_late(now_s) for now_s in (5.0, 14.0, 15.0)] == [False, False, True]
    stream.reached(1, is_all=True)
    assert not stream.is_late(20.0)
    assert stream.since(place)[1] == 1
    assert stream.has_room


async def test_where_nothing_comes_the_tail_says_so() -> None:
    """With the place to go on from: what did not match is not looked through again."""
    store = MemoryStore()
    with listening(store, **GIVEN) as port:
        async with watching(port, "nothing") as one:
            assert (await one.some())[0].id.endswith("-0")
            put(store, "something", "else")
            while not (await one.some())[-1].id.endswith("-2"):
                pass


async def test_stopping_ends_streams() -> None:
    """At once, and cleanly: with the end of the body."""
    store = MemoryStore()
    with listening(store, **GIVEN) as port:
        one = await stay(watching(port))
        await one.some()
    await ended(one)
    one.writer.close()


async def ended(one: Watching) -> None:
    with contextlib.suppress(EOFError):
        while True:
            await one.some()


async def stay(made: Any) -> Watching:
    found: Watching = await made.__aenter__()
    return found


async def test_a_query_that_fails_ends_its_own_stream_only() -> None:
    """Its viewers are told that and why, without its inside."""
    store = Asked()
    with listening(store, **GIVEN) as port:
        async with watching(port) as one:
            await one.some()
            store.broken = True
            put(store, "x")
            (event,) = await one.events(1)
            assert (event.name, json.loads(event.data)["status"]) == ("error", 500)
            assert "inside" not in event.data
            await ended(one)
        store.broken = False
        async with watching(port) as one:
            await one.some()
            put(store, "y")
            assert messages(await one.events(1)) == ["y"]


@pytest.mark.parametrize(
    ("query", "after", "said"),
    [
        ("%7C+stats+count()", None, "does not take"),
        ("level:(", None, "column"),
        ("", "abc-7", "Last-Event-ID"),
        ("", "7", "Last-Event-ID"),
    ],
)
async def test_wrong_tails_are_refused(query: str, after: str | None, said: str) -> None:
    """400 with a sentence, before any stream."""
    with listening(MemoryStore()) as port:
        async with watching(port, query, after) as one:
            assert one.status == 400
            assert said in (await one.reader.read(2_000)).decode()


async def test_viewers_and_queries_have_a_number() -> None:
    """One more is refused with the limit's name; places are free again when viewers go."""
    with listening(MemoryStore(), tail__viewers_max=3, tail__queries_max=2) as port:
        async with watching(port, "a") as one, watching(port, "b"):
            async with watching(port, "c") as third:
                assert third.status == 429
                assert b"tail.queries_max" in await third.reader.read(2_000)
            async with watching(port, "a") as third, watching(port, "a") as fourth:
                assert (third.status, fourth.status) == (200, 429)
                assert b"tail.viewers_max" in await fourth.reader.read(2_000)
            one.writer.close()
            while True:
                async with watching(port, "b") as again:
                    if again.status == 200:
                        break


async def test_a_tail_can_show_some_fields() -> None:
    """`| fields` takes its share of each record."""
    store = MemoryStore()
    with listening(store, **GIVEN) as port:
        async with watching(port, "*+%7C+fields+level,message") as one:
            await one.some()
            put(store, "x")
            assert json.loads((await one.events(1))[0].data) == {"level": "INFO", "message": "x"}


async def test_a_token_that_is_taken_back_ends_its_tail(settings: Any) -> None:
    """At the next sign of life."""
    store = MemoryStore()
    settings = load_settings(
        {"server.admin_token": TOKEN, "tail.heartbeat_s": 0.1, "tail.interval_s": 0.01}, {}
    )
    app = create_app(settings, store)
    sent: list[bytes] = []
    ended = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message.get("body", b""))

    scope = {
        "type": "http", "method": "GET", "path": "/api/v1/tail", "raw_path": b"", "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {TOKEN}".encode())], "scheme": "http",
        "server": ("localhost", 1), "client": ("127.0.0.1", 2), "http_version": "1.1", "root_path": "",
        "asgi": {"version": "3.0"},
    }  # fmt: skip
    running = asyncio.create_task(app(scope, receive, send))
    while sum(b"nothing came" in one for one in sent) < 2:
        await asyncio.sleep(0.01)
    service = app.state.service
    service.accounts.set_token("admin", "tamis_" + "u" * 43)
    service.auth.load()
    await asyncio.wait_for(running, WAIT_S)
    assert sent[-1] == b""
