"""A file of everything that a query finds."""

import asyncio
from datetime import UTC, datetime
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tamis.clock import NS_PER_S
from tamis.server.openapi import add_read
from tamis.server.questions.export import MEDIA_TYPES, Export, head, streamed
from tamis.server.questions.parameters import QUESTION
from tamis.server.questions.params import read_parameters
from tamis.server.service import service_of
from tamis.store.base import Budget

TIMEOUT_S = 86_400.0
"""A reader may be slow; it is gone, and its export over, when its connection closes."""

EXPORT = (*QUESTION, "format", "order")


async def export(request: Request) -> Response:
    """Every record that a query finds, as a file, oldest first: NDJSON, CSV or Parquet. `| limit` and `| fields` work.

    NDJSON holds what ingest takes again: `id`, `timestamp`, `level`, `service`, `logger`, `host`, `message`, the ids of
    traces, `attributes`; absent ones are left out. CSV and Parquet have a column for each of these and for `received`,
    which a store gives anew when a file goes back in; shapes and patterns, which it makes anew, are in none.
    `| fields` gives the fields that it names, in each format.
    """
    given = await read_parameters(request, EXPORT)
    service = service_of(request)
    file_format = given.choice("format", ("ndjson", "csv", "parquet"))
    budget = Budget(TIMEOUT_S)
    make = partial(
        Export,
        service.ready().searcher,
        given.asked(),
        budget,
        file_format=file_format,
        order="desc" if given.choice("order", ("asc", "desc")) == "desc" else "asc",
    )
    loop = asyncio.get_running_loop()
    await service.exports.enter()
    try:
        made = await loop.run_in_executor(service.reads, make)
    except BaseException:
        service.exports.leave()
        raise
    pieces = made.pieces()

    def ended() -> None:
        budget.cancel()
        service.metrics.add("tamis_export_records_total", made.records, file_format)
        service.metrics.add("tamis_queries_total", 1, "export", "ok")
        service.exports.leave()

    try:
        first = await loop.run_in_executor(service.reads, head, pieces)
    except BaseException:
        ended()
        raise
    name = datetime.fromtimestamp(service.clock.now_ns() / NS_PER_S, UTC).strftime("tamis-%Y%m%d-%H%M%S")
    return StreamingResponse(
        streamed(pieces, first, service.reads, ended=ended),
        media_type=MEDIA_TYPES[file_format],
        headers={"Content-Disposition": f'attachment; filename="{name}.{file_format}"'},
    )


def add_export_routes(router: APIRouter) -> None:
    """Register this route."""
    schema = {"schema": {"type": "string", "format": "binary"}}
    add_read(router, "/api/v1/export", export, EXPORT, content=dict.fromkeys(MEDIA_TYPES.values(), schema))
