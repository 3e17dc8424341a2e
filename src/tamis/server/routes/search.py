"""Questions that give records, counts or tables."""

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tamis.server.openapi import add_read
from tamis.server.problems import ParameterError, ProblemError
from tamis.server.questions.answers import Read
from tamis.server.questions.asking import asking_of
from tamis.server.questions.parameters import QUESTION
from tamis.server.questions.params import Parameters, read_parameters
from tamis.server.service import Service, service_of
from tamis.store.base import Budget

NEIGHBOURS_MAX = 1_000
FACETS_MAX = 1_000

SEARCH = (*QUESTION, "limit", "order", "cursor")
HISTOGRAM = (*QUESTION, "interval", "by")
FACETS = (*QUESTION, "field", "limit")
PATTERNS = (*QUESTION, "limit")
CONTEXT = ("id", "before", "after")


LIGHT = frozenset({"search", "context"})
"""Kinds that do not wait for the others."""


async def _answered(
    request: Request, service: Service, kind: str, ask: Callable[[Budget], Read], *, given: Parameters
) -> Response:
    """The answer, kept from the same question before or computed, in the lane of its kind."""
    asking = service.repeats.knows(request.scope)
    if asking is None:
        asking = asking_of(kind, given, service.clock.now_ns())
        if asking is not None:
            service.repeats.learn(request.scope, asking)
    return await service.asker.answer(
        request, kind, ask, heavy=kind not in LIGHT, warnings=given.warnings, asking=asking
    )


async def search(request: Request) -> Response:
    """Records, newest first, a page at a time. `| sort`, `| limit` and `| fields` work in `q`."""
    given = await read_parameters(request, SEARCH)
    service = service_of(request)
    rows_max = service.settings.query.rows_max
    ask = partial(
        service.ready().searcher.search,
        given.asked(),
        limit=given.whole("limit", 100, least=1, most=rows_max) if given.text("limit") else None,
        order="asc" if given.choice("order", ("desc", "asc")) == "asc" else "desc",
        cursor=given.text("cursor"),
    )
    return await _answered(request, service, "search", ask, given=given)


async def count(request: Request) -> Response:
    """How many records there are."""
    given = await read_parameters(request, QUESTION)
    service = service_of(request)
    ask = partial(service.ready().searcher.count, given.asked())
    return await _answered(request, service, "count", ask, given=given)


async def histogram(request: Request) -> Response:
    """Counts over time, by the values of a field. Intervals without records are left out."""
    given = await read_parameters(request, HISTOGRAM)
    service = service_of(request)
    by = given.field("by") or "level"
    ask = partial(
        service.ready().searcher.histogram,
        given.asked(),
        interval=given.text("interval") or "auto",
        by=None if by == "none" else by,
    )
    return await _answered(request, service, "histogram", ask, given=given)


async def facets(request: Request) -> Response:
    """The most frequent values of a field."""
    given = await read_parameters(request, FACETS)
    service = service_of(request)
    ask = partial(
        service.ready().searcher.facets,
        given.asked(),
        field=given.required("field", "the name of a field"),
        limit=given.whole("limit", 10, least=1, most=FACETS_MAX),
    )
    return await _answered(request, service, "facets", ask, given=given)


async def fields(request: Request) -> Response:
    """Which fields there are, with their types and how often they occur."""
    given = await read_parameters(request, QUESTION)
    service = service_of(request)
    ask = partial(service.ready().searcher.fields, given.asked())
    return await _answered(request, service, "fields", ask, given=given)


async def stats(request: Request) -> Response:
    """The table that a query with `| stats …` gives. `| sort`, `| limit` and `| fields` work on its columns."""
    given = await read_parameters(request, QUESTION)
    service = service_of(request)
    ask = partial(service.ready().searcher.stats, given.asked())
    return await _answered(request, service, "stats", ask, given=given)


async def patterns(request: Request) -> Response:
    """What sentences there are, most frequent first; their counts and `unmatched` add up to the count."""
    given = await read_parameters(request, PATTERNS)
    service = service_of(request)
    ask = partial(service.ready().searcher.patterns, given.asked(), limit=_patterns_limit(given))
    return await _answered(request, service, "patterns", ask, given=given)


def _patterns_limit(given: Parameters) -> int | None:
    return None if given.text("limit") is None else given.whole("limit", 1, least=1, most=1_000_000)


async def context(request: Request) -> Response:
    """A record with what stands before and after it in its service and host."""
    given = await read_parameters(request, CONTEXT)
    service = service_of(request)
    ask = partial(
        service.ready().searcher.context,
        given.required("id", "the id of a record"),
        before=given.whole("before", 10, least=0, most=NEIGHBOURS_MAX),
        after=given.whole("after", 10, least=0, most=NEIGHBOURS_MAX),
    )
    return await _answered(request, service, "context", ask, given=given)


async def delete(request: Request) -> Response:
    """Hide what a query finds, at once and for good; its bytes are erased within a day. Refuses other parameters."""
    given = await read_parameters(request, QUESTION[:3])
    if given.warnings:  # a slip such as `strat` for `start` would delete more than was meant
        raise ProblemError(400, f"Nothing was deleted: {given.warnings[0]}.".replace("?.", "?"))
    q = given.values.get("q", "")
    if not isinstance(q, str):  # nothing is guessed of what is deleted
        raise ParameterError("q", q, "a text: the query")
    service = service_of(request)
    ask = partial(service.ready().searcher.delete, given.asked())
    return await service.asker.answer(request, "delete", ask)


def add_search_routes(router: APIRouter) -> None:
    """Register these routes."""
    add_read(router, "/api/v1/search", search, SEARCH, answer="Found")
    add_read(router, "/api/v1/count", count, QUESTION, answer="Count")
    add_read(router, "/api/v1/histogram", histogram, HISTOGRAM, answer="HistogramAnswer")
    add_read(router, "/api/v1/facets", facets, FACETS, answer="FacetsAnswer")
    add_read(router, "/api/v1/fields", fields, QUESTION, answer="FieldsAnswer")
    add_read(router, "/api/v1/stats", stats, QUESTION, answer="TableAnswer")
    add_read(router, "/api/v1/patterns", patterns, PATTERNS, answer="PatternsAnswer")
    add_read(router, "/api/v1/context", context, CONTEXT, answer="ContextAnswer")
    add_read(router, "/api/v1/delete", delete, QUESTION[:3], answer="Deleted", methods=("POST",))
