"""Where the server is put together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import TamisError
from tamis.metadata.accounts import ADMIN, Accounts
from tamis.metadata.database import open_database
from tamis.metadata.tokens import make_token
from tamis.server.front.auth import Authenticator
from tamis.server.front.gate import AnswerHeaders, Gate
from tamis.server.front.origins import Origins, origins_of
from tamis.server.front.rates import RateHeaders, Rates
from tamis.server.front.spoken import told_error
from tamis.server.front.traced import Traced
from tamis.server.intake.limits import BodyBudget
from tamis.server.local import is_loopback
from tamis.server.problems import ProblemError
from tamis.server.questions.ask import Asker
from tamis.server.questions.lanes import Lane, Slots, Turns
from tamis.server.questions.repeats import RepeatedAnswers, Repeats
from tamis.server.questions.tail import Tails
from tamis.server.routes.assets import add_asset_routes
from tamis.server.routes.backups import add_backup_routes
from tamis.server.routes.bulk import bulk_routes
from tamis.server.routes.elastic import elastic_routes
from tamis.server.routes.export import add_export_routes
from tamis.server.routes.gelf import gelf_routes
from tamis.server.routes.health import health_routes
from tamis.server.routes.ingest import ingest_routes
from tamis.server.routes.journal import journal_routes
from tamis.server.routes.loki import loki_routes
from tamis.server.routes.losses import add_losses_route
from tamis.server.routes.otlp import otlp_routes
from tamis.server.routes.pages import page_routes
from tamis.server.routes.profile import add_profile_route
from tamis.server.routes.rejections import add_rejections_route
from tamis.server.routes.repair import add_repair_routes
from tamis.server.routes.rules import add_rule_routes
from tamis.server.routes.saved import add_saved_routes
from tamis.server.routes.search import add_search_routes
from tamis.server.routes.status import add_status_route
from tamis.server.routes.tail import add_tail_route
from tamis.server.service import Service
from tamis.settings import Settings
from tamis.store.base import Store
from tamis.telemetry.metrics import Metrics
from tamis.telemetry.tracing import open_tracing
from tamis.version import __version__

TAIL_THREADS = 2
"""One looks for what came while the other reads for who comes back."""
WRITE_THREADS = 12
"""More than processors: most of them wait for one shared fsync."""

TELEMETRY_OFF: Any = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}


def create_service(settings: Settings, folder: Path | None, *, clock: Clock = SYSTEM_CLOCK) -> Service:
    """The parts without a store. `folder` holds meta.db; None keeps accounts in memory."""
    metrics = Metrics(process=True)
    metrics.set("tamis_build_info", 1, __version__)
    database = open_database(folder)
    accounts = Accounts(database, clock)
    query = settings.query
    heavy, light, export = (
        Turns(kind, running_max, setting, query.waiting_max, query.waiting_timeout_s)
        for kind, running_max, setting in (
            ("heavy", query.heavy_max, "query.heavy_max"),
            ("light", query.light_max, "query.light_max"),
            ("export", query.exports_max, "query.exports_max"),
        )
    )
    repeats = Repeats(query.cache_bytes, metrics=metrics, clock=clock)
    return Service(
        settings=settings,
        metrics=metrics,
        database=database,
        accounts=accounts,
        auth=Authenticator(accounts, metrics, clock),
        bodies=BodyBudget(
            settings.ingest.open_bytes_max, settings.server.ingest_waiting_max, metrics=metrics
        ),
        asker=Asker(
            heavy=Lane(heavy, metrics=metrics),
            light=Lane(light, metrics=metrics),
            repeats=repeats,
            timeout_s=query.timeout_s,
            metrics=metrics,
        ),
        repeats=repeats,
        tails=Tails(
            settings, lane=Lane(_tail_turns(settings), metrics=metrics), metrics=metrics, clock=clock
        ),
        exports=Slots(export, metrics=metrics),
        reads=ThreadPoolExecutor(query.exports_max, "tamis-export"),
        writes=ThreadPoolExecutor(WRITE_THREADS, "tamis-write"),
        folder=folder,
        clock=clock,
        tracing=open_tracing(settings),
    )


def _tail_turns(settings: Settings) -> Turns:
    """All viewers may come back at once: they wait for each other, none is refused."""
    waiting_max = settings.tail.viewers_max + 1
    return Turns("tail", TAIL_THREADS, "tail", waiting_max, settings.query.timeout_s)


def ensure_admin(service: Service) -> str | None:
    """At the first start, make the admin's token, or take it from the settings; return the one that was made:
    it is shown this once, and kept nowhere."""
    if service.accounts.token_hash(ADMIN) is not None:
        return None
    given = service.settings.server.admin_token
    token = given or make_token()
    service.accounts.set_token(ADMIN, token)
    service.auth.load()
    return None if given else token


def create_app(
    settings: Settings,
    store: Store | None = None,
    *,
    folder: Path | None = None,
    service: Service | None = None,
    clock: Clock = SYSTEM_CLOCK,
    lifespan: Callable[[FastAPI], Any] | None = None,
) -> FastAPI:
    """The application. Whoever gives the `store` closes it; without one, `service.set_store` comes later, and
    until then everything but health answers 503."""
    if service is None:
        service = create_service(settings, folder, clock=clock)
        ensure_admin(service)
    if store is not None:
        service.set_store(store)
    app = FastAPI(
        title="Tamis",
        version=__version__,
        telemetry=TELEMETRY_OFF,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan or _lifespan,
        exception_handlers=dict.fromkeys((ProblemError, TamisError, HTTPException), told_error),
    )
    app.state.service = service
    _add_routes(app)
    app.add_exception_handler(404, _not_found)
    app.add_exception_handler(405, _wrong_method)
    known = frozenset(str(getattr(route, "path", "")) for route in app.routes)
    app.user_middleware = _around(settings, service, known)
    return app


def _add_routes(app: FastAPI) -> None:
    router = app.router
    for add in (
        add_search_routes,
        add_export_routes,
        add_tail_route,
        add_status_route,
        add_losses_route,
        add_rejections_route,
        add_saved_routes,
        add_rule_routes,
        add_asset_routes,
        add_profile_route,
        add_backup_routes,
        add_repair_routes,
    ):
        add(router)
    router.routes.extend(
        [*ingest_routes(), *otlp_routes(), *loki_routes(), *gelf_routes(), *journal_routes()]
    )
    router.routes.extend([*health_routes(), *page_routes()])
    own = frozenset(str(getattr(route, "path", "")) for route in app.routes)
    router.routes.extend([*bulk_routes(), *elastic_routes(own)])  # last: these take other names before theirs


def _around(settings: Settings, service: Service, known: frozenset[str]) -> list[Middleware]:
    """What every request passes, the outermost first."""
    hosts = frozenset(map(str.lower, settings.server.hosts)) if is_loopback(settings.server.host) else None
    rates = Rates(settings, service.metrics, service.clock)
    return [
        Middleware(AnswerHeaders, service.metrics, known),
        *([Middleware(Traced, service.tracing, known)] if service.tracing else []),
        Middleware(Origins, origins_of(settings)),
        Middleware(RateHeaders, rates, service.clock),
        Middleware(Gate, service.auth, service.metrics, rates=rates, hosts=hosts),
        Middleware(RepeatedAnswers, service.repeats, service.metrics),
    ]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    opened = service.opened
    if opened is not None:
        opened.alerts.start()
        opened.backups.start()
        service.assets.start()
    yield
    service.stopping.set()
    await asyncio.to_thread(service.assets.close)
    if opened is not None:
        await asyncio.to_thread(opened.alerts.stop)
        await asyncio.to_thread(opened.backups.stop)


async def _not_found(request: Request, error: Exception) -> Response:
    return await told_error(
        request,
        ProblemError(404, f"There is nothing at {request.url.path[:200]}; /docs lists what there is."),
    )


async def _wrong_method(request: Request, error: Exception) -> Response:
    matching = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    methods = {method for route in matching for method in route.methods}
    if "GET" in methods:
        methods.add("HEAD")
    allowed = ", ".join(sorted(methods))
    problem = ProblemError(405, f"{request.url.path} takes {allowed}, not {request.method}.")
    problem.headers["Allow"] = allowed
    return await told_error(request, problem)
