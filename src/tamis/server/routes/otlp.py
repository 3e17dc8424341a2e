"""OpenTelemetry's logs over HTTP (opentelemetry-proto 1.x, OTLP/HTTP): protobuf or JSON, answered in kind."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tamis.errors import NoSpaceError, OverloadedError
from tamis.server.intake.bodies import take_in
from tamis.server.intake.ingest import Body
from tamis.server.problems import ProblemError, answer_error, problem_of
from tamis.server.questions.answers import Ingested
from tamis.server.service import service_of
from tamis.wire.base import Decoder, WholeBody
from tamis.wire.otlp_json import decode_json, encode_json_response, encode_json_status
from tamis.wire.otlp_protobuf import decode_protobuf, encode_protobuf_response, encode_protobuf_status

PROTOBUF, JSON = "application/x-protobuf", "application/json"
REASONS_MAX = 3
NO_SPACE_RETRY_S = "30"
INVALID_ARGUMENT, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE = 3, 8, 13, 14
_CODES = {413: RESOURCE_EXHAUSTED, 429: RESOURCE_EXHAUSTED, 503: UNAVAILABLE}
"""google.rpc.Code of statuses; others are the caller's fault below 500, and ours from there."""


@dataclass(frozen=True, slots=True)
class _Encoding:
    """One of OTLP's two."""

    media_type: str
    decode: Decoder
    response: Callable[[int, str], bytes]
    status: Callable[[int, str], bytes]


_JSON = _Encoding(JSON, decode_json, encode_json_response, encode_json_status)
_PROTOBUF = _Encoding(PROTOBUF, decode_protobuf, encode_protobuf_response, encode_protobuf_status)
_ENCODINGS = {JSON: _JSON, PROTOBUF: _PROTOBUF, "application/protobuf": _PROTOBUF}


async def otlp_logs(request: Request) -> Response:
    """Take in OpenTelemetry's logs: OTLP/HTTP in protobuf or JSON, answered in kind."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = _ENCODINGS.get(media_type)
    if encoding is None:
        text = f"Content-Type {media_type[:100]!r} is none of OTLP's; send {PROTOBUF} or {JSON}."
        return _refusal(ProblemError(415, text), _JSON)
    try:
        answer = await take_in(
            request,
            service_of(request),
            said=Body([], stream=partial(WholeBody, encoding.decode)),
            protocol="otlp",
        )
    except Exception as error:  # the edge: whatever went wrong is answered as OTLP's clients read it
        return _refusal(await _problem(request, error), encoding)
    if answer.rejected_count and not answer.stored and not answer.duplicate:
        return _refusal(ProblemError(400, _reasons(answer)), encoding)
    reasons = _reasons(answer) if answer.rejected_count else ""
    return Response(encoding.response(answer.rejected_count, reasons), media_type=encoding.media_type)


def _reasons(answer: Ingested) -> str:
    """What was rejected, in words, with the first reasons."""
    shown = "; ".join(f"record {one.line}: {one.reason}" for one in answer.rejected[:REASONS_MAX])
    more = ", …" if answer.rejected_count > REASONS_MAX else ""
    return f"{answer.rejected_count} of {answer.received} records were rejected: {shown}{more}"


async def _problem(request: Request, error: Exception) -> ProblemError:
    """The error as a problem; what clients try again only with 429 and 503 has one of these."""
    problem = problem_of(error)
    if isinstance(error, NoSpaceError):
        problem.status = 503
        problem.headers["Retry-After"] = NO_SPACE_RETRY_S
    elif problem.status >= 500 and not isinstance(error, OverloadedError):
        await answer_error(request, error)  # it writes the log
    return problem


def _refusal(problem: ProblemError, encoding: _Encoding) -> Response:
    code = _CODES.get(problem.status, INVALID_ARGUMENT if problem.status < 500 else INTERNAL)
    return Response(
        encoding.status(code, problem.detail),
        status_code=problem.status,
        headers=problem.headers,
        media_type=encoding.media_type,
    )


def otlp_routes() -> list[Route]:
    """This route: plain Starlette, because bodies are many and large."""
    return [Route("/v1/logs", otlp_logs, methods=["POST"])]
