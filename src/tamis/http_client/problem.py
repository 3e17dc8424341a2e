"""Problem details (RFC 9457) of an answer as the error they describe."""

from collections.abc import Callable
from typing import Any

import msgspec

from tamis.errors import (
    ConflictError,
    DeniedError,
    OverloadedError,
    QueryError,
    QueryTimeoutError,
    RemoteError,
    TamisError,
)
from tamis.http_client.connection import Response

DETAIL_CHARS_MAX = 500
RETRY_AFTER_MAX_S = 60.0
RETRY_AFTER_DEFAULT_S = 1.0


def error_of(url: str, response: Response) -> TamisError:
    """The error that an answer of status 400 and more stands for."""
    problem = _problem(response)
    detail = str(problem.get("detail") or problem.get("title") or _words(response))[:DETAIL_CHARS_MAX]
    column = problem.get("column")
    if isinstance(column, int):
        return _query_error(problem, detail, column)
    known = _BY_STATUS.get(response.status)
    return known(url, detail, response) if known else RemoteError(url, detail, status=response.status)


def retry_after_s(response: Response) -> float:
    """How long the server asks to wait, bounded."""
    try:
        return min(max(float(response.headers.get("retry-after", "")), 0.0), RETRY_AFTER_MAX_S)
    except ValueError:
        return RETRY_AFTER_DEFAULT_S


def _query_error(problem: dict[str, Any], detail: str, column: int) -> QueryError:
    suggestion = problem.get("suggestion")
    reason = str(problem.get("reason") or detail.removeprefix(f"column {column}: "))
    return QueryError(reason.rstrip("."), column, suggestion if isinstance(suggestion, str) else None)


def _problem(response: Response) -> dict[str, Any]:
    try:
        problem = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return problem if isinstance(problem, dict) else {}


def _words(response: Response) -> str:
    """What to say when the answer is no problem document: its status, and the first line of its text."""
    kind = response.headers.get("content-type", "")
    text = response.body[:DETAIL_CHARS_MAX].decode("utf-8", "replace").strip()
    first = text.splitlines()[0] if text and kind.startswith("text/plain") else ""
    return f"answered with status {response.status}" + (f": {first}" if first else "")


def _denied(url: str, detail: str, response: Response) -> TamisError:
    return DeniedError(url, detail, status=response.status)


def _overloaded(url: str, detail: str, response: Response) -> TamisError:
    return OverloadedError(detail.rstrip("."), retry_after_s(response))


def _conflict(url: str, detail: str, response: Response) -> TamisError:
    return ConflictError(detail)


def _timeout(url: str, detail: str, response: Response) -> TamisError:
    return QueryTimeoutError(detail)


_BY_STATUS: dict[int, Callable[[str, str, Response], TamisError]] = {
    401: _denied,
    403: _denied,
    422: _conflict,
    429: _overloaded,
    504: _timeout,
}
