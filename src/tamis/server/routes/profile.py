"""A flame graph of this server, from all of its threads."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tamis.clock import NS_PER_S
from tamis.server.openapi import problem_answers
from tamis.server.profiling import SECONDS_DEFAULT, SECONDS_MAX
from tamis.server.questions.params import read_query
from tamis.server.service import service_of
from tamis.telemetry.profiler.flames import ENDINGS, MEDIA_TYPES, FlameFormat, draw

PATH = "/api/v1/profile"
FORMATS = tuple(MEDIA_TYPES)
WORDS = ("false", "true")


async def profile(request: Request) -> Response:
    """Where the server's time goes: every thread is looked at a hundred times a second for `seconds`, while
    everything goes on, and the answer comes then. One at a time: 429 while another is taken. Threads that wait are
    left out but for their seconds, unless `idle` is true.

    `html` is a page to open from a file, `speedscope` a file for speedscope.app with a profile for each thread,
    `text` the same tree as text.
    """
    given = read_query(request, ("seconds", "format", "idle"))
    seconds = given.whole("seconds", SECONDS_DEFAULT, least=1, most=SECONDS_MAX)
    file_format = cast("FlameFormat", given.choice("format", FORMATS))
    with_idle = given.choice("idle", WORDS) == "true"
    service = service_of(request)
    at_ns = service.clock.now_ns()
    headers = {"Content-Disposition": f'attachment; filename="{_name(at_ns)}.{ENDINGS[file_format]}"'}
    if "tamis.head" in request.scope:
        return Response(b"", media_type=MEDIA_TYPES[file_format], headers=headers)
    samples = await service.profiling.take(request, seconds, with_idle=with_idle)
    page = await asyncio.to_thread(draw, samples, file_format, title="Tamis", at_ns=at_ns)
    return Response(page.encode(), media_type=MEDIA_TYPES[file_format], headers=headers)


def _name(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / NS_PER_S, UTC).strftime("tamis-profile-%Y%m%d-%H%M%S")


def add_profile_route(router: APIRouter) -> None:
    """Register this route."""
    description = (profile.__doc__ or "").strip()
    schema = {"schema": {"type": "string"}}
    router.add_api_route(
        PATH,
        profile,
        methods=["GET"],
        name="profile",
        operation_id="profile_get",
        summary="Where the server's time goes.",
        description=description,
        responses={
            200: {"description": description, "content": dict.fromkeys(MEDIA_TYPES.values(), schema)},
            **problem_answers("400", "401", "429"),
        },
        response_model=None,
        openapi_extra={"parameters": _PARAMETERS},
        tags=["health"],
    )


def _parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "required": False, "schema": schema}


_PARAMETERS = [
    _parameter(
        "seconds",
        "How long to look.",
        type="integer",
        minimum=1,
        maximum=SECONDS_MAX,
        default=SECONDS_DEFAULT,
    ),
    _parameter("format", "What the file is.", type="string", enum=list(FORMATS), default=FORMATS[0]),
    _parameter("idle", "Whether waiting counts, too.", type="string", enum=list(WORDS), default=WORDS[0]),
]
