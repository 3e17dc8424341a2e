"""What senders sent that could not be kept, by protocol, with samples of the reasons."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tamis.query.times import print_instant
from tamis.server.listeners.tally import Tally
from tamis.server.openapi import add_read
from tamis.server.questions.answers import ProtocolObject, RejectionSample, RejectionsAnswer, encode_json
from tamis.server.questions.params import read_query
from tamis.server.service import service_of


async def rejections(request: Request) -> Response:
    """What became of what came, by protocol, since the server was started: how many records were stored and rejected,
    which bodies and connections were refused, and the newest reasons with their senders.
    """
    given = read_query(request, ())
    service = service_of(request)
    service.ready()
    answer = RejectionsAnswer([_object(tally) for tally in service.tallies.all()], list(given.warnings))
    return Response(encode_json(answer), media_type="application/json")


def _object(tally: Tally) -> ProtocolObject:
    samples = [
        RejectionSample(print_instant(one.at_ns), one.peer, one.reason, one.begin)
        for one in reversed(tally.samples)
    ]
    return ProtocolObject(
        tally.protocol, tally.stored, tally.rejected, tally.lost, dict(tally.refused), samples
    )


def add_rejections_route(router: APIRouter) -> None:
    """This route."""
    add_read(router, "/api/v1/rejections", rejections, (), answer="RejectionsAnswer", methods=("GET",))
