"""Listeners over real sockets: their limits, their push-back, and what becomes of every message."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import httpx2
import pytest

from tamis.errors import JournalClosedError, OverloadedError
from tamis.query import ast
from tamis.record.model import Columns, Record
from tamis.server.app import create_app, create_service
from tamis.server.front.listen import server_for
from tamis.server.listeners.start import Listeners
from tamis.server.listeners.tally import Tally
from tamis.settings import load_settings
from tamis.store.base import Appended, Budget, Question
from tamis.store.memory import MemoryStore

pytestmark = pytest.mark.anyio
WAIT_S = 60.0
ALL = {"syslog.udp_port": 0, "syslog.tcp_port": 0, "gelf.port": 0, "journal.port": 0}


class Blocked(MemoryStore):
    """A store that pushes back until it is told otherwise."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error: Exception | None = error

    def append(self, batch: Columns, *, batch_id: str | None = None, receipt: bytes = b"") -> Appended:
        if self.error is not None:
            raise self.error
        return super().append(batch, batch_id=batch_id, receipt=receipt)


class Running:
    """Listeners that run, and what they stored."""

    def __init__(self, listeners: Listeners, store: MemoryStore, tallies: Any) -> None:
        self.listeners, self.store, self._tallies = listeners, store, tallies

    def tally(self, protocol: str) -> Tally:
        return self._tallies.of(protocol)

    def records(self) -> list[Record]:
        page = self.store.search(Question(ast.All()), Budget(), limit=10_000)
        return [one.record for one in sorted(page.records, key=lambda one: one.seq)]

    def messages(self) -> list[str]:
        return [one.message for one in self.records()]

    async def connect(self, protocol: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.listeners.ports[protocol])

    async def send(self, protocol: str, data: bytes) -> None:
        """Over a connection of its own."""
        _, writer = await self.connect(protocol)
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def running(store: MemoryStore | None = None, **given: object) -> AsyncIterator[Running]:
    """Listeners with these settings, `__` for the dot in their names."""
    named = {name.replace("__", "."): value for name, value in given.items()}
    settings = load_settings({**(ALL if not any("port" in name for name in named) else {}), **named}, {})
    service = create_service(settings, None)
    kept = store or MemoryStore()
    service.set_store(kept)
    http = server_for(create_app(settings, service=service), settings).config.http
    assert isinstance(http, type)
    listeners = Listeners(service, settings, http=http)
    await listeners.start()
    try:
        yield Running(listeners, kept, service.tallies)
    finally:
        service.stopping.set()
        await listeners.close()
        service.writes.shutdown()
        service.reads.shutdown()
        service.asker.close()
        service.accounts.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it comes true."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.005)


async def is_ended(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection without a word."""
    async with asyncio.timeout(WAIT_S):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


def datagrams(port: int, *messages: bytes) -> None:
    with closing(socket.socket(type=socket.SOCK_DGRAM)) as plain:
        for message in messages:
            plain.sendto(message, ("127.0.0.1", port))


async def test_what_was_read_is_stored_at_the_end() -> None:
    """A stop stores what arrived before it, a line without its end included."""
    store = MemoryStore()
    async with running(store) as found:
        _, writer = await found.connect("syslog-tcp")
        writer.write(b"<13>one\n<13>two\n<13>thr")
        await writer.drain()
        await until(lambda: found.tally("syslog-tcp").stored == 2)
        datagrams(found.listeners.ports["syslog-udp"], b"<13>four")
    writer.close()
    assert sorted(found.messages()) == ["four", "one", "thr", "two"]


async def test_a_store_that_pushes_back_stops_the_reading() -> None:
    """Nothing is dropped: senders wait, in order, until the store takes records again."""
    store = Blocked(OverloadedError("full", 0.01))
    lines = [b"<13>line %d %b\n" % (number, b"x" * 2_000) for number in range(8_000)]
    async with running(store, listener__waiting_bytes_max=1 << 20) as found:
        sending = asyncio.create_task(found.send("syslog-tcp", b"".join(lines)))
        await until(lambda: found.tally("syslog-tcp").pauses == 1)
        waiting = found.tally("syslog-tcp").waiting_bytes
        for _ in range(20):
            await asyncio.sleep(0.01)
            assert found.tally("syslog-tcp").waiting_bytes == waiting
        assert not sending.done()
        assert waiting < 3 << 20
        store.error = None
        await sending
        await until(lambda: found.tally("syslog-tcp").stored == len(lines))
        assert [message.split()[1] for message in found.messages()] == [str(n) for n in range(len(lines))]
        assert found.tally("syslog-tcp").waiting_bytes == 0


async def test_what_the_store_never_takes_is_counted_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that failed takes nothing more: what was read by then is counted when the server ends."""
    monkeypatch.setattr("tamis.server.listeners.batcher.STOP_S", 0.1)
    async with running(Blocked(JournalClosedError("fsync failed"))) as found:
        await found.send("syslog-tcp", b"<13>one\n<13>two\n")
        await until(lambda: found.tally("syslog-tcp").waiting_bytes > 0)
    tally = found.tally("syslog-tcp")
    assert (tally.stored, tally.lost) == (0, 2)
    assert "JournalClosedError" in tally.samples[-1].reason


async def test_datagrams_are_stored_or_counted_as_dropped_by_the_system() -> None:
    """Sent = stored + dropped, also when nobody reads for a while."""
    store = Blocked(OverloadedError("full", 0.01))
    options: dict[str, Any] = {
        "listener.waiting_bytes_max": 1 << 20,
        "listener.receive_buffer_bytes": 200_000,
    }
    sent = 100
    async with running(store, syslog__udp_port=0, **options) as found:
        tally = found.tally("syslog-udp")
        for number in range(sent):
            datagrams(found.listeners.ports["syslog-udp"], b"<13>%d %b" % (number, b"x" * 50_000))
            await asyncio.sleep(0.001)
        await until(lambda: tally.pauses == 1)
        store.error = None
        await until(lambda: tally.stored + tally.kernel_drops == sent)
        assert 20 < tally.stored < sent
        assert len(found.messages()) == tally.stored


async def test_a_stop_while_nothing_is_read_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits in the system's buffers when the store is behind is read and stored before the end."""
    for name in ("streams.PAUSED_S", "streams.DRAIN_S", "streams.QUIET_S", "batcher.STOP_S"):
        monkeypatch.setattr(f"tamis.server.listeners.{name}", 2.0 if name.endswith("QUIET_S") else WAIT_S)
    store = Blocked(OverloadedError("full", 0.01))
    options: dict[str, Any] = {"listener.waiting_bytes_max": 1 << 20}
    sent = 60
    async with running(store, syslog__udp_port=0, syslog__tcp_port=0, **options) as found:
        for number in range(sent):
            datagrams(found.listeners.ports["syslog-udp"], b"<13>%d %b" % (number, b"x" * 20_000))
        await found.send("syslog-tcp", b"<13>line\n" * 50_000)
        await until(lambda: found.tally("syslog-udp").pauses == found.tally("syslog-tcp").pauses == 1)
        store.error = None
    udp, tcp = found.tally("syslog-udp"), found.tally("syslog-tcp")
    assert (udp.stored + udp.kernel_drops, udp.lost) == (sent, 0)
    assert (tcp.stored, tcp.lost) == (50_000, 0)


async def test_senders_outside_the_allowed_networks_are_refused() -> None:
    """Connections are closed, datagrams left out, HTTP is answered 403; all of it is counted, nothing stored."""
    async with running(listener__allowed="10.0.0.0/8") as found:
        reader, writer = await found.connect("syslog-tcp")
        assert await is_ended(reader)
        writer.close()
        datagrams(found.listeners.ports["syslog-udp"], b"<13>one")
        await until(lambda: found.tally("syslog-udp").refused["listener.allowed"] == 1)
        assert found.tally("syslog-tcp").refused["listener.allowed"] == 1
        assert (await upload(found, b"")).status_code == 403
        assert found.messages() == []


@pytest.mark.parametrize("limit", ["listener.connections_max", "listener.source_connections_max"])
async def test_connections_are_limited(limit: str) -> None:
    """One too many is closed; when another ends there is room."""
    options: dict[str, Any] = {limit: 2}
    async with running(syslog__tcp_port=0, **options) as found:
        tally = found.tally("syslog-tcp")
        held = [await found.connect("syslog-tcp") for _ in range(2)]
        await until(lambda: tally.connections == 2)
        reader, writer = await found.connect("syslog-tcp")
        assert await is_ended(reader)
        writer.close()
        assert tally.refused[limit] == 1
        held[0][1].close()
        await until(lambda: tally.connections == 1)
        await found.send("syslog-tcp", b"<13>room\n")
        await until(lambda: found.messages() == ["room"])
        held[1][1].close()


async def test_a_silent_connection_is_closed() -> None:
    """What it had begun to say is kept."""
    async with running(syslog__tcp_port=0, listener__idle_timeout_s=1) as found:
        reader, writer = await found.connect("syslog-tcp")
        writer.write(b"<13>begun")
        assert await is_ended(reader)
        writer.close()
        await until(lambda: found.messages() == ["begun"])
        assert found.tally("syslog-tcp").refused == {"listener.idle_timeout_s": 1}


async def test_messages_that_do_not_end_are_bounded_together() -> None:
    """Many connections that each hold back the end of a message cannot take more memory than may wait."""
    options: dict[str, Any] = {"listener.waiting_bytes_max": 1 << 20, "listener.message_bytes_max": 400_000}
    async with running(syslog__tcp_port=0, **options) as found:
        held = [await found.connect("syslog-tcp") for _ in range(5)]
        for _, writer in held:
            writer.write(b"<13>" + b"x" * 300_000)
        await until(lambda: found.tally("syslog-tcp").refused["listener.waiting_bytes_max"] >= 1)
        for _, writer in held:
            writer.close()
        await until(lambda: found.tally("syslog-tcp").connections == 0)


async def test_a_browser_writes_no_records() -> None:
    """A page may make browsers post to ports of loopback: syslog refuses HTTP, the others pages of other sites."""
    async with running() as found:
        await found.send("syslog-tcp", b"POST / HTTP/1.1\r\nHost: x\r\n\r\n<13>forged\n")
        await until(lambda: found.tally("syslog-tcp").refused == {"http": 1})
        async with httpx2.AsyncClient() as client:
            answer = await client.post(
                f"http://127.0.0.1:{found.listeners.ports['gelf-tcp']}/gelf",
                content=b'{"short_message":"forged"}',
                headers={"Origin": "http://evil.example"},
            )
        assert answer.status_code == 403
        assert found.messages() == []


async def test_a_log_line_that_looks_like_a_request_is_one() -> None:
    """Only a whole request line is HTTP."""
    async with running(syslog__tcp_port=0) as found:
        await found.send("syslog-tcp", b"GET /index.html HTTP/1.1 200\nPOST office is closed\n")
        await until(lambda: found.messages() == ["GET /index.html HTTP/1.1 200", "POST office is closed"])


async def test_long_messages_are_cut_and_counted() -> None:
    """Of syslog the beginning is kept and says so; of GELF nothing can be."""
    async with running(listener__message_bytes_max=1_000) as found:
        await found.send("syslog-tcp", b"<13>" + b"x" * 5_000 + b"\n<13>next\n")
        datagrams(found.listeners.ports["syslog-udp"], b"<13>" + b"y" * 5_000)
        await found.send("gelf-tcp", b'{"short_message":"' + b"z" * 5_000 + b'"}\0{"short_message":"next"}\0')
        tallies = [found.tally(name) for name in ("syslog-tcp", "syslog-udp", "gelf-tcp")]
        await until(lambda: [one.stored for one in tallies] == [2, 1, 1])
        lengths = {len(one.message): one.attributes.get("decode_note") for one in found.records()}
        assert lengths == {996: "cut: 4,004 bytes over listener.message_bytes_max were left out", 4: None}
        assert [one.cut for one in tallies] == [1, 1, 0]
        assert [one.rejected for one in tallies] == [0, 0, 1]
        assert tallies[2].samples[0].begin.startswith('{"short_message":"zzz')


async def test_gelf_over_http_on_the_same_port() -> None:
    """202 says that it is stored; 400 which messages are not."""
    async with running(gelf__port=0) as found, httpx2.AsyncClient() as client:
        url = f"http://127.0.0.1:{found.listeners.ports['gelf-tcp']}/gelf"
        answer = await client.post(url, content=b'{"short_message":"one","host":"h"}')
        assert (answer.status_code, found.messages()) == (202, ["one"])
        answer = await client.post(url, content=b'{"short_message":"two"}\n{}')
        assert answer.status_code == 400
        assert answer.json()["rejected"][0]["line"] == 2
        assert found.messages() == ["one", "two"]
        assert (await client.get(url.replace("/gelf", "/api/v1/count"))).status_code == 404


def entries(*numbers: int) -> bytes:
    return b"".join(
        f"__CURSOR=c{n}\n__REALTIME_TIMESTAMP={1_763_719_200_000_000 + n}\nMESSAGE=entry {n}\n\n".encode()
        for n in numbers
    )


async def upload(
    found: Running, body: bytes, media_type: str = "application/vnd.fdo.journal"
) -> httpx2.Response:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 50):
            yield body[at : at + 50]

    async with httpx2.AsyncClient(timeout=WAIT_S) as client:
        url = f"http://127.0.0.1:{found.listeners.ports['journal']}/upload"
        return await client.post(url, content=pieces(), headers={"Content-Type": media_type})


async def test_a_journal_is_answered_as_systemd_answers() -> None:
    """202 for entries that are safe, 415 for another content type; what came before is stored once."""
    async with running(journal__port=0) as found:
        answer = await upload(found, entries(1, 2, 3))
        assert (answer.status_code, answer.text) == (202, "OK.\n")
        assert (await upload(found, entries(1, 2, 3, 4))).status_code == 202
        assert (await upload(found, entries(4, 5))).status_code == 202
        assert found.messages() == [f"entry {n}" for n in range(1, 6)]
        assert (await upload(found, entries(6), "text/plain")).status_code == 415
        answer = await upload(found, b"no entry\n\n" + entries(7))
        assert (answer.status_code, answer.text) == (202, "OK, but 1 entries were rejected; 1 were stored.\n")
        assert found.tally("journal").rejected == 1


async def test_entries_that_only_look_like_earlier_ones_are_stored() -> None:
    """The same first cursor with others behind it: nothing is taken for stored that is not."""
    async with running(journal__port=0) as found:
        await upload(found, entries(1, 2, 3))
        await upload(found, entries(1, 7, 8))
        assert sorted(set(found.messages())) == [f"entry {n}" for n in (1, 2, 3, 7, 8)]


async def test_a_stop_ends_an_upload_with_what_came_stored() -> None:
    """A body that does not end is answered 503 when the server stops, so that the sender goes on from its cursor."""
    async with running(journal__port=0) as found:
        reader, writer = await found.connect("journal")
        head = b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/vnd.fdo.journal\r\n"
        part = entries(1, 2)
        writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(part), part))
        await until(lambda: found.messages() == ["entry 1", "entry 2"])
        writer.write(b"%x\r\n%b\r\n" % (len(entries(3)), entries(3)))
        await writer.drain()
    assert found.messages()[:2] == ["entry 1", "entry 2"]
    assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
    writer.close()
