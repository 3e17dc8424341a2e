"""Records in."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tamis.server.intake.bodies import take_in
from tamis.server.intake.ingest import Body
from tamis.server.problems import ProblemError, problem_response
from tamis.server.questions.answers import Ingested, encode_json
from tamis.server.questions.params import read_query
from tamis.server.service import service_of
from tamis.wire.base import OWN_MEDIA_TYPE, FieldNames

INGEST = ("service", "host", "time_field", "message_field", "level_field")


async def ingest(request: Request) -> Response:
    """Take in NDJSON; whatever the content type says, the body is lines (curl says it is a form)."""
    service = service_of(request)
    service.ready()
    given = read_query(request, INGEST)
    answer = await take_in(
        request,
        service,
        said=Body(
            [],
            service=given.text("service"),
            host=given.text("host"),
            fields=FieldNames(
                time=_names(given.text("time_field")),
                level=_names(given.text("level_field")),
                message=_names(given.text("message_field")),
            ),
            own=_is_own(request.headers),
        ),
    )
    answer.warnings = list(given.warnings)
    return _response(answer)


def _response(answer: Ingested) -> Response:
    if answer.stored or answer.duplicate:
        return Response(encode_json(answer), media_type="application/json")
    reason = "The body holds no record."
    if answer.rejected:
        first = answer.rejected[0]
        reason = f"No line could be stored; line {first.line}: {first.reason}."
    facts = {
        "received": answer.received,
        "stored": 0,
        "rejected": answer.rejected,
        "rejected_count": answer.rejected_count,
        "duplicate": False,
        "warnings": answer.warnings,
    }
    return problem_response(ProblemError(400, reason, facts))


def _is_own(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == OWN_MEDIA_TYPE


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def ingest_routes() -> list[Route]:
    """This route: plain Starlette, because bodies are many and large."""
    return [Route("/api/v1/ingest", ingest, methods=["POST"])]
