"""What an Elasticsearch cluster holds, and what it does with it when it is asked."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tests.support.elasticsearch_index import Document, Index, RefusedError
from tests.support.elasticsearch_search import hits_of
from tests.support.faulty_server import Request

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


class Cluster:
    """Indices and named things. Not thread-safe: the server holds its lock. What it does not do is a
    RefusedError.
    """

    def __init__(self) -> None:
        self.indices: dict[str, Index] = {}
        self.named: dict[str, dict[str, Json]] = {kind: {} for kind in NAMED}
        self.item_faults: list[ItemFault] = []

    def documents(self, pattern: str) -> list[Document]:
        """What is stored in the indices that match, in the order it came."""
        found = [doc for index in self.matching(pattern) for doc in index.documents.values()]
        return sorted(found, key=lambda doc: doc.number)

    def bulk(self, request: Request, index: str) -> Json:
        """Do each action of a bulk, on its own; a malformed one refuses the whole before anything is done."""
        kind = request.headers.get("content-type", "")
        if request.method not in ("POST", "PUT") or not kind.startswith(KINDS):
            raise RefusedError(406, "media_type_header_exception", f"Content-Type [{kind}] is not supported")
        if not request.body.endswith(b"\n"):
            raise RefusedError(
                400,
                "illegal_argument_exception",
                "The bulk request must be terminated by a newline [\\n]",
            )
        items = [self._item(*action, index) for action in list(_actions(request.body))]
        return {
            "took": 1,
            "errors": any(item["status"] >= 300 for one in items for item in one.values()),
            "items": items,
        }

    def _item(self, op: str, meta: Json, text: bytes, default_index: str) -> Json:
        name = meta.get("_index", default_index)
        told: Json = {"_index": name, "_id": meta.get("_id")}
        try:
            if not name:
                raise RefusedError(400, "action_request_validation_exception", "index is missing")
            source = _source_of(text)
            self._fail_if_told(source)
            status, told = self._applied(name, meta.get("_id"), source, op=op)
            told["_shards"] = {"total": 2, "successful": 1, "failed": 0}
        except RefusedError as refusal:
            status = refusal.status
            told["error"] = {"type": refusal.kind, "reason": refusal.reason, "index": name}
        return {op: {**told, "status": status}}

    def _fail_if_told(self, source: Json) -> None:
        for fault in self.item_faults:
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

    def by_name(self, request: Request, kind: str, name: str) -> tuple[int, Any]:
        """Put, get or delete a template, a pipeline, a policy or a data stream."""
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

    def asked(self, request: Request, what: str, pattern: str) -> Json:
        """Count, search or refresh."""
        matching = list(self.matching(pattern))
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

    def document(self, request: Request, parts: list[str]) -> tuple[int, Json]:
        """Store, get or delete one document."""
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

    def whole_index(self, request: Request, name: str) -> tuple[int, Json]:
        """Make, look at or delete an index."""
        if request.method == "PUT":
            if name in self.indices:
                raise RefusedError(400, "resource_already_exists_exception", f"index [{name}] already exists")
            self._index(name).map_fields(json.loads(request.body or b"{}").get("mappings", {}))
            return 200, {"acknowledged": True, "shards_acknowledged": True, "index": name}
        matching = list(self.matching(name))
        if not matching:
            raise RefusedError(404, "index_not_found_exception", f"no such index [{name}]")
        if request.method == "DELETE":
            for index in matching:
                del self.indices[index.name]
            return 200, {"acknowledged": True}
        return 200, {index.name: {"aliases": {}, "mappings": index.mappings()} for index in matching}

    def matching(self, pattern: str) -> Iterator[Index]:
        """The indices whose name fits a pattern, or one of several."""
        patterns = ["*" if part == "_all" else part for part in pattern.split(",")]
        for name, index in list(self.indices.items()):
            if any(fnmatchcase(name, part) for part in patterns):
                yield index


def _actions(body: bytes) -> Iterator[tuple[str, Json, bytes]]:
    """Action, its metadata and the text of its document, which is nobody's business before its turn comes."""
    lines = iter(body.split(b"\n")[:-1])
    for line in lines:
        if not line.strip():
            continue
        action = json.loads(line)
        if not isinstance(action, dict) or len(action) != 1 or not ACTIONS.issuperset(action):
            reason = f"Malformed action/metadata line: {line[:80]!r}"
            raise RefusedError(400, "illegal_argument_exception", reason)
        ((op, meta),) = action.items()
        text = b"{}" if op == "delete" else next(lines, None)
        if text is None:
            raise RefusedError(400, "illegal_argument_exception", "the last action has no document")
        yield op, meta, text


def _source_of(text: bytes) -> Json:
    try:
        source = json.loads(text.decode("utf-8"), parse_constant=_no_number)
    except ValueError as error:
        raise RefusedError(400, "document_parsing_exception", f"failed to parse: {error}") from error
    if not isinstance(source, dict):
        raise RefusedError(400, "document_parsing_exception", "the document is not an object")
    return source


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
