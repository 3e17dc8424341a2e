"""What processes sent and this server never got."""

from dataclasses import asdict

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tamis.server.intake.gaps import Loss
from tamis.server.openapi import add_read
from tamis.server.questions.answers import LossesAnswer, LossObject, encode_json
from tamis.server.questions.params import read_query
from tamis.server.service import service_of


async def losses(request: Request) -> Response:
    """Records that never came: gaps in the numbers (`sequence`) that Tamis's pipeline gives the records of a process,
    open for longer than `ingest.gap_settle_s`. Known since the server was started; below the first number that came
    nothing counts as missing. What was refused to its sender is missing here too.
    """
    given = read_query(request, ())
    gaps = service_of(request).ready().ingester.gaps
    found = [_object(loss) for loss in gaps.losses()]
    answer = LossesAnswer(found, gaps.lost, gaps.processes, list(given.warnings))
    return Response(encode_json(answer), media_type="application/json")


def _object(loss: Loss) -> LossObject:
    facts = asdict(loss)
    return LossObject(lost=facts.pop("count"), **{**facts, "missing": list(loss.missing)})


def add_losses_route(router: APIRouter) -> None:
    """This route."""
    add_read(router, "/api/v1/losses", losses, (), answer="LossesAnswer", methods=("GET",))
