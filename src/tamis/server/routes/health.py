"""Whether the server lives, is ready, and what it counts: said at once, whatever else is going on."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tamis.server.questions.answers import encode_json
from tamis.server.service import Service, service_of
from tamis.store.base import StoreHealth
from tamis.telemetry.metrics import Metrics
from tamis.version import __version__

STATES = ("ready", "degraded", "closed")


async def healthz(request: Request) -> Response:
    """Alive: 200 as long as the process answers."""
    service = service_of(request)
    return _answer(200, _state(service, is_known(request)))


async def readyz(request: Request) -> Response:
    """Ready to take and answer: 200, also when degraded; 503 while starting, stopping or closed."""
    body = _state(service_of(request), is_known(request))
    return _answer(200 if body["status"] in ("ready", "degraded") else 503, body)


def is_known(request: Request) -> bool:
    """Whether credentials came with the request: problems name files, strangers only learn their number."""
    return request.scope.get("tamis.principal") is not None


def state_of(service: Service) -> str:
    """In a word: starting, ready, degraded, stopping or closed."""
    return str(_state(service, None)["status"])


def _state(service: Service, details: object) -> dict[str, Any]:
    if service.stopping.is_set():
        return {"status": "stopping", "problems_count": 0}
    if service.opened is None or not service.is_listening:
        return {"status": "starting", "problems_count": 0}
    health = service.opened.store.health()
    problems = [*health.problems, *service.opened.backups.problems()]
    body: dict[str, Any] = {"status": health.state, "problems_count": len(problems)}
    if details:
        body |= {
            "problems": problems,
            "records": health.records,
            "bytes_on_disk": health.bytes_on_disk,
            "store": service.opened.store.store_id,
            "version": __version__,
            "facts": health.facts,
        }
    return body


def _answer(status: int, body: dict[str, Any]) -> Response:
    return Response(encode_json(body), status_code=status, media_type="application/json")


async def metrics(request: Request) -> Response:
    """Everything the server counts, for Prometheus."""
    service = service_of(request)
    service.executors.set()
    service.breakers.refresh()
    service.repeats.measure()
    if service.opened is not None:
        _set_health(service.metrics, service.opened.store.health())
        service.opened.ingester.gaps.losses()
    return Response(service.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _set_health(metrics: Metrics, health: StoreHealth) -> None:
    metrics.set("tamis_store_records", health.records)
    metrics.set("tamis_store_bytes", health.bytes_on_disk)
    metrics.set("tamis_store_damaged_segments", health.facts.get("lost_segments", 0))
    metrics.set("tamis_store_lost_records", health.facts.get("lost_records", 0))
    metrics.set("tamis_store_scrub_rounds", health.facts.get("scrub_rounds", 0))
    metrics.set("tamis_store_scrubbed_bytes", health.facts.get("scrubbed_bytes", 0))
    for state in STATES:
        metrics.set("tamis_store_state", int(state == health.state), state)


def health_routes() -> list[Route]:
    """These routes."""
    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]
