"""Records in."""

import asyncio
from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tamis.errors import TooLargeError
from tamis.server.answers import Ingested, encode_json
from tamis.server.auth import Principal
from tamis.server.ingest import KEY_CHARS_MAX, Body
from tamis.server.limits import BodyClaim
from tamis.server.params import read_query
from tamis.server.problems import ParameterError, ProblemError, problem_response
from tamis.server.service import Service, service_of
from tamis.wire.base import OWN_MEDIA_TYPE, FieldNames
from tamis.wire.compressed import ENCODINGS

INGEST = ("service", "host", "time_field", "message_field", "level_field")


async def ingest(request: Request) -> Response:
    """Take in NDJSON; whatever the content type says, the body is lines (curl says it is a form)."""
    service = service_of(request)
    opened = service.ready()
    given = read_query(request, INGEST)
    encoding = _encoding(request.headers)
    key = _key(request.headers)
    with service.bodies.enter() as claim:
        pieces = await _read(request, service, claim)
        body = Body(
            pieces,
            encoding,
            given.text("service"),
            given.text("host"),
            FieldNames(
                time=_names(given.text("time_field")),
                level=_names(given.text("level_field")),
                message=_names(given.text("message_field")),
            ),
            _principal(request).name,
            key,
            _is_own(request.headers),
        )
        loop = asyncio.get_running_loop()
        taking = loop.run_in_executor(service.writes, opened.ingester.take, body, claim)
        answer = await asyncio.shield(taking)
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


async def _read(request: Request, service: Service, claim: BodyClaim) -> list[bytes]:
    """The body in the pieces in which it came, within its limits of size, memory and patience."""
    limits = service.settings.server
    _check_length(request.headers.get("content-length"), limits.body_bytes_max)
    loop = asyncio.get_running_loop()
    pieces: list[bytes] = []
    try:
        async with asyncio.timeout(limits.body_timeout_s) as patience:
            async for piece in request.stream():
                claim.grow(len(piece))
                if claim.held > limits.body_bytes_max:
                    service.metrics.add("tamis_limits_met_total", 1, "server.body_bytes_max")
                    raise TooLargeError("server.body_bytes_max", limits.body_bytes_max)
                pieces.append(piece)
                patience.reschedule(loop.time() + limits.body_timeout_s)
    except TimeoutError:
        raise ProblemError(408, f"No byte of the body came for {limits.body_timeout_s:g} s.") from None
    except ClientDisconnect:
        raise ProblemError(400, "The connection ended before the body did; nothing was stored.") from None
    return pieces


def _check_length(text: str | None, bytes_max: int) -> None:
    if text is not None and text.isdigit() and int(text) > bytes_max:
        raise TooLargeError("server.body_bytes_max", bytes_max)


def _encoding(headers: Mapping[str, str]) -> str:
    name = headers.get("content-encoding", "").strip().lower()
    name = {"identity": "", "x-gzip": "gzip"}.get(name, name)
    if name and name not in ENCODINGS:
        raise ProblemError(
            415, f"Content-Encoding {name[:100]!r} is not known here; use {', '.join(ENCODINGS)} or none."
        )
    return name


def _is_own(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == OWN_MEDIA_TYPE


def _key(headers: Mapping[str, str]) -> str | None:
    key = headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= KEY_CHARS_MAX:
        raise ParameterError("Idempotency-Key", key, f"1 to {KEY_CHARS_MAX} characters")
    return key


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _principal(request: Request) -> Principal:
    principal: Principal = request.scope["tamis.principal"]
    return principal


def ingest_routes() -> list[Route]:
    """This route: plain Starlette, because bodies are many and large."""
    return [Route("/api/v1/ingest", ingest, methods=["POST"])]
