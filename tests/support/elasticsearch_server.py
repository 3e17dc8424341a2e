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
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tests.support.elasticsearch_index import Document, Index, RefusedError
from tests.support.elasticsearch_search import filter_paths, hits_of
from tests.support.faulty_server import FaultyServer, Reply, Request, json_reply

Json = dict[str, Any]
NAMED = ("_index_template", "_component_template", "_ilm/policy", "_ingest/pipeline", "_data_stream")
"""What clients put, get and delete by name."""
ACTIONS = frozenset({"index", "create", "update", "delete"})
KINDS = ("application/json", "application/x-ndjson", "application/vnd.elasticsearch+")
REASONS = {
    429: ("es_rejected_execution_exception", "rejected execution of a write: the queue is full"),
    400: ("document_parsing_exception", "[1:1] failed to parse field [x] of type [long]"),
    503: ("unavailable_shards_exception", "primary shard is not active"),
}


@dataclass
class ItemFault:
    """Items of bulks that fail: those whose document is `chosen`, the next `left` of them."""

    chosen: Callable[[Json], bool]
    status: int
    left: float


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
        self.indices: dict[str, Index] = {}
        self.named: dict[str, dict[str, Json]] = {kind: {} for kind in NAMED}
        self._accepted = _credentials(user, password, api_key)
        self._item_faults: list[ItemFault] = []
        super().__init__()

    def documents(self, pattern: str = "*") -> list[Document]:
        """What is stored, in the order it came, of all indices that match."""
        with self.lock:
            found = [doc for index in self._matching(pattern) for doc in index.documents.values()]
        return sorted(found, key=lambda doc: doc.number)

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
            self._item_faults.append(ItemFault(chosen, status, times))

    def clear(self) -> None:
        """Nothing is wrong any more."""
        super().clear()
        with self.lock:
            self._item_faults = []

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
            return 200, self._bulk(request, parts[0] if len(parts) == 2 else "")
        for kind in NAMED:
            if path == kind or path.startswith(f"{kind}/"):
                return self._named(request, kind, path[len(kind) + 1 :])
        if parts[0] == "_cluster" and parts[1:2] == ["health"]:
            return 200, {"cluster_name": "test", "status": self.health, "number_of_nodes": 1}
        if parts[-1] in ("_count", "_search", "_refresh"):
            return 200, self._asked(request, parts[-1], parts[0] if len(parts) == 2 else "*")
        if len(parts) >= 2 and parts[1] in ("_doc", "_create"):
            return self._document(request, parts)
        if len(parts) == 1 and not parts[0].startswith("_"):
            return self._whole_index(request, parts[0])
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

    def _bulk(self, request: Request, index: str) -> Json:
        kind = request.headers.get("content-type", "")
        if request.method not in ("POST", "PUT") or not kind.startswith(KINDS):
            raise RefusedError(406, "media_type_header_exception", f"Content-Type [{kind}] is not supported")
        if not request.body.endswith(b"\n"):
            raise RefusedError(
                400,
                "illegal_argument_exception",
                "The bulk request must be terminated by a newline [\\n]",
            )
        items = [self._item(*action, index) for action in _actions(request.body)]
        return {
            "took": 1,
            "errors": any(item["status"] >= 300 for one in items for item in one.values()),
            "items": items,
        }

    def _item(self, op: str, meta: Json, source: Json, default_index: str) -> Json:
        name = meta.get("_index", default_index)
        told: Json = {"_index": name, "_id": meta.get("_id")}
        try:
            if not name:
                raise RefusedError(400, "action_request_validation_exception", "index is missing")
            self._fail_if_told(source)
            status, told = self._applied(name, meta.get("_id"), source, op=op)
            told["_shards"] = {"total": 2, "successful": 1, "failed": 0}
        except RefusedError as refusal:
            status = refusal.status
            told["error"] = {"type": refusal.kind, "reason": refusal.reason, "index": name}
        return {op: {**told, "status": status}}

    def _fail_if_told(self, source: Json) -> None:
        for fault in self._item_faults:
            if fault.left > 0 and fault.chosen(source):
                fault.left -= 1
                raise RefusedError(fault.status, *REASONS.get(fault.status, ("exception", "told to")))

    def _applied(self, name: str, doc_id: str | None, source: Json, *, op: str) -> tuple[int, Json]:
        if op == "delete":
            index = self.indices.get(name)
            return index.delete(doc_id or "") if index else (404, {"_index": name, "_id": doc_id})
        if op == "update":
            source = source["doc"] if "doc" in source else source.get("upsert") or {}
        return self._index(name).put(doc_id, source, create=op == "create")

    def _index(self, name: str) -> Index:
        if name not in self.indices:
            if (
                name.startswith(("_", "-", "+"))
                or name != name.lower()
                or re.search(r'[\\/*?"<>| ,#:]', name)
            ):
                raise RefusedError(400, "invalid_index_name_exception", f"Invalid index name [{name}]")
            template = self._template_for(name)
            mappings = template.get("template", {}).get("mappings", {})
            self.indices[name] = Index(name, mappings, is_stream="data_stream" in template)
        return self.indices[name]

    def _template_for(self, name: str) -> Json:
        fitting = [
            template
            for template in self.named["_index_template"].values()
            if any(fnmatchcase(name, pattern) for pattern in _list(template.get("index_patterns", [])))
        ]
        return max(fitting, key=lambda template: int(template.get("priority", 0)), default={})

    def _named(self, request: Request, kind: str, name: str) -> tuple[int, Any]:
        held = self.named[kind]
        if request.method in ("PUT", "POST"):
            held[name] = json.loads(request.body or b"{}")
            if kind == "_data_stream":
                self._index(name)
            return 200, {"acknowledged": True}
        found = {key: value for key, value in held.items() if fnmatchcase(key, name or "*")}
        if name and not found:
            raise RefusedError(404, "resource_not_found_exception", f"{kind} matching [{name}] not found")
        if request.method == "DELETE":
            for key in found:
                del held[key]
            return 200, {"acknowledged": True}
        if kind in ("_index_template", "_component_template"):
            word = kind.removeprefix("_")
            return 200, {f"{word}s": [{"name": key, word: value} for key, value in found.items()]}
        return 200, found

    def _asked(self, request: Request, what: str, pattern: str) -> Json:
        matching = list(self._matching(pattern))
        if not matching and "*" not in pattern:
            raise RefusedError(404, "index_not_found_exception", f"no such index [{pattern}]")
        shards = {"total": len(matching), "successful": len(matching), "skipped": 0, "failed": 0}
        if what == "_refresh":
            return {"_shards": shards}
        body = {
            **json.loads(request.body or b"{}"),
            **{k: int(v) for k, v in request.query.items() if k in ("size", "from")},
        }
        total, hits = hits_of(self.documents(pattern), body)
        if what == "_count":
            return {"count": total, "_shards": shards}
        told = {"value": total, "relation": "eq"}
        return {"took": 1, "timed_out": False, "_shards": shards, "hits": {"total": told, "hits": hits}}

    def _document(self, request: Request, parts: list[str]) -> tuple[int, Json]:
        name, doc_id = parts[0], parts[2] if len(parts) > 2 else None
        if request.method in ("PUT", "POST"):
            create = parts[1] == "_create" or request.query.get("op_type") == "create"
            source = json.loads(request.body)
            return self._applied(name, doc_id, source, op="create" if create else "index")
        if request.method == "DELETE":
            return self._applied(name, doc_id, {}, op="delete")
        doc = self.indices[name].documents.get(doc_id or "") if name in self.indices else None
        told: Json = {"_index": name, "_id": doc_id, "found": doc is not None}
        return (200, {**told, "_source": doc.source}) if doc else (404, told)

    def _whole_index(self, request: Request, name: str) -> tuple[int, Json]:
        if request.method == "PUT":
            if name in self.indices:
                raise RefusedError(400, "resource_already_exists_exception", f"index [{name}] already exists")
            self._index(name).map_fields(json.loads(request.body or b"{}").get("mappings", {}))
            return 200, {"acknowledged": True, "shards_acknowledged": True, "index": name}
        matching = list(self._matching(name))
        if not matching:
            raise RefusedError(404, "index_not_found_exception", f"no such index [{name}]")
        if request.method == "DELETE":
            for index in matching:
                del self.indices[index.name]
            return 200, {"acknowledged": True}
        return 200, {index.name: {"aliases": {}, "mappings": index.mappings()} for index in matching}

    def _matching(self, pattern: str) -> Iterator[Index]:
        patterns = ["*" if part == "_all" else part for part in pattern.split(",")]
        for name, index in list(self.indices.items()):
            if any(fnmatchcase(name, part) for part in patterns):
                yield index


def _actions(body: bytes) -> Iterator[tuple[str, Json, Json]]:
    lines = iter(body.split(b"\n"))
    for line in lines:
        if not line.strip():
            continue
        action = json.loads(line)
        if not isinstance(action, dict) or len(action) != 1 or not ACTIONS.issuperset(action):
            raise RefusedError(
                400, "illegal_argument_exception", f"Malformed action/metadata line: {line[:80]!r}"
            )
        ((op, meta),) = action.items()
        yield op, meta, {} if op == "delete" else json.loads(next(lines, b""))


def _credentials(user: str, password: str, api_key: str) -> set[str]:
    found = set()
    if user:
        found.add(f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}")
    if api_key:
        found.add(f"ApiKey {api_key}")
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
