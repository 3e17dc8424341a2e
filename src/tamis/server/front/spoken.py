"""How errors are told: problem JSON, but to Elasticsearch's clients in their own form, whatever they ask for."""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from tamis.server.intake.elastic import elastic_error
from tamis.server.problems import ProblemError, answer_error, problem_response

_AGENTS = ("elasticsearch", "opensearch")
_MEDIA_TYPE = "application/vnd.elasticsearch+"
_INDEX_SEGMENTS = 2


def speaks_elastic(scope: Scope) -> bool:
    """Whether a request is for Elasticsearch's interface, or comes from one of its clients: these read no other
    errors."""
    path: str = scope["path"]
    if any(part.startswith("_") for part in path.split("/")[1 : 1 + _INDEX_SEGMENTS]):
        return True
    headers = Headers(scope=scope)
    return (
        headers.get("user-agent", "").lower().startswith(_AGENTS)
        or "x-elastic-client-meta" in headers
        or any(_MEDIA_TYPE in headers.get(name, "").lower() for name in ("accept", "content-type"))
    )


async def refusal(scope: Scope, problem: ProblemError) -> Response:
    """The answer that says what is wrong, as its caller reads it."""
    if speaks_elastic(scope):
        return await elastic_error(Request(scope), problem)
    return problem_response(problem)


async def told_error(request: Request, error: Exception) -> Response:
    """Exception handler of the app."""
    if speaks_elastic(request.scope):
        return await elastic_error(request, error)
    return await answer_error(request, error)
