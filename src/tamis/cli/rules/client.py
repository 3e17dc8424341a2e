"""The routes of alert rules, as the command asks for them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import msgspec

from tamis.cli.options import Where
from tamis.cli.reach import open_server
from tamis.http_client import HttpClient

PATH = "/api/v1/rules"
_JSON = {"Content-Type": "application/json"}


class RulesClient:
    """One server's alert rules. Raises what `HttpClient` raises."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def get(self, *path: str, **query: str | int | None) -> Any:
        """What stands at a path below the rules."""
        return self._client.request("GET", _path(path), query=query).json()

    def send(self, method: str, *path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send an object; the answer, None when it is empty."""
        data = None if body is None else msgspec.json.encode(body)
        answer = self._client.request(method, _path(path), body=data, headers=_JSON if data else None)
        return answer.json() if answer.body else None


def _path(parts: tuple[str, ...]) -> str:
    return "/".join([PATH, *(quote(part, safe="") for part in parts)])


@contextmanager
def rules_of(where: Where) -> Iterator[RulesClient]:
    """The rules of the server that is meant."""
    client = open_server(where)
    try:
        yield RulesClient(client)
    finally:
        client.close()
