"""Loki's push over HTTP: what promtail, Alloy and logging handlers send."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tamis.server.intake.bodies import take_in
from tamis.server.intake.ingest import Body
from tamis.server.problems import ProblemError, problem_response
from tamis.server.questions.answers import Ingested
from tamis.server.service import service_of
from tamis.wire.base import Decoder, WholeBody
from tamis.wire.loki import decode_json, decode_protobuf

REASONS_MAX = 3
_DECODERS: dict[str, Decoder] = {
    "application/json": decode_json,
    "application/x-protobuf": decode_protobuf,
    "": decode_protobuf,
}


async def loki_push(request: Request) -> Response:
    """Take in a push to Loki: JSON, or protobuf packed by snappy."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    decoder = _DECODERS.get(media_type)
    if decoder is None:
        raise ProblemError(
            415,
            f"Content-Type {media_type[:100]!r} is none of Loki's; send application/json or application/x-protobuf.",
        )
    is_packed = decoder is decode_protobuf  # whatever Content-Encoding says of it, some say snappy
    answer = await take_in(
        request,
        service_of(request),
        said=Body([], stream=partial(WholeBody, decoder)),
        inner="snappy" if is_packed else "",
        protocol="loki",
    )
    return problem_response(_rejections(answer)) if answer.rejected_count else Response(status_code=204)


def _rejections(answer: Ingested) -> ProblemError:
    """What could not be stored, as facts and in words."""
    shown = "; ".join(f"entry {one.line}: {one.reason}" for one in answer.rejected[:REASONS_MAX])
    facts = {
        "received": answer.received,
        "stored": answer.stored,
        "rejected": answer.rejected,
        "rejected_count": answer.rejected_count,
        "duplicate": answer.duplicate,
    }
    detail = (
        f"{answer.rejected_count} of {answer.received} entries were rejected, the others stored: {shown}."
    )
    return ProblemError(400, detail, facts)


def loki_routes() -> list[Route]:
    """This route: plain Starlette, because bodies are many and large."""
    return [Route("/loki/api/v1/push", loki_push, methods=["POST"])]
