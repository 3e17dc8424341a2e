"""What Elasticsearch's clients ask before they write: health, licence, templates, policies, indices.

Tamis has none of the things that are put here: every record is kept as it comes. So what is put is acknowledged and
not kept, and what is asked for is not there.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from tamis.server.intake.elastic import PRODUCT, VERSION, elastic_error, elastic_response, error_body, started
from tamis.server.service import service_of

COLOURS = {"ready": "green", "degraded": "yellow", "closed": "red"}
SHARDS = {"_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0}}
KEPT_NOWHERE = (
    "_index_template",
    "_component_template",
    "_template",
    "_ilm/policy",
    "_ingest/pipeline",
    "_data_stream",
)
"""What clients put before they begin."""

Handler = Callable[[Request], Awaitable[Response]]


def _said(make: Callable[[Request], Any]) -> Handler:
    """A handler that answers with what is made."""

    async def handler(request: Request) -> Response:
        try:
            await started(service_of(request))
            return elastic_response(request, make(request))
        except Exception as error:  # the edge: answered as these clients read it
            return await elastic_error(request, error)

    return handler


def _health(request: Request) -> dict[str, Any]:
    state = service_of(request).ready().store.health().state
    nothing = ("relocating_shards", "initializing_shards", "unassigned_shards", "delayed_unassigned_shards")
    waiting = ("number_of_pending_tasks", "number_of_in_flight_fetch", "task_max_waiting_in_queue_millis")
    return {
        "cluster_name": "tamis",
        "status": COLOURS[state],
        "timed_out": False,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": 1,
        "active_shards": 1,
        **dict.fromkeys((*nothing, *waiting), 0),
        "active_shards_percent_as_number": 100.0,
    }


async def cat_health(request: Request) -> Response:
    """The health in a line of text, as `rsyslog` asks for it."""
    state = (await started(service_of(request))).store.health().state
    line = f"{request.app.state.service.clock.now_ns() // 10**9} tamis {COLOURS[state]} 1 1 1 1 0 0 0 0 - 100.0%\n"
    return Response(line, headers=PRODUCT, media_type="text/plain; charset=UTF-8")


def _license(request: Request) -> dict[str, Any]:
    return {
        "license": {**_basic(request), "issued_to": "tamis", "issuer": "tamis", "start_date_in_millis": -1}
    }


def _basic(request: Request) -> dict[str, Any]:
    uid = service_of(request).ready().store.store_id
    return {"uid": uid, "type": "basic", "mode": "basic", "status": "active"}


def _xpack(request: Request) -> dict[str, Any]:
    features = {
        name: {"available": False, "enabled": False} for name in ("ilm", "ml", "monitoring", "security")
    }
    return {"build": {"hash": VERSION}, "license": _basic(request), "features": features}


def _nodes(request: Request) -> dict[str, Any]:
    store_id = service_of(request).ready().store.store_id
    address = request.headers.get("host", "")
    node = {
        "name": "tamis",
        "host": address.rpartition(":")[0] or address,
        "version": VERSION,
        "roles": ["data", "ingest", "master"],
        "http": {"bound_address": [address], "publish_address": address},
    }
    counts = {"total": 1, "successful": 1, "failed": 0}
    return {"_nodes": counts, "cluster_name": "tamis", "nodes": {store_id: node}}


def _acknowledged(request: Request) -> dict[str, Any]:
    return {"acknowledged": True}


def _index_made(request: Request) -> dict[str, Any]:
    return {"acknowledged": True, "shards_acknowledged": True, "index": request.path_params["index"]}


class IndexRoute(Route):
    """Takes any first name that is none of the server's `own`, by its methods alone: all else is not found as ever."""

    def __init__(self, endpoint: Handler, *, methods: list[str], own: Collection[str]) -> None:
        super().__init__("/{index}", endpoint, methods=methods)
        self._own = frozenset(own)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this route is meant."""
        found, more = super().matches(scope)
        if found is not Match.FULL or scope["path"] in self._own:
            return Match.NONE, {}
        return found, more


async def missing(request: Request) -> Response:
    """404: nothing of the kind is kept here."""
    what = request.url.path[:200]
    reason = f"there is nothing at {what}: Tamis keeps records, and none of what is put around them"
    return elastic_response(request, error_body(404, "resource_not_found_exception", reason), 404)


def elastic_routes(own: Collection[str]) -> list[Route]:
    """These routes; `own` are the paths of the server itself, which are no indices."""
    routes = [
        Route("/_cluster/health", _said(_health), methods=["GET"]),
        Route("/_cluster/health/{index}", _said(_health), methods=["GET"]),
        Route("/_cat/health", cat_health, methods=["GET"]),
        Route("/_license", _said(_license), methods=["GET"]),
        Route("/_xpack", _said(_xpack), methods=["GET"]),
    ]
    routes += [
        Route(path, _said(_nodes), methods=["GET"])
        for path in ("/_nodes", "/_nodes/http", "/_nodes/_all/http")
    ]
    routes += [
        Route(f"{index}/{name}", _said(lambda _: SHARDS), methods=["GET", "POST"])
        for index in ("", "/{index}")
        for name in ("_refresh", "_flush")
    ]
    for kind in KEPT_NOWHERE:
        routes.append(Route(f"/{kind}/{{name}}", _said(_acknowledged), methods=["PUT", "POST"]))
        routes.append(Route(f"/{kind}/{{name}}", missing, methods=["GET", "DELETE"]))
    for path in ("/_alias/{name}", "/{index}/_alias", "/{index}/_alias/{name}"):
        routes.append(Route(path, _said(_acknowledged), methods=["PUT", "POST"]))
        routes.append(Route(path, missing, methods=["GET", "DELETE"]))
    routes.append(IndexRoute(_said(_index_made), methods=["PUT"], own=own))
    return routes
