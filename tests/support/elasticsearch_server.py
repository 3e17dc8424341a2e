"""A small server that speaks Elasticsearch: real sockets, documents in memory, and faults on demand.

::

    with ElasticsearchServer() as server:
        server.script(refuse_with(429, retry_after="1"), times=2)   # faults: tests.support.faulty_server
        server.fail_items(lambda doc: "bad" in doc, status=400)     # items of a bulk
        ...
        assert server.count() == 3
"""

import base64
import json
from collections.abc import Callable
from typing import Any

from tests.support.elasticsearch_cluster import NAMED, REASONS, Cluster, ItemFault, Json
from tests.support.elasticsearch_index import Document, RefusedError
from tests.support.elasticsearch_search import filter_paths
from tests.support.faulty_server import FaultyServer, Reply, Request, json_reply


class ElasticsearchServer(FaultyServer):
    """Elasticsearch (or, with `distribution="opensearch"`, OpenSearch) as far as log shippers use it.

    With `user` and `password`, or `api_key`, it wants one of them. Data streams are indices whose name an index
    template with `data_stream` matches: they take `create` only, and want an `@timestamp`.
    """

    def __init__(
        self,
        *,
        distribution: str = "elasticsearch",
        user: str = "",
        password: str = "",
        api_key: str = "",
        health: str = "green",
    ) -> None:
        self.distribution, self.health = distribution, health
        self.cluster = Cluster()
        self._accepted = _credentials(user, password, api_key)
        super().__init__()

    def documents(self, pattern: str = "*") -> list[Document]:
        """What is stored, in the order it came, of all indices that match."""
        with self.lock:
            return self.cluster.documents(pattern)

    def sources(self, pattern: str = "*") -> list[Json]:
        """The bodies of `documents`."""
        return [doc.source for doc in self.documents(pattern)]

    def count(self, pattern: str = "*") -> int:
        """How many are stored."""
        return len(self.documents(pattern))

    def fail_items(
        self, chosen: Callable[[Json], bool], *, status: int = 429, times: float = float("inf")
    ) -> None:
        """Documents that `chosen` says true to fail in bulks, `times` times altogether: 429 (queue full), 400
        (mapping), 503 or any other status.
        """
        with self.lock:
            self.cluster.item_faults.append(ItemFault(chosen, status, times))

    def clear(self) -> None:
        """Nothing is wrong any more."""
        super().clear()
        with self.lock:
            self.cluster.item_faults = []

    def answer(self, request: Request) -> Reply:
        """As the cluster would."""
        if self._accepted and request.headers.get("authorization") not in self._accepted:
            reply = self.refused_reply(401, "missing authentication credentials")
            return Reply(401, reply.body, {**reply.headers, "WWW-Authenticate": 'Basic realm="security"'})
        try:
            status, body = self._routed(request)
        except RefusedError as refusal:
            return self._worded_refusal(refusal.status, refusal.kind, refusal.reason)
        except json.JSONDecodeError as error:
            return self._worded_refusal(400, "parse_exception", f"request body is not JSON: {error}")
        if "filter_path" in request.query and isinstance(body, dict):
            body = filter_paths(body, request.query["filter_path"].split(","))
        return json_reply(body, status, **self._product())

    def refused_reply(self, status: int, reason: str) -> Reply:
        """An error as Elasticsearch words it."""
        kind = {413: "content_too_long_exception", 401: "security_exception"}.get(status, "exception")
        return self._worded_refusal(status, REASONS.get(status, (kind, ""))[0], reason)

    def _worded_refusal(self, status: int, kind: str, reason: str) -> Reply:
        cause = {"type": kind, "reason": reason}
        return json_reply(
            {"error": {"root_cause": [cause], **cause}, "status": status}, status, **self._product()
        )

    def _product(self) -> dict[str, str]:
        return {"X-Elastic-Product": "Elasticsearch"} if self.distribution == "elasticsearch" else {}

    def _routed(self, request: Request) -> tuple[int, Any]:
        path = request.path.strip("/")
        parts = path.split("/") if path else []
        if not parts:
            return 200, self._greeting()
        if parts[-1] == "_bulk" and len(parts) <= 2:
            return 200, self.cluster.bulk(request, parts[0] if len(parts) == 2 else "")
        for kind in NAMED:
            if path == kind or path.startswith(f"{kind}/"):
                return self.cluster.by_name(request, kind, path[len(kind) + 1 :])
        if parts[0] == "_cluster" and parts[1:2] == ["health"]:
            return 200, {"cluster_name": "test", "status": self.health, "number_of_nodes": 1}
        if parts[-1] in ("_count", "_search", "_refresh"):
            return 200, self.cluster.asked(request, parts[-1], parts[0] if len(parts) == 2 else "*")
        if len(parts) >= 2 and parts[1] in ("_doc", "_create"):
            return self.cluster.document(request, parts)
        if len(parts) == 1 and not parts[0].startswith("_"):
            return self.cluster.whole_index(request, parts[0])
        raise RefusedError(400, "illegal_argument_exception", f"no handler for [{request.path}]")

    def _greeting(self) -> Json:
        version: Json = {"number": "8.15.0", "build_flavor": "default", "lucene_version": "9.11.1"}
        if self.distribution != "elasticsearch":
            version = {"number": "2.17.0", "distribution": self.distribution, "lucene_version": "9.11.1"}
        return {
            "name": "node-1",
            "cluster_name": "test",
            "version": version,
            "tagline": "You Know, for Search"
            if self.distribution == "elasticsearch"
            else "The OpenSearch Project: https://opensearch.org/",
        }


def _credentials(user: str, password: str, api_key: str) -> set[str]:
    found = set()
    if user:
        found.add(f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}")
    if api_key:
        found.add(f"ApiKey {api_key}")
    return found
