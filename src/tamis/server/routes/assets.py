"""Tamis' own files, for another Tamis that has lost some of them."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from tamis.errors import UnmendedError
from tamis.integrity.manifest import FILE_NAME, print_manifest
from tamis.server.assets import AssetKeeper, assets_object
from tamis.server.openapi import problem_answers
from tamis.server.problems import ProblemError
from tamis.server.questions.answers import encode_json
from tamis.server.service import service_of

PATH = "/api/v1/assets"
BINARY = "application/octet-stream"


async def assets(request: Request) -> Response:
    """The server's own files: which version, whether each is whole, and what does not work without those that are
    not.
    """
    keeper = _keeper(request)
    return Response(encode_json(assets_object(keeper.manifest, keeper.report)), media_type="application/json")


async def asset_file(request: Request) -> Response:
    """A file of theirs, or the range of it that is asked for, and `manifest.json`, which says what each should be:
    what `tamis+https://TOKEN@host` as a mirror reads. Only files that are listed are given, and none that is damaged.
    """
    keeper = _keeper(request)
    path: str = request.path_params["path"]
    manifest = keeper.manifest
    if path == FILE_NAME and manifest is not None:
        data = await asyncio.to_thread(print_manifest, manifest)
        return ranged(data, request.headers.get("range"))
    if manifest is None or path not in manifest.by_path():
        raise ProblemError(404, f"No asset is called {path[:200]!r}; {PATH} lists them.")
    try:
        place = keeper.manager.place(path)
        facts = await asyncio.to_thread(place.stat)
    except UnmendedError as error:
        raise ProblemError(503, f"{error}.") from None
    except OSError as error:
        raise ProblemError(503, f"{path} cannot be read here any more ({error.strerror}).") from None
    return FileResponse(place, media_type=BINARY, stat_result=facts)


def ranged(data: bytes, asked: str | None) -> Response:
    """Bytes as an answer to a request for one range of them, or for all."""
    headers = {"Accept-Ranges": "bytes"}
    bounds = _bounds(asked, len(data))
    if bounds is None:
        return Response(data, media_type=BINARY, headers=headers)
    start, end = bounds
    if start >= len(data):
        return Response(status_code=416, headers={"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
    return Response(data[start:end], 206, media_type=BINARY, headers=headers)


def _bounds(asked: str | None, size: int) -> tuple[int, int] | None:
    """Begin and end of `bytes=BEGIN-END`; None for anything else, which asks for all."""
    unit, _, span = (asked or "").partition("=")
    first, _, last = span.partition("-")
    if unit != "bytes" or not first.isdecimal() or not (last == "" or last.isdecimal()):
        return None
    return int(first), min(int(last) + 1, size) if last else size


def _keeper(request: Request) -> AssetKeeper:
    return service_of(request).assets


def add_asset_routes(router: APIRouter) -> None:
    """Register these routes."""
    for path, handler in ((PATH, assets), (f"{PATH}/files/{{path:path}}", asset_file)):
        description = " ".join((handler.__doc__ or "").split())
        router.add_api_route(
            path,
            handler,
            methods=["GET"],
            name=handler.__name__,
            operation_id=handler.__name__,
            summary=description.partition(".")[0].partition(":")[0] + ".",
            description=description,
            responses=problem_answers("401", "503"),
            response_model=None,
            tags=["assets"],
        )
