"""Elasticsearch's interface for those who write: `_bulk` and single documents."""

from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tamis.server.intake.bodies import counting, take_body
from tamis.server.intake.bulk import Taken
from tamis.server.intake.elastic import (
    PRODUCT,
    elastic_error,
    elastic_response,
    error_body,
    media_type,
    started,
)
from tamis.server.intake.ingest import Body
from tamis.server.problems import ProblemError
from tamis.server.service import service_of
from tamis.wire.bulk_answer import EVERYTHING, Filter

WHOLE_ITEMS_MAX = 20_000
"""The answer about more items is sent in pieces as they are made."""


async def bulk(request: Request) -> Response:
    """Take in a bulk as Elasticsearch takes it: lines of actions and sources. 200 says what became of each item."""
    try:
        taken = await _take(request, None)
    except Exception as error:  # the edge: whatever went wrong is answered as these clients read it
        return await elastic_error(request, error)
    pieces = taken.answer(Filter.parse(request.query_params.get("filter_path", "")))
    if taken.bulk.received <= WHOLE_ITEMS_MAX:
        return elastic_response(request, b"".join(pieces))
    return StreamingResponse(pieces, headers=PRODUCT, media_type=media_type(request))


async def document(request: Request) -> Response:
    """Take in one document as Elasticsearch takes it: 201 says that it is stored."""
    return await _document(request, "create" if request.query_params.get("op_type") == "create" else "index")


async def new_document(request: Request) -> Response:
    """Take in one document, unless there is one under its id: then the answer is 409."""
    return await _document(request, "create")


async def _document(request: Request, action: str) -> Response:
    name = request.path_params.get("id")
    try:
        taken = await _take(request, msgspec.json.encode({action: {} if name is None else {"_id": name}}))
    except Exception as error:  # the edge: as above
        return await elastic_error(request, error)
    (item,) = msgspec.json.decode(b"".join(taken.answer(EVERYTHING)))["items"][0].values()
    status = item.pop("status")
    if status >= 400:
        refused = error_body(status, item["error"]["type"], item["error"]["reason"])
        return elastic_response(request, refused, status)
    return elastic_response(request, item, status)


async def _take(request: Request, action: bytes | None) -> Taken:
    service = service_of(request)
    taker = (await started(service)).bulks
    take = partial(taker.take, index=request.path_params.get("index"), action=action)
    with counting(request, service, "bulk") as count:
        taken = await take_body(request, service, take, said=Body([]))
        count(taken.told)
    if not taken.bulk.received:
        raise ProblemError(400, "The body holds no action; a bulk is lines of actions and sources.")
    return taken


def bulk_routes() -> list[Route]:
    """These routes: plain Starlette, because bodies are many and large."""
    writing = ["POST", "PUT"]
    return [
        Route("/_bulk", bulk, methods=writing),
        Route("/{index}/_bulk", bulk, methods=writing),
        Route("/{index}/_doc", document, methods=["POST"]),
        Route("/{index}/_doc/{id}", document, methods=writing),
        Route("/{index}/_create/{id}", new_document, methods=writing),
        Route("/{index}/{type}/_bulk", bulk, methods=writing),
    ]
