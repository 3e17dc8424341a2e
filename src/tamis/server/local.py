"""The local token: lets commands on this machine, by this user, talk to the server of a data folder."""

import contextlib
import ipaddress
import os
from pathlib import Path

import msgspec

FILE_NAME = "local.json"


class LocalServer(msgspec.Struct, frozen=True):
    """The server that has a data folder open: where it listens, and the token it takes on loopback."""

    url: str
    token: str
    pid: int


def write_local(folder: Path, server: LocalServer) -> None:
    """Leave the note for local commands, readable by this user alone."""
    path = folder / FILE_NAME
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(server))


def read_local(folder: Path) -> LocalServer | None:
    """The note of a running server, or None; a note whose process is gone counts as none."""
    try:
        server = msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=LocalServer)
        os.kill(server.pid, 0)
    except PermissionError:
        return None if not os.access(folder / FILE_NAME, os.R_OK) else server
    except (OSError, msgspec.DecodeError):
        return None
    return server


def remove_local(folder: Path) -> None:
    """The server stops: its token is worth nothing any more."""
    with contextlib.suppress(OSError):
        (folder / FILE_NAME).unlink()


def is_loopback(host: str) -> bool:
    """Whether an address (or the name localhost) is this machine's own."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
