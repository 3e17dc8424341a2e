"""Find what a command is to talk to."""

import socket
from pathlib import Path

from tamis.cli.failure import UsageError
from tamis.cli.options import Where
from tamis.cli.remote import RemoteTarget
from tamis.cli.target import Target
from tamis.http_client import HttpClient
from tamis.http_client.address import Address, parse_address
from tamis.server.local import LocalServer, read_local
from tamis.settings import Settings, load_settings

CONNECT_TIMEOUT_S = 5.0


def open_target(where: Where, *, create: bool = False) -> Target:
    """The server or data folder that is meant.

    Without ``--url`` and ``--data``: TAMIS_URL, else the server on this machine. `create`: a data folder that is
    not there is made.
    """
    settings = _settings(where)
    client = _running(where, settings)
    if client is not None:
        return RemoteTarget(client)
    assert where.data is not None
    return _folder(where.data, settings, create=create)


def open_server(where: Where) -> HttpClient:
    """The server that is meant, for what only a server has; UsageError when a data folder has none."""
    client = _running(where, _settings(where))
    if client is None:
        raise UsageError(
            f"{where.data}: no server has it open; start one with `tamis serve --data {where.data}`"
        )
    return client


def find_server(where: Where) -> HttpClient | None:
    """The server that is meant; None: a data folder that none has open."""
    return _running(where, _settings(where))


def _settings(where: Where) -> Settings:
    if where.url is not None and where.data is not None:
        raise UsageError("--url and --data name two places; give one of them")
    return load_settings({"client.url": where.url})


def _running(where: Where, settings: Settings) -> HttpClient | None:
    """The server that is meant; None: a data folder that none has open."""
    if where.data is None:
        return _server(settings)
    running = read_local(where.data)
    if running is not None and _answers(address := parse_address(running.url)):
        # the note that only we can read says who it is: its certificate is for other names than this machine's
        return _client(address, running.token, settings, verify=not address.loopback)
    return None


def server_again(where: Where, before: Target) -> Target:
    """The server that a command talks to, as it is now: one that was started again has another token for this machine.
    `before` while it is away; never the folder itself, which the server needs to come back."""
    client = _running(where, _settings(where))
    return before if client is None else RemoteTarget(client)


def _server(settings: Settings) -> HttpClient:
    address = parse_address(settings.client.url, settings.sources.get("client.url", "default"))
    token = settings.client.token or address.token
    if not token and address.loopback:
        token = _local_token(address, settings.server.data.expanduser())
    return _client(address, token, settings)


def _local_token(address: Address, folder: Path) -> str:
    """The token of the server on this machine, when it serves the usual data folder at this address."""
    running: LocalServer | None = read_local(folder)
    if running is None:
        return ""
    listening = parse_address(running.url)
    return running.token if listening.loopback and listening.port == address.port else ""


def _answers(address: Address) -> bool:
    """Whether anything listens there: a killed server leaves its note behind."""
    try:
        with socket.create_connection((address.host, address.port), CONNECT_TIMEOUT_S):
            return True
    except ConnectionRefusedError:
        return False
    except OSError:
        return True


def _client(address: Address, token: str, settings: Settings, *, verify: bool = True) -> HttpClient:
    return HttpClient(address, token, timeout_s=settings.client.timeout_s, verify=verify)


def _folder(path: Path, settings: Settings, *, create: bool) -> Target:
    from tamis.cli.embedded import open_embedded

    if not create and not path.is_dir():
        raise UsageError(f"{path}: there is no such folder")
    return open_embedded(path, settings, create=create)
