"""``tamis saved``: searches kept under a name on the server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from cyclopts import App, Parameter

from tamis.cli.options import Flag, When, Where, ask_of
from tamis.cli.question import pointing_at, read_query
from tamis.cli.reach import open_server
from tamis.cli.search import search
from tamis.cli.terminal import print_json, say, visible
from tamis.http_client import HttpClient

PATH = "/api/v1/saved"
_JSON = {"Content-Type": "application/json"}

saved = App(
    name="saved", help="Show, keep, ask and drop saved searches.", help_format="plaintext", version_flags=[]
)


@saved.command(name="list")
def list_saved(*, json: Flag = False, where: Where = Where()) -> None:
    """Show every saved search.

    Parameters
    ----------
    json
        All of it as JSON.
    """
    with _server(where) as client:
        answer = client.request("GET", PATH).json()
    if json:
        print_json(answer)
        return
    for one in answer["searches"]:
        print(visible(f"{one['name']}  {one['q'] or '*'}{_span(one)}"))


@saved.command
def show(name: str, /, *, json: Flag = False, where: Where = Where()) -> None:
    """Show one saved search and its link.

    Parameters
    ----------
    name
        Its name.
    json
        All of it as JSON.
    """
    found, url = _found(name, where)
    if json:
        print_json(found)
        return
    for field in ("name", "q", "start", "end", "description", "changed", "changed_by"):
        if found[field]:
            print(visible(f"{field:12} {found[field]}"))
    print(visible(f"{'link':12} {url}{found['url']}"))


@saved.command
def add(
    name: str,
    /,
    *query: str,
    description: Annotated[str, Parameter(alias="-m")] = "",
    when: When = When(),
    where: Where = Where(),
) -> None:
    """Save a search under a name, or change the one of this name.

    Parameters
    ----------
    name
        Its name.
    query
        What to find.
    description
        What it is for.
    """
    ask = ask_of(query, when)
    read_query(ask.q)
    body = {"q": ask.q, "start": ask.start, "end": ask.end, "description": description}
    with _server(where) as client, pointing_at(ask.q):
        client.request("PUT", _path(name), body=msgspec.json.encode(body), headers=_JSON)
    say(f"{name}: kept")


@saved.command
def remove(name: str, /, *, where: Where = Where()) -> None:
    """Forget a saved search.

    Parameters
    ----------
    name
        Its name.
    """
    with _server(where) as client:
        client.request("DELETE", _path(name))
    say(f"{name}: removed")


@saved.command
def run(name: str, /, *, json: Flag = False, where: Where = Where()) -> None:
    """Ask a saved search, as `tamis search` does.

    Parameters
    ----------
    name
        Its name.
    json
        One JSON object for each record.
    """
    found, _ = _found(name, where)
    search(found["q"], json=json, when=When(since=found["start"], until=found["end"]), where=where)


def _found(name: str, where: Where) -> tuple[dict[str, Any], str]:
    with _server(where) as client:
        found: dict[str, Any] = client.request("GET", _path(name)).json()
        return found, client.address.url


def _path(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"


def _span(one: dict[str, Any]) -> str:
    start, end = one["start"], one["end"]
    return (f"  from {start}" if start else "") + (f"  until {end}" if end else "")


@contextmanager
def _server(where: Where) -> Iterator[HttpClient]:
    client = open_server(where)
    try:
        yield client
    finally:
        client.close()
