"""A server in this process, over the reference store, with a caller that has the token."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from tamis.metadata.database import Database, open_database
from tamis.server.app import create_app
from tamis.server.front.listen import bind, server_for
from tamis.settings import Settings, load_settings
from tamis.store.base import Store
from tamis.store.memory import MemoryStore
from tests.support.commands import wait_for

TOKEN = "tamis_" + "t" * 43


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def databases(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Applications that a test makes and never runs to their end leave databases open: they are closed here."""
    opened: list[Database] = []

    def opening(folder: Path | None) -> Database:
        opened.append(open_database(folder))
        return opened[-1]

    monkeypatch.setattr("tamis.server.app.open_database", opening)
    yield
    for database in opened:
        database.close()


@pytest.fixture
def settings() -> Settings:
    """Strangers may come as often as they like: tests do, and the rates have tests of their own."""
    return load_settings({"server.admin_token": TOKEN, "rates.anonymous_per_minute": 0}, {})


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def app(settings: Settings, store: MemoryStore) -> FastAPI:
    return create_app(settings, store)


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A caller without credentials."""
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:4817") as client:
        yield client


@pytest.fixture
async def caller(stranger: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """A caller with the admin's token."""
    stranger.headers["Authorization"] = f"Bearer {TOKEN}"
    return stranger


@contextmanager
def listening(store: Store | None, **values: object) -> Iterator[int]:
    """The port of a server in a thread of this process, over sockets and with its protocol."""
    given = {"server.admin_token": TOKEN, "server.port": 0}
    settings = load_settings(
        {**given, **{name.replace("__", "."): value for name, value in values.items()}}, {}
    )
    bound = bind(settings)
    app = create_app(settings, store)
    server = server_for(app, settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        assert wait_for(lambda: server.started)
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        app.state.service.accounts.close()
