"""Backups: how they stand, what there is, and having one made, verified, or brought back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tamis.backup.bring_back import Asked
from tamis.backup.desk import BackupDesk
from tamis.backup.jobs import JobView
from tamis.backup.restore import Span
from tamis.errors import BackupError, QueryError
from tamis.query.times import parse_instant, print_instant
from tamis.server.front.auth import Principal
from tamis.server.openapi import problem_answers
from tamis.server.problems import ParameterError, ProblemError
from tamis.server.questions.answers import json_response
from tamis.server.questions.params import BODY_BYTES_MAX, read_body
from tamis.server.service import Service, service_of

Handler = Callable[[Request], Awaitable[Response]]
PATH = "/api/v1/backups"


class RestoreRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which records are to come back."""

    snapshot: str = ""
    start: str | None = None
    end: str | None = None
    at: str | None = None
    store: str | None = None
    renew: bool = False


async def backups(request: Request) -> Response:
    """How backups stand, and every snapshot of the repository, oldest first."""
    desk = _desk(service_of(request))
    listed = await asyncio.to_thread(_told, desk.snapshots)
    snapshots = [_with_times(one) for one in listed["snapshots"]]
    body = {**_state(desk), "snapshots": snapshots, "damaged": listed["problems"]}
    return json_response(body)


async def backup_jobs(request: Request) -> Response:
    """What is being done about backups, and what was of late, newest first."""
    desk = _desk(service_of(request))
    return json_response({**_state(desk), "jobs": [_job(one) for one in desk.jobs.views()]})


async def create_backup(request: Request) -> Response:
    """Have a backup made now. It is done in the background; `/api/v1/backups/jobs` tells of it."""
    desk = _desk(service_of(request))
    return _accepted(_told(lambda: desk.ask_backup(_why(request))))


async def verify_backups(request: Request) -> Response:
    """Have every byte of the repository read back, in the background."""
    desk = _desk(service_of(request))
    return _accepted(_told(lambda: desk.ask_verify(_why(request))))


async def restore_backup(request: Request) -> Response:
    """Bring records of a snapshot back beside what is there, each once, in the background."""
    service = service_of(request)
    desk, asked = _desk(service), await _given(request, service.clock.now_ns())
    return _accepted(_told(lambda: desk.ask_restore(asked, _why(request))))


def _desk(service: Service) -> BackupDesk:
    return service.ready().backups


def _why(request: Request) -> str:
    principal: Principal = request.scope["tamis.principal"]
    return f"by {principal.name}"


def _told(work: Callable[[], Any]) -> Any:
    """What `work` gives; what cannot be done is a problem with its sentence."""
    try:
        return work()
    except BackupError as error:
        raise ProblemError(409, f"{error}.") from error


async def _given(request: Request, now_ns: int) -> Asked:
    body = await read_body(request, BODY_BYTES_MAX)
    try:
        given = msgspec.json.decode(body or b"{}", type=RestoreRequest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"The body does not say what to restore: {error}.") from None
    start, end, at = (
        _instant(name, text, now_ns)
        for name, text in (("start", given.start), ("end", given.end), ("at", given.at))
    )
    span = Span(start, end) if start is not None or end is not None else None
    return Asked(snapshot=given.snapshot, at_ns=at, span=span, renew=given.renew, store_id=given.store)


def _instant(name: str, text: str | None, now_ns: int) -> int | None:
    try:
        return None if text is None else parse_instant(text, now_ns)
    except QueryError as error:
        raise ParameterError(name, text or "", f"a time ({error.reason})") from None


def _state(desk: BackupDesk) -> dict[str, Any]:
    return _with_times(desk.state())


def _job(view: JobView) -> dict[str, Any]:
    return _with_times(msgspec.to_builtins(view))


def _with_times(given: dict[str, Any]) -> dict[str, Any]:
    """UTC nanoseconds as RFC 3339: `created_ns` becomes `created`."""
    made: dict[str, Any] = {}
    for name, value in given.items():
        if name.endswith("_ns"):
            made[name.removesuffix("_ns")] = None if value is None else print_instant(value)
        else:
            made[name] = _with_times(value) if isinstance(value, dict) else value
    return made


def _accepted(view: JobView) -> Response:
    return json_response({"job": _job(view)}, 202)


ROUTES: tuple[tuple[str, str, Handler, int], ...] = (
    ("GET", "", backups, 200),
    ("POST", "", create_backup, 202),
    ("GET", "/jobs", backup_jobs, 200),
    ("POST", "/verify", verify_backups, 202),
    ("POST", "/restore", restore_backup, 202),
)
_FIELDS = {
    "snapshot": "A snapshot's name or its beginning; the newest of this store by default.",
    "start": "Only records from then on.",
    "end": "Only records from before then.",
    "at": "As it was then: the newest snapshot of before.",
    "store": "The store whose snapshots are meant, where there are several.",
    "renew": "Records that retention would take away at once count as received now.",
}


def add_backup_routes(router: APIRouter) -> None:
    """Register these routes."""
    for method, path, handler, status in ROUTES:
        description = (handler.__doc__ or "").strip()
        router.add_api_route(
            PATH + path,
            handler,
            methods=[method],
            name=handler.__name__,
            operation_id=handler.__name__,
            summary=description.partition(".")[0] + ".",
            description=description,
            status_code=status,
            responses=problem_answers("400", "401", "409", "503"),
            response_model=None,
            openapi_extra=_body() if path == "/restore" else None,
            tags=["backups"],
        )


def _body() -> dict[str, Any]:
    kinds = {name: "boolean" if name == "renew" else "string" for name in _FIELDS}
    properties = {name: {"type": kinds[name], "description": text} for name, text in _FIELDS.items()}
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": schema}}}}
