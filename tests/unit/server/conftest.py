"""A server in this process, over the reference store, with a caller that has the token."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from tamis.server.app import create_app
from tamis.settings import Settings, load_settings
from tamis.store.memory import MemoryStore

TOKEN = "tamis_" + "t" * 43


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings() -> Settings:
    return load_settings({"server.admin_token": TOKEN}, {})


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
