"""How Elasticsearch's clients are spoken to: the product's header, content types, errors."""

import asyncio
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tamis.errors import NoSpaceError, OverloadedError
from tamis.server.front.auth import Principal
from tamis.server.problems import ProblemError, answer_error, problem_of
from tamis.server.questions.answers import encode_json
from tamis.server.service import Opened, Service
from tamis.version import __version__

VERSION = "8.19.0"
"""Whose interface this is like: clients of 7, 8 and 9 work with it."""
PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
NO_SPACE_RETRY_S = "30"
START_WAIT_S, START_LOOK_S = 30.0, 0.05
"""How long a request may wait for the store to be open, and how often it looks."""
_ACCEPTED = re.compile(
    r"application/vnd\.elasticsearch\+json\s*;\s*compatible-with\s*=\s*(\d{1,2})", re.IGNORECASE
)
_KINDS = {
    401: "security_exception",
    403: "security_exception",
    404: "resource_not_found_exception",
    408: "timeout_exception",
    413: "content_too_long_exception",
    415: "media_type_header_exception",
    422: "version_conflict_engine_exception",
    429: "es_rejected_execution_exception",
    503: "unavailable_shards_exception",
}


def elastic_response(
    request: Request, body: Any, status: int = 200, *, headers: dict[str, str] | None = None
) -> Response:
    """An answer as these clients take it; `body` is a value for JSON, or JSON already."""
    data = body if isinstance(body, bytes) else encode_json(body)
    return Response(data, status, headers={**PRODUCT, **(headers or {})}, media_type=media_type(request))


def media_type(request: Request) -> str:
    """What the caller asked for: JSON, by Elasticsearch's name for it or by the usual one."""
    found = _ACCEPTED.search(request.headers.get("accept", ""))
    return f"application/vnd.elasticsearch+json;compatible-with={found[1]}" if found else "application/json"


def error_body(status: int, kind: str, reason: str) -> dict[str, Any]:
    """An error of a whole request."""
    cause = {"type": kind, "reason": reason}
    return {"error": {"root_cause": [cause], **cause}, "status": status}


async def elastic_error(request: Request, error: Exception) -> Response:
    """Whatever went wrong; what these clients send again only after 429 and 503 has one of these."""
    problem = problem_of(error)
    if isinstance(error, NoSpaceError):
        problem.status = 503
        problem.headers["Retry-After"] = NO_SPACE_RETRY_S
    elif problem.status >= 500 and not isinstance(error, OverloadedError | ProblemError):
        await answer_error(request, error)  # it writes the log
    kind = _KINDS.get(problem.status, "illegal_argument_exception" if problem.status < 500 else "exception")
    body = error_body(problem.status, kind, problem.detail)
    return elastic_response(request, body, problem.status, headers=problem.headers)


async def started(service: Service) -> Opened:
    """The open store. While the server starts, wait for it: some of these clients (rsyslog's omelasticsearch) take
    every answer without items for the end of their documents."""
    ends_s = service.clock.monotonic_s() + START_WAIT_S
    while service.opened is None and not service.stopping.is_set() and service.clock.monotonic_s() < ends_s:
        await asyncio.sleep(START_LOOK_S)
    return service.ready()


def greeting(service: Service) -> dict[str, Any]:
    """What Elasticsearch says of itself at its door, by which clients know it."""
    store_id = service.ready().store.store_id
    return {
        "name": "tamis",
        "cluster_name": "tamis",
        "cluster_uuid": store_id,
        "version": {
            "number": VERSION,
            "build_flavor": "default",
            "build_type": "tamis",
            "build_hash": __version__,
            "build_date": "2026-01-01T00:00:00.000Z",
            "build_snapshot": False,
            "lucene_version": "9.12.2",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
        "tamis": {"version": __version__},
    }


def wants_greeting(request: Request) -> bool:
    """Whether a request for ``/`` comes from one of these clients, and not from a browser."""
    principal: Principal | None = request.scope.get("tamis.principal")
    names = set(request.query_params) - {"pretty", "human", "error_trace", "filter_path", "format"}
    is_browser = "text/html" in request.headers.get("accept", "") or names
    return principal is not None and principal.how != "session" and not is_browser
