"""Records while they come, as server-sent events."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tamis.server.openapi import add_read
from tamis.server.problems import ParameterError, ProblemError
from tamis.server.questions.answers import parse_record_id, record_id
from tamis.server.questions.params import read_query
from tamis.server.questions.tail import Viewer, Watched, watched
from tamis.server.service import Service, service_of

TAIL = ("q", "last_event_id")
RESUMES = (
    "A tail shows what comes from now on; last_event_id, or the header Last-Event-ID, with a record's id or the as_of "
    "of an answer, has it begin behind that. What was there before is /api/v1/search's to show."
)
MEDIA_TYPE = "text/event-stream"
RETRY_MS = 1_000
"""How long a browser waits before it comes back."""
_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]


async def tail(request: Request) -> Response:
    """Records while they come, as server-sent events in order of arrival; `Last-Event-ID` goes on where it was.

    Other parameters are refused: `start`, `as_of` and `limit` mean nothing to records that are still to come.
    Each event has a record's `id` and its JSON, as `/api/v1/search` shows it. The event `missed` tells how many
    records a slow reader was not sent, `error` why the stream ends. `| fields` works.
    """
    given = read_query(request, TAIL)
    if given.warnings:
        raise ProblemError(400, f"{given.warnings[0][:1].upper()}{given.warnings[0][1:]}. {RESUMES}")
    service = service_of(request)
    store = service.ready().store
    asked = watched(given.text("q") or "")
    return TailResponse(service, asked, _after(request, given.text("last_event_id"), store.store_id))


def _after(request: Request, given: str | None, store_id: str) -> int | None:
    """The sequence to go on after: a browser that comes back says it by a header."""
    name, text = "Last-Event-ID", request.headers.get("last-event-id")
    if not text:
        name, text = "last_event_id", given
    if not text:
        return None
    seq = parse_record_id(text, store_id)
    if seq is None:
        raise ParameterError(name, text, "the id of a record, or the as_of of an answer, of this store")
    return seq


class TailResponse(Response):
    """A stream of events that ends with its reader, or with the server."""

    def __init__(self, service: Service, asked: Watched, after: int | None) -> None:
        super().__init__()
        self._service, self._asked, self._after = service, asked, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until nobody reads any more."""
        service = self._service
        store = service.ready().store
        with service.tails.watch(self._asked, store) as viewer:
            leaving = asyncio.ensure_future(_leave_with(receive, viewer))
            begins = viewer.position if self._after is None else self._after
            try:
                await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
                await send(_body(_mark(f"retry: {RETRY_MS}", store.store_id, begins)))
                if "tamis.head" not in scope:
                    async for data in viewer.events(self._after):
                        if not data and await service.auth.principal_of(scope) is None:
                            break  # the token or session was taken back meanwhile
                        await send(_body(data or _mark(": nothing came", store.store_id, viewer.position)))
                await send({"type": "http.response.body", "body": b""})
            finally:
                leaving.cancel()


def _mark(said: str, store_id: str, position: int) -> bytes:
    """An event without data: nothing is shown, but who comes back goes on from here."""
    return f"{said}\nid: {record_id(store_id, position)}\n\n".encode()


def _body(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}


async def _leave_with(receive: Receive, viewer: Viewer) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.leave()


def add_tail_route(router: APIRouter) -> None:
    """Register this route."""
    content = {MEDIA_TYPE: {"schema": {"type": "string"}}}
    add_read(router, "/api/v1/tail", tail, TAIL, content=content, methods=("GET",))
