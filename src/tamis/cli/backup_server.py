"""What ``tamis backup`` asks of a server that runs."""

from typing import Any

import msgspec

from tamis.cli.failure import CommandError, UsageError
from tamis.cli.options import Where
from tamis.cli.reach import open_server
from tamis.clock import SYSTEM_CLOCK
from tamis.http_client import HttpClient

PATH = "/api/v1/backups"
_JSON = {"Content-Type": "application/json"}
_LOOK_S, _LOOK_LONGEST_S = 0.1, 2.0


def server_of(where: Where) -> HttpClient | None:
    """The server that is meant; None: a data folder that none has open."""
    if where.data is None or where.url is not None:
        return open_server(where)
    try:
        return open_server(where)
    except UsageError:
        return None


def ask_server(client: HttpClient, what: str, body: object = None) -> dict[str, Any]:
    """Have the server do something, and wait until it is done; its result. CommandError when it failed."""
    sent = b"" if body is None else msgspec.json.encode(body)
    try:
        job = client.request("POST", PATH + what, body=sent, headers=_JSON).json()["job"]
        pause = _LOOK_S
        while job["state"] in ("waiting", "running"):
            SYSTEM_CLOCK.sleep(pause)
            pause = min(2 * pause, _LOOK_LONGEST_S)
            jobs = client.request("GET", f"{PATH}/jobs").json()["jobs"]
            job = next(
                (one for one in jobs if one["id"] == job["id"]),
                {**job, "state": "failed", "error": "forgotten"},
            )
    finally:
        client.close()
    if job["state"] == "failed":
        raise CommandError(job["error"])
    result: dict[str, Any] = job["result"]
    return result


def state_of(client: HttpClient) -> dict[str, Any]:
    """How backups stand on the server."""
    try:
        state: dict[str, Any] = client.request("GET", f"{PATH}/jobs").json()
    finally:
        client.close()
    return state
