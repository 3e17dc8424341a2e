"""Bodies of records: read within their limits, and taken in."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from tamis.errors import TooLargeError, WireError
from tamis.server.front.auth import Principal
from tamis.server.intake.ingest import KEY_CHARS_MAX, Body
from tamis.server.intake.limits import BodyClaim
from tamis.server.listeners.allowed import peer_address
from tamis.server.listeners.tally import Tally
from tamis.server.problems import ParameterError, ProblemError
from tamis.server.questions.answers import Ingested
from tamis.server.service import Service
from tamis.telemetry.tracing import span
from tamis.wire.compressed import ENCODINGS

T = TypeVar("T")


async def take_in(
    request: Request,
    service: Service,
    *,
    said: Body,
    inner: str = "",
    protocol: str = "lines",
) -> Ingested:
    """Read a request's body and store what it holds, with what is `said` of it; see `Ingester.take`. `inner` is an
    encoding that its reader undoes by itself; what becomes of it is counted under `protocol`."""
    with counting(request, service, protocol) as count:
        answer = await take_body(request, service, service.ready().ingester.take, said=said, inner=inner)
        count(answer)
    return answer


@contextmanager
def counting(request: Request, service: Service, protocol: str) -> Iterator[Callable[[Ingested], None]]:
    """What becomes of a request's body is counted under `protocol`: what its answer says, which is to be handed over,
    or that it could not be read."""
    tally, peer = service.tallies.of(protocol), peer_address(request.scope.get("client"))
    try:
        yield partial(_count, tally, peer)
    except WireError as error:
        tally.refuse(peer, error.limit_name if isinstance(error, TooLargeError) else "not readable")
        raise


def _count(tally: Tally, peer: str, answer: Ingested) -> None:
    if answer.duplicate:
        return
    tally.store(answer.stored)
    for one in answer.rejected:
        tally.reject(peer, one.reason)
    tally.reject_more(answer.rejected_count - len(answer.rejected))


async def take_body(
    request: Request,
    service: Service,
    take: Callable[[Body, BodyClaim], T],
    *,
    said: Body,
    inner: str = "",
) -> T:
    """Read a request's body and let a thread `take` it, with what is `said` of it; see `take_in`."""
    encoding, key = _encoding(request.headers, inner), _key(request.headers)
    principal: Principal = request.scope["tamis.principal"]
    with service.bodies.enter() as claim:
        pieces = await _read(request, service, claim)
        body = replace(said, pieces=pieces, encoding=encoding, principal=principal.name, key=key)
        loop = asyncio.get_running_loop()
        with span("tamis.ingest", bytes=claim.held):
            return await _taken(loop.run_in_executor(service.writes, take, body, claim), claim)


async def _taken(taking: asyncio.Future[T], claim: BodyClaim) -> T:
    """What became of a body. A stop of the server calls it off as long as nothing of it is on its way into the store;
    from then on its true answer is waited for."""
    while True:
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            if taking.cancelled() or claim.call_off():
                raise
            stopped = asyncio.current_task()
            if stopped is not None:
                stopped.uncancel()


async def _read(request: Request, service: Service, claim: BodyClaim) -> list[bytes]:
    """The body in the pieces in which it came, within its limits of size, memory and patience."""
    limits = service.settings.server
    _check_length(request.headers.get("content-length"), service)
    loop = asyncio.get_running_loop()
    pieces: list[bytes] = []
    try:
        async with asyncio.timeout(limits.body_timeout_s) as patience:
            async for piece in request.stream():
                claim.grow(len(piece))
                if claim.held > limits.body_bytes_max:
                    raise _too_large(service)
                pieces.append(piece)
                patience.reschedule(loop.time() + limits.body_timeout_s)
    except TimeoutError:
        service.metrics.add("tamis_limits_met_total", 1, "server.body_timeout_s")
        raise ProblemError(408, f"No byte of the body came for {limits.body_timeout_s:g} s.") from None
    except ClientDisconnect:
        raise ProblemError(400, "The connection ended before the body did; nothing was stored.") from None
    return pieces


def _check_length(text: str | None, service: Service) -> None:
    if text is not None and text.isdigit() and int(text) > service.settings.server.body_bytes_max:
        raise _too_large(service)


def _too_large(service: Service) -> TooLargeError:
    service.metrics.add("tamis_limits_met_total", 1, "server.body_bytes_max")
    return TooLargeError("server.body_bytes_max", service.settings.server.body_bytes_max)


def _encoding(headers: Mapping[str, str], inner: str) -> str:
    name = headers.get("content-encoding", "").strip().lower()
    name = {"identity": "", "x-gzip": "gzip", inner: ""}.get(name, name)
    if name and name not in ENCODINGS:
        raise ProblemError(
            415, f"Content-Encoding {name[:100]!r} is not known here; use {', '.join(ENCODINGS)} or none."
        )
    return name


def _key(headers: Mapping[str, str]) -> str | None:
    key = headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= KEY_CHARS_MAX:
        raise ParameterError("Idempotency-Key", key, f"1 to {KEY_CHARS_MAX} characters")
    return key
