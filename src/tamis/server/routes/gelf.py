"""GELF over HTTP."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tamis.server.intake.bodies import take_in
from tamis.server.intake.ingest import Body
from tamis.server.problems import ProblemError, problem_response
from tamis.server.service import service_of
from tamis.wire.base import WholeBody
from tamis.wire.gelf import decode_body

REASONS_MAX = 3


async def gelf(request: Request) -> Response:
    """Take in a GELF message, or several on a line each; compressed or not, whatever the header says of it."""
    service = service_of(request)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    answer = await take_in(
        request,
        service,
        said=Body([], stream=partial(WholeBody, decode_body)),
        inner=encoding,
        protocol="gelf-http",
    )
    if not answer.rejected_count:
        return Response(status_code=202)
    shown = "; ".join(f"message {one.line}: {one.reason}" for one in answer.rejected[:REASONS_MAX])
    facts = {
        "received": answer.received,
        "stored": answer.stored,
        "rejected": answer.rejected,
        "rejected_count": answer.rejected_count,
        "duplicate": answer.duplicate,
    }
    detail = f"{answer.rejected_count} of {answer.received} messages were rejected: {shown}."
    return problem_response(ProblemError(400, detail, facts))


def gelf_routes() -> list[Route]:
    """This route."""
    return [Route("/gelf", gelf, methods=["POST"])]
