"""What the server is doing now: at once as JSON, or as server-sent events while it changes."""

import asyncio
from collections.abc import Iterator

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tamis.resilience.known import breaker_metrics
from tamis.server.openapi import add_read, json_answer
from tamis.server.questions.answers import encode_json, parse_record_id, record_id
from tamis.server.questions.params import read_query
from tamis.server.questions.status_answer import (
    PartsAnswer,
    StatusAnswer,
    breaker_object,
    degraded_object,
    event_object,
    work_object,
)
from tamis.server.routes.health import state_of
from tamis.server.service import Service, service_of
from tamis.server.status_feed import StatusViewer
from tamis.telemetry.status_model import Degraded, Look
from tamis.wire.sse import encode_event

STATUS = ("last_event_id",)
MEDIA_TYPE = "text/event-stream"
RETRY_MS = 1_000
_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]


async def status(request: Request) -> Response:
    """What the server is doing now: works with how far they are and how fast they go, what happened of late, what is
    degraded, and the circuit breakers. Server-sent events; one JSON answer for `Accept: application/json`.

    The stream begins with the event `snapshot` (the JSON answer), and goes on with `work` (one that began, got on or
    ended), `event`, and `parts` (the state, what is degraded, the breakers, when one changed). `Last-Event-ID` goes on
    where it was; when too much was missed for that, and after a start of the server, another `snapshot` takes the
    place of what was known.
    """
    given = read_query(request, STATUS)
    service = service_of(request)
    accepted = request.headers.get("accept", "")
    if "application/json" in accepted and MEDIA_TYPE not in accepted:
        answer = _answer(service, service.status.board.look(), list(given.warnings))
        return Response(encode_json(answer), media_type="application/json")
    last = request.headers.get("last-event-id") or given.text("last_event_id") or ""
    return StatusResponse(service, parse_record_id(last, service.status.board.id) or 0)


def _answer(service: Service, look: Look, warnings: list[str]) -> StatusAnswer:
    parts = _parts(service, look.degraded)
    return StatusAnswer(
        state=parts.state,
        position=record_id(service.status.board.id, look.position),
        works=[work_object(work) for work in look.works],
        events=[event_object(event) for event in look.events],
        degraded=parts.degraded,
        breakers=parts.breakers,
        warnings=warnings,
    )


def _parts(service: Service, degraded: list[Degraded]) -> PartsAnswer:
    return PartsAnswer(
        state=state_of(service),
        degraded=[degraded_object(one) for one in degraded],
        breakers=[breaker_object(one) for one in breaker_metrics()],
    )


class StatusResponse(Response):
    """A stream of events that ends with its reader, with its token, or with the server."""

    def __init__(self, service: Service, after: int) -> None:
        super().__init__()
        self._service, self._after = service, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until nobody reads any more."""
        service = self._service
        with service.status.watch() as viewer:
            leaving = [
                asyncio.ensure_future(_leave_with(receive, viewer)),
                asyncio.ensure_future(_leave_at(service.stopping, viewer)),
            ]
            try:
                await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
                await send(_body(f"retry: {RETRY_MS}\n\n".encode()))
                if "tamis.head" not in scope:
                    await self._send_looks(viewer, scope, send)
                await send({"type": "http.response.body", "body": b""})
            finally:
                for one in leaving:
                    one.cancel()

    async def _send_looks(self, viewer: StatusViewer, scope: Scope, send: Send) -> None:
        shown = _Shown(self._service)
        async for look in viewer.looks(self._after):
            if look is None and await self._service.auth.principal_of(scope) is None:
                return  # the token or session was taken back meanwhile
            await send(_body(b"".join(shown.events(look)) if look else b": nothing changed\n\n"))


class _Shown:
    """What one reader was shown, so that it is told of changes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._parts: object = None

    def events(self, look: Look) -> Iterator[bytes]:
        """The events that a look comes to."""
        board_id = self._service.status.board.id
        end = record_id(board_id, look.position)
        parts = _parts(self._service, look.degraded)
        stand = (parts.state, parts.degraded, [(one.name, one.state) for one in parts.breakers])
        is_news, self._parts = stand != self._parts, stand
        if look.is_whole:
            yield encode_event(encode_json(_answer(self._service, look, [])), name="snapshot", id=end)
            return
        told = [(work.seq, "work", encode_json(work_object(work))) for work in look.works]
        told += [(event.seq, "event", encode_json(event_object(event))) for event in look.events]
        for seq, name, data in sorted(told):
            yield encode_event(data, name=name, id=record_id(board_id, seq))
        if is_news:
            yield encode_event(encode_json(parts), name="parts", id=end)


def _body(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}


async def _leave_with(receive: Receive, viewer: StatusViewer) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.leave()


async def _leave_at(stopping: asyncio.Event, viewer: StatusViewer) -> None:
    await stopping.wait()
    viewer.leave()


def add_status_route(router: APIRouter) -> None:
    """Register this route."""
    content = {MEDIA_TYPE: {"schema": {"type": "string"}}, **json_answer("StatusAnswer", "")["content"]}
    add_read(router, "/api/v1/status", status, STATUS, content=content, methods=("GET",))
