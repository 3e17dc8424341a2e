"""Having the server mend its data folder."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tamis.errors import ConfigError
from tamis.server.openapi import problem_answers
from tamis.server.problems import ParameterError, ProblemError
from tamis.server.questions.answers import encode_json
from tamis.server.questions.params import BODY_BYTES_MAX, read_body
from tamis.server.service import service_of

PATH = "/api/v1/repair"
PLACES_MAX = 16


class RepairRequest(msgspec.Struct, forbid_unknown_fields=True, rename={"places": "from"}):
    """`from`: other copies of the folder, beside those of `store.mirrors`; `accept_loss`: what stays lost is noted."""

    places: Annotated[list[str], msgspec.Meta(max_length=PLACES_MAX)] = []
    accept_loss: bool = False


async def start_repair(request: Request) -> Response:
    """Begin to make the data folder whole: every byte is compared with its digest, and what is damaged comes from other
    copies of the folder. Everything else goes on meanwhile. `from` is for the user of the server's machine alone.
    """
    service = service_of(request)
    try:
        given = msgspec.json.decode(await read_body(request, BODY_BYTES_MAX) or b"{}", type=RepairRequest)
    except msgspec.MsgspecError as error:
        raise ProblemError(400, f"The body is no request for a repair: {error}.") from error
    if given.places and request.scope["tamis.principal"].how != "local":
        raise ProblemError(
            403, "Places to mend from are named on the server's own machine, or by the setting store.mirrors."
        )
    places = (*given.places, *service.settings.store.mirrors)
    try:
        await asyncio.to_thread(
            service.repairs.start,
            service.ready().store,
            places,
            settings=service.settings,
            accept_losses=given.accept_loss,
        )
    except ConfigError as error:
        raise ParameterError("from", error.value, error.reason) from error
    return _answer(service.repairs.state, 202)


async def repair_state(request: Request) -> Response:
    """How the last repair stands: idle, running, done or failed, and what it did."""
    return _answer(service_of(request).repairs.state, 200)


def _answer(state: Any, status: int) -> Response:
    return Response(encode_json(state), status_code=status, media_type="application/json")


def add_repair_routes(router: APIRouter) -> None:
    """These routes."""
    for method, endpoint, status in (("POST", start_repair, 202), ("GET", repair_state, 200)):
        description = (endpoint.__doc__ or "").strip()
        router.add_api_route(
            PATH,
            endpoint,
            methods=[method],
            name=endpoint.__name__,
            operation_id=f"{endpoint.__name__}_{method.lower()}",
            summary=description.partition(".")[0].partition(":")[0] + ".",
            description=description,
            responses={status: {"description": "How it stands."}, **problem_answers("400", "401", "503")},
            response_model=None,
            tags=["write" if method == "POST" else "read"],
        )
