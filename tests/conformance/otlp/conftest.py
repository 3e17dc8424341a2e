"""The server that the cases are put to: the one of `--url`, or a Tamis of our own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.support.commands import TOKEN, running_server

WAIT_S = 60.0
JSON, PROTOBUF = "application/json", "application/x-protobuf"


def pytest_addoption(parser: pytest.Parser) -> None:
    """What says which server it is."""
    group = parser.getgroup("OTLP conformance")
    group.addoption("--url", help="The server, as http://127.0.0.1:4318; without it a Tamis is started.")
    group.addoption("--token", help="Sent as Authorization: Bearer, when given.")


@dataclass(frozen=True, slots=True)
class Target:
    """A server that takes OTLP, and whether it is a Tamis of which we can ask what it stored."""

    url: str
    headers: dict[str, str]
    is_own: bool

    def post(self, body: Any, kind: str = PROTOBUF, **headers: str) -> httpx2.Response:
        """Send a body of logs."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx2.post(
            f"{self.url}/v1/logs",
            content=body,
            headers={**self.headers, "Content-Type": kind, **named},
            timeout=WAIT_S,
        )


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The server."""
    url = request.config.getoption("--url", default=None)
    token = request.config.getoption("--token", default=None)
    if url:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        yield Target(url.rstrip("/"), headers, is_own=False)
        return
    with running_server(tmp_path_factory.mktemp("otlp")) as server:
        yield Target(server.url, {"Authorization": f"Bearer {TOKEN}"}, is_own=True)


@pytest.fixture
def found(target: Target) -> Callable[[str], list[dict[str, Any]] | None]:
    """The stored records whose attribute `case` is this; None of a server that we cannot ask."""

    def ask(case: str) -> list[dict[str, Any]] | None:
        if not target.is_own:
            return None
        given = {"q": f'case:="{case}"', "order": "asc", "limit": "10000"}
        answer = httpx2.get(
            f"{target.url}/api/v1/search", params=given, headers=target.headers, timeout=WAIT_S
        )
        assert answer.status_code == 200, answer.text
        records: list[dict[str, Any]] = answer.json()["records"]
        return records

    return ask
