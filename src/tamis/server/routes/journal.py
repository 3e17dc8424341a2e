"""systemd-journal-upload's requests, answered as systemd-journal-remote answers them."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tamis.server.intake.uploads import Upload
from tamis.server.listeners.allowed import peer_address
from tamis.server.listeners.keeping import Keeper
from tamis.server.service import service_of

MEDIA_TYPE = "application/vnd.fdo.journal"


async def journal_upload(request: Request) -> Response:
    """Take in entries of systemd's journal, in its export format: a body that need not end is stored as it comes. 202
    says that all of it is safe; what was stored before, by its cursors, is not stored again.
    """
    service = service_of(request)
    opened = service.ready()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        return PlainTextResponse(f"Content-Type: {MEDIA_TYPE} is required.\n", status_code=415)
    keeper = Keeper(opened, request.scope["tamis.principal"].name)
    peer = peer_address(request.scope.get("client"))
    upload = Upload(service, keeper, service.tallies.of("journal"), peer=peer)
    await upload.take(request)
    if upload.rejected:
        text = f"OK, but {upload.rejected} entries were rejected; {upload.stored} were stored.\n"
        return PlainTextResponse(text, status_code=202)
    return PlainTextResponse("OK.\n", status_code=202)


def journal_routes() -> list[Route]:
    """This route."""
    return [Route("/upload", journal_upload, methods=["POST"])]
