"""The pages: nothing inline, nothing from elsewhere; and the API's description."""

import re
from importlib.resources import files

import httpx2
import pytest
from fastapi import FastAPI

from tamis.server.openapi import describe

pytestmark = pytest.mark.anyio

WEB = {file.name: file.read_text(encoding="utf-8") for file in (files("tamis.server") / "web").iterdir()}


@pytest.mark.parametrize("name", [name for name in WEB if name.endswith(".html")])
def test_pages_have_nothing_inline(name: str) -> None:
    """The content policy forbids inline scripts and styles; so no page has any."""
    text = WEB[name]
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert re.findall(r"<script[^>]*>(?!</script>)", text) == []
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)


@pytest.mark.parametrize("name", sorted(WEB))
def test_pages_ask_nobody_else(name: str) -> None:
    """No address of another host; the names of SVG's vocabulary are no addresses."""
    text = WEB[name].replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"(https?:)?//\w[\w-]*\.\w", text)


@pytest.mark.parametrize("name", [name for name in WEB if name.endswith(".js")])
def test_record_text_never_becomes_markup(name: str) -> None:
    """What could read text as HTML or code is not used at all."""
    for banned in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert banned not in WEB[name]


async def test_what_pages_link_is_there(caller: httpx2.AsyncClient) -> None:
    """Every asset that a page, a style or a module names is served with its type."""
    linked = {found for text in WEB.values() for found in re.findall(r'"(/assets/[\w.]+)"', text)}
    linked |= {f"/assets/{name}" for text in WEB.values() for name in re.findall(r'from "\./([\w.]+)"', text)}
    assert len(linked) > 8
    for path in linked:
        answer = await caller.get(path)
        assert answer.status_code == 200, path
        expected = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[
            path.rpartition(".")[2]
        ]
        assert answer.headers["content-type"].startswith(expected)


async def test_pages_are_asked_for_again_only_when_they_changed(caller: httpx2.AsyncClient) -> None:
    """304 for the same ETag."""
    first = await caller.get("/assets/app.js")
    again = await caller.get("/assets/app.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_openapi_describes_every_route_of_the_api(app: FastAPI, caller: httpx2.AsyncClient) -> None:
    """Each path with its methods, parameters and answer; every reference leads somewhere."""
    document = (await caller.get("/openapi.json")).json()
    paths: dict[str, set[str]] = {}
    for route in app.routes:
        verbs = {method.lower() for method in getattr(route, "methods", ())}
        path = getattr(route, "path_format", getattr(route, "path", ""))
        paths.setdefault(str(path), set()).update(verbs)
    ours = {
        path
        for path in paths
        if path.startswith(("/api/v1/", "/v1/", "/loki/api/v1/")) and "/auth/" not in path
    }
    assert document["openapi"].startswith("3.")
    described: dict[str, set[str]] = {path: set(verbs) for path, verbs in document["paths"].items()}
    assert described.keys() >= ours
    wrong = {path for path, verbs in described.items() if not verbs <= paths[path]}
    assert wrong == set()
    assert {path: described[path] for path in ours} == {path: paths[path] for path in ours}
    references = re.findall(r"'#/components/schemas/(\w+)'", repr(document))
    assert references
    assert set(references) <= set(document["components"]["schemas"])
    assert describe(app) is describe(app)


async def test_operations_have_their_own_ids(caller: httpx2.AsyncClient) -> None:
    """Clients are made of them."""
    document = (await caller.get("/openapi.json")).json()
    ids = [verb["operationId"] for verbs in document["paths"].values() for verb in verbs.values()]
    assert len(ids) == len(set(ids))
