"""One server, from start to end."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from fastapi import FastAPI

from tamis.errors import DiskError
from tamis.server.app import create_app, create_service, ensure_admin
from tamis.server.front.listen import Server, bind, check_listen, public_url, server_for
from tamis.server.front.traced import check_traces
from tamis.server.listeners.bound import check_listeners
from tamis.server.listeners.start import Listeners
from tamis.server.local import LocalServer, remove_local, write_local
from tamis.server.service import Service
from tamis.settings import Settings
from tamis.store.base import Store
from tamis.store.open import open_store

Say = Callable[[str], None]

LATE_GIVEN = (
    "TAMIS_ADMIN_TOKEN is not the admin's token here: it counts at the first start only; "
    "`tamis users reset-admin --data DIR` makes a new one"
)


def say_line(text: str) -> None:
    """One line on standard output, there at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(settings: Settings, *, say: Say = say_line) -> None:
    """Serve until SIGINT or SIGTERM; then end what is open within `server.stop_grace_s`, and seal the store.

    Raises ConfigError when it may not or cannot listen, and what opening the store raises.
    """
    check_listen(settings)
    check_listeners(settings)
    bound = bind(settings)  # before the folder is made: who may not listen leaves nothing behind
    url = public_url(settings, bound.getsockname()[1])
    try:
        check_traces(settings, url)
        folder = _made(settings.server.data.expanduser())
        service = create_service(settings, folder)
    except BaseException:
        bound.close()
        raise
    service.url, service.is_listening = url, False
    starting = _Starting(service, settings, url, say=say)
    server = server_for(create_app(settings, service=service, lifespan=starting.lifespan), settings)
    starting.server = server
    try:
        server.run(sockets=[bound])
    finally:
        _end(service, folder)
    if starting.failure is not None:
        raise starting.failure


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DiskError(f"{folder}: {error.strerror}; choose another data folder with --data") from error
    return folder


class _Starting:
    """Opens the store while the server answers already (503), then says where it is."""

    def __init__(self, service: Service, settings: Settings, url: str, *, say: Say) -> None:
        self._service, self._settings, self._url, self._say = service, settings, url, say
        self.server: Server | None = None
        self.listeners: Listeners | None = None
        self.failure: BaseException | None = None

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """While the app lives."""
        opening = asyncio.create_task(self._open())
        yield
        self._service.stopping.set()
        with contextlib.suppress(asyncio.CancelledError):
            await opening
        if self.listeners is not None:
            await self.listeners.close()

    async def _open(self) -> None:
        try:
            await self._open_store()
        except BaseException as error:  # kept for `run`, which raises it once the server has stopped
            self.failure = error
            if self.server is not None:
                self.server.should_exit = True

    async def _open_store(self) -> None:
        folder = self._service.folder
        assert folder is not None
        store: Store = await asyncio.to_thread(open_store, folder, self._settings)
        new_token = ensure_admin(self._service)
        self._service.set_store(store)
        write_local(folder, LocalServer(self._url, self._service.auth.local_token, os.getpid()))
        given = self._settings.server.admin_token
        if given and await self._service.auth.by_token(given) is None:
            self._say(LATE_GIVEN)
        await self._listen()
        self._announce(new_token)
        self._service.assets.start()
        opened = self._service.ready()
        opened.alerts.start()
        opened.backups.start()
        self._service.profiling.watch.start()
        await asyncio.to_thread(opened.ingester.warm_up)

    async def _listen(self) -> None:
        """Start what takes records without tokens, and say where."""
        assert self.server is not None
        http = cast("type[asyncio.Protocol]", self.server.config.http)
        listeners = Listeners(self._service, self._settings, http=http)
        await listeners.start()
        self.listeners = listeners
        self._service.is_listening = True
        host = self._settings.listener.host
        for protocol, port in listeners.ports.items():
            self._say(f"Tamis takes {protocol} on {host} port {port}")

    def _announce(self, new_token: str | None) -> None:
        if new_token is not None:
            self._say(f"Admin token, shown this once: {new_token}")
        code = self._service.auth.make_code()
        self._say(f"Tamis listens on {self._url} - sign in once with {self._url}/?token={code}")


def _end(service: Service, folder: Path) -> None:
    """Everything under way is done or given up: make the store safe, and leave nothing behind."""
    opened, service.opened = service.opened, None
    service.writes.shutdown(wait=True)
    service.reads.shutdown(wait=False, cancel_futures=True)
    service.asker.close()
    service.profiling.watch.stop()
    if opened is not None:
        remove_local(folder)
        opened.alerts.stop()
        opened.backups.stop()
        opened.bulks.close()
        opened.store.close()
    service.assets.close()
    service.accounts.close()
    if service.tracing is not None:
        service.tracing.close()
