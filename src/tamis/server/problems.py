"""Everything that goes wrong, as RFC 9457 problem JSON: one table from errors to statuses."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tamis.errors import (
    ConflictError,
    JournalClosedError,
    NoSpaceError,
    OverloadedError,
    QueryCancelledError,
    QueryError,
    QueryTimeoutError,
    QueryTooLargeError,
    TamisError,
    TooLargeError,
    WireError,
)

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger("tamis.server")

STATUSES: tuple[tuple[type[TamisError], int], ...] = (
    (QueryError, 400),
    (OverloadedError, 429),
    (JournalClosedError, 503),
    (NoSpaceError, 507),
    (ConflictError, 422),
    (QueryTimeoutError, 504),
    (QueryCancelledError, 503),
    (QueryTooLargeError, 422),
    (TooLargeError, 413),
    (WireError, 400),
)
"""The first class that fits decides; any other TamisError is a 500."""


class ProblemError(Exception):
    """A request that cannot be answered as asked; `extra` holds facts for programs."""

    def __init__(self, status: int, detail: str, extra: Mapping[str, Any] | None = None) -> None:
        self.status, self.detail, self.extra = status, detail, dict(extra or {})
        self.headers: dict[str, str] = {}
        super().__init__(detail)


class ParameterError(ProblemError):
    """A parameter has a value it cannot have."""

    def __init__(self, parameter: str, value: object, allowed: str) -> None:
        shown = value if isinstance(value, int | float | bool) else str(value)[:200]
        extra = {"parameter": parameter, "value": shown, "allowed": allowed}
        super().__init__(400, f"{parameter} = {shown!r}: must be {allowed}.", extra)


def problem_of(error: Exception) -> ProblemError:
    """Any error as a problem; what nobody foresaw says nothing of its inside."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, HTTPException):
        made = ProblemError(error.status_code, error.detail)
        made.headers.update(error.headers or {})
        return made
    if not isinstance(error, TamisError):
        return ProblemError(500, "The server met an error that it did not foresee; its log has the details.")
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    made = ProblemError(status, _sentence(str(error)), _facts(error))
    if isinstance(error, OverloadedError):
        made.headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if isinstance(error, JournalClosedError):
        made.headers["Retry-After"] = "30"
    return made


def stopping_problem() -> ProblemError:
    """To requests that the server's stop does not let come to their end: nothing of them was acknowledged."""
    problem = ProblemError(503, "The server stops; send this again in a moment.")
    problem.headers.update({"Retry-After": "1", "Connection": "close"})
    return problem


def _facts(error: TamisError) -> dict[str, Any]:
    if isinstance(error, QueryError):
        facts = {"column": error.column, "reason": error.reason, "suggestion": error.suggestion}
        return {name: value for name, value in facts.items() if value is not None}
    if isinstance(error, OverloadedError):
        return {"retry_after_s": error.retry_after_s}
    if isinstance(error, NoSpaceError):
        return {"needed_bytes": error.needed, "available_bytes": error.available}
    if isinstance(error, TooLargeError):
        return {"limit": error.limit_name, "limit_value": error.limit}
    return {}


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def problem_response(problem: ProblemError) -> Response:
    """The answer that says what is wrong."""
    status = HTTPStatus(problem.status)
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.extra,
    }
    return Response(
        msgspec.json.encode(body), status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


async def answer_error(request: Request, error: Exception) -> Response:
    """Exception handler of the app: expected errors quietly, others into the log with their trace."""
    problem = problem_of(error)
    if problem.status >= 500 and not isinstance(error, TamisError | ProblemError | HTTPException):
        _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(problem)
