"""Saved searches: a question under a name, kept beside the records."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tamis.errors import QueryError
from tamis.metadata.saved import SavedSearch, SavedSearches
from tamis.query.parser import parse
from tamis.query.resolve import resolve
from tamis.query.times import parse_instant, print_instant
from tamis.server.front.auth import Principal
from tamis.server.openapi import problem_answers
from tamis.server.problems import ParameterError, ProblemError
from tamis.server.questions.answers import json_response
from tamis.server.questions.params import BODY_BYTES_MAX, read_body
from tamis.server.service import Service, service_of

Handler = Callable[[Request], Awaitable[Response]]
PATH = "/api/v1/saved"
NAME_CHARS_MAX, DESCRIPTION_CHARS_MAX = 100, 1_000


class SavedRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What a search is made of."""

    q: str = ""
    name: str | None = None
    start: str | None = None
    end: str | None = None
    description: Annotated[str, msgspec.Meta(max_length=DESCRIPTION_CHARS_MAX)] = ""


async def saved(request: Request) -> Response:
    """Every saved search, by name, with its link."""
    service = service_of(request)
    found = await asyncio.to_thread(_kept(service).all)
    return json_response({"searches": [_object(one) for one in found]})


async def saved_search(request: Request) -> Response:
    """One saved search."""
    found = await asyncio.to_thread(_kept(service_of(request)).find, request.path_params["name"])
    if found is None:
        raise _missing(request)
    return json_response(_object(found))


async def save_search(request: Request) -> Response:
    """Save a search under a name; 409 when there is one."""
    service, given = service_of(request), await _given(request)
    if given.name is None:
        raise ParameterError("name", "", "a name; it is missing")
    if await asyncio.to_thread(_kept(service).find, given.name) is not None:
        there = f"{PATH}/{quote(given.name, safe='')}"
        raise ProblemError(409, f"There is a saved search {given.name!r}; PUT {there} changes it.")
    return await _put(request, given, given.name)


async def set_saved_search(request: Request) -> Response:
    """Save a search under a name, or change the one there is."""
    name, given = request.path_params["name"], await _given(request)
    if given.name not in (None, name):
        raise ParameterError("name", given.name, f"{name}, as in the path; a saved search is not renamed")
    return await _put(request, given, name)


async def remove_saved_search(request: Request) -> Response:
    """Forget a saved search."""
    if not await asyncio.to_thread(_kept(service_of(request)).remove, request.path_params["name"]):
        raise _missing(request)
    return Response(status_code=204)


async def _put(request: Request, given: SavedRequest, name: str) -> Response:
    service = service_of(request)
    principal: Principal = request.scope["tamis.principal"]
    made = SavedSearch(
        _checked_name(name), given.q, given.start, given.end, given.description, 0, 0, principal.name
    )
    _check_question(service, given)
    kept = _kept(service)
    existed = await asyncio.to_thread(kept.put, made, most=service.settings.query.saved_max)
    if existed is None:
        service.metrics.add("tamis_limits_met_total", 1, "query.saved_max")
        most = service.settings.query.saved_max
        raise ProblemError(
            422, f"There are {most:,} saved searches already (query.saved_max); remove one first."
        )
    found = await asyncio.to_thread(kept.find, name)
    return json_response(_object(found or made), 200 if existed else 201)


def _check_question(service: Service, given: SavedRequest) -> None:
    """QueryError or ParameterError when it could never be asked."""
    now_ns = service.clock.now_ns()
    resolve(parse(given.q), now_ns)
    for end, text in (("start", given.start), ("end", given.end)):
        if text is not None:
            try:
                parse_instant(text, now_ns)
            except QueryError as error:
                raise ParameterError(end, text, f"a time ({error.reason})") from None


def _checked_name(name: str) -> str:
    if not 0 < len(name) <= NAME_CHARS_MAX or not name.isprintable() or name != name.strip() or "/" in name:
        raise ParameterError("name", name, f"1 to {NAME_CHARS_MAX} printable characters without a slash")
    return name


async def _given(request: Request) -> SavedRequest:
    body = await read_body(request, BODY_BYTES_MAX)
    try:
        return msgspec.json.decode(body, type=SavedRequest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"The body is no saved search: {error}.") from None


def _kept(service: Service) -> SavedSearches:
    service.ready()
    return SavedSearches(service.database, service.clock)


def _object(one: SavedSearch) -> dict[str, Any]:
    asked = {"q": one.q, "start": one.start, "end": one.end}
    link = urlencode({name: text for name, text in asked.items() if text})
    return {
        "name": one.name,
        **asked,
        "description": one.description,
        "url": f"/?{link}" if link else "/",
        "created": print_instant(one.created_ns),
        "changed": print_instant(one.changed_ns),
        "changed_by": one.changed_by,
    }


def _missing(request: Request) -> ProblemError:
    return ProblemError(404, f"There is no saved search {request.path_params['name'][:100]!r}.")


ROUTES: tuple[tuple[str, str, Handler, int], ...] = (
    ("GET", "", saved, 200),
    ("POST", "", save_search, 201),
    ("GET", "/{name}", saved_search, 200),
    ("PUT", "/{name}", set_saved_search, 200),
    ("DELETE", "/{name}", remove_saved_search, 204),
)
_FIELDS = {
    "q": "The query; stages may follow it.",
    "start": "From when on; a relative time stays relative.",
    "end": "Until when.",
    "description": "What it is for.",
}


def add_saved_routes(router: APIRouter) -> None:
    """Register these routes."""
    for method, path, handler, status in ROUTES:
        description = (handler.__doc__ or "").strip()
        router.add_api_route(
            PATH + path,
            handler,
            methods=[method],
            name=handler.__name__,
            operation_id=handler.__name__,
            summary=description.partition(".")[0] + ".",
            description=description,
            status_code=status,
            responses=problem_answers("400", "401", "503"),
            response_model=None,
            openapi_extra=_body(path) if method in ("POST", "PUT") else None,
            tags=["saved"],
        )


def _body(path: str) -> dict[str, Any]:
    fields = _FIELDS if path else {"name": "Its name.", **_FIELDS}
    properties = {name: {"type": "string", "description": text} for name, text in fields.items()}
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
