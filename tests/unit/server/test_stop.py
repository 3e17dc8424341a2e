"""A stop of the server while bodies are taken in: an answer is true, whatever it says."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx2
import pytest
from fastapi import FastAPI

from tamis.record.model import Columns
from tamis.server.app import create_app, create_service, ensure_admin
from tamis.server.front.listen import Server, bind, server_for
from tamis.server.listeners.start import Listeners
from tamis.settings import load_settings
from tamis.store.base import Appended
from tamis.store.memory import MemoryStore
from tests.support.commands import wait_for
from tests.unit.server.conftest import TOKEN
from tests.unit.server.test_every_intake import GELF_GOOD, JOURNAL, JSON, LOKI, OTLP

WAIT_S = 60.0
LINES = "application/x-ndjson"
BULK = b'{"create":{}}\n{"message":"good"}\n'
BODIES: dict[str, tuple[str, bytes, str]] = {
    "lines": ("/api/v1/ingest", b'{"message":"good"}\n', LINES),
    "otlp": ("/v1/logs", OTLP, JSON),
    "loki": ("/loki/api/v1/push", LOKI, JSON),
    "bulk": ("/_bulk", BULK, LINES),
    "gelf": ("/gelf", GELF_GOOD, JSON),
    "journal": ("/upload", JOURNAL, "application/vnd.fdo.journal"),
}
LISTENED = {"gelf": "gelf-tcp", "journal": "journal"}


class Held(MemoryStore):
    """Holds its callers, before a batch is looked for or while it is taken, until they are let go."""

    def __init__(self, held_at: str) -> None:
        super().__init__()
        self._held_at, self.go = held_at, threading.Event()
        self.was_there = 0

    def _hold(self, where: str) -> None:
        if where == self._held_at:
            self.was_there += 1
            assert self.go.wait(WAIT_S)

    def find_batch(self, batch_id: str) -> Appended | None:
        self._hold("find_batch")
        return super().find_batch(batch_id)

    def append(self, batch: Columns, *, batch_id: str | None = None, receipt: bytes = b"") -> Appended:
        self._hold("append")
        return super().append(batch, batch_id=batch_id, receipt=receipt)


class Stopping:
    """A server with all its ports that can be stopped, and lets its store's callers go once all has been given up."""

    def __init__(self, store: Held) -> None:
        ports = {"gelf.port": 0, "journal.port": 0, "server.port": 0, "server.stop_grace_s": "1s"}
        self._settings = load_settings({"server.admin_token": TOKEN, **ports}, {})
        self._store, self._service = store, create_service(self._settings, None)
        ensure_admin(self._service)
        self._service.set_store(store)
        app = create_app(self._settings, service=self._service, lifespan=self._lifespan)
        self._bound = bind(self._settings)
        self.ports = {"": self._bound.getsockname()[1]}
        self.server: Server = server_for(app, self._settings)

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        http = self.server.config.http
        assert isinstance(http, type)
        listeners = Listeners(self._service, self._settings, http=http)
        await listeners.start()
        self.ports.update(listeners.ports)
        yield  # goes on when the grace is over, and every request was cancelled
        await asyncio.sleep(0)
        letting_go = asyncio.get_running_loop().run_in_executor(None, self._store.go.set)
        await listeners.close()
        await letting_go

    def run(self) -> None:
        """Until `server.should_exit`, and all is closed."""
        self.server.run(sockets=[self._bound])
        self._service.writes.shutdown()
        self._service.reads.shutdown()
        self._service.asker.close()
        self._service.ready().bulks.close()
        self._service.accounts.close()


@contextmanager
def stopping(store: Held) -> Iterator[Stopping]:
    """One that runs."""
    place = Stopping(store)
    thread = threading.Thread(target=place.run)
    thread.start()
    try:
        assert wait_for(lambda: place.server.started, WAIT_S)
        yield place
    finally:
        store.go.set()
        place.server.should_exit = True
        thread.join()


def stopped_while(store: Held, names: list[str], *, key: str | None = None) -> dict[str, httpx2.Response]:
    """The answers to bodies that the store held while the server was stopped."""
    answers: dict[str, httpx2.Response] = {}

    def send(name: str, place: Stopping) -> None:
        path, body, kind = BODIES[name]
        url = f"http://127.0.0.1:{place.ports[LISTENED.get(name, '')]}{path}"
        headers = {"Content-Type": kind, "Authorization": f"Bearer {TOKEN}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        answers[name] = httpx2.post(url, content=body, headers=headers, timeout=WAIT_S)

    with stopping(store) as place:
        senders = [threading.Thread(target=send, args=(name, place)) for name in names]
        for sender in senders:
            sender.start()
        assert wait_for(lambda: store.was_there == len(names), WAIT_S)
        place.server.should_exit = True
        for sender in senders:
            sender.join()
    return answers


def test_what_is_on_its_way_into_the_store_is_answered_truly() -> None:
    """By each protocol: the grace is over, and who sent a body hears that it is stored, not to send it again."""
    store = Held("append")
    answers = stopped_while(store, list(BODIES))
    said = {name: answer.status_code for name, answer in answers.items()}
    assert said == {"lines": 200, "otlp": 200, "loki": 400, "bulk": 200, "gelf": 202, "journal": 202}
    assert "others stored" in answers["loki"].json()["detail"]
    assert store.moment()[-1] == len(BODIES)


@pytest.mark.parametrize("name", ["lines", "bulk"])
def test_what_is_given_up_before_it_is_stored_is_not_stored(name: str) -> None:
    """The answer says to send it again, and nothing of it is there afterwards."""
    store = Held("find_batch")
    (answer,) = stopped_while(store, [name], key="k").values()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert store.moment()[-1] == 0
