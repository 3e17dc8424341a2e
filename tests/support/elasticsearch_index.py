"""One index: documents by id, and a mapping that grows with them and refuses what does not fit."""

import itertools
import re
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

NUMBER = re.compile(r"\s*-?\d+(\.\d+)?([eE][+-]?\d+)?\s*")
NUMERIC = frozenset({"long", "integer", "short", "byte", "float", "double", "half_float", "unsigned_long"})
NUMBERS = itertools.count(1)
ID_BYTES_MAX = 512


class RefusedError(Exception):
    """What the cluster answers instead: an HTTP status, a type and a reason."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        self.status, self.kind, self.reason = status, kind, reason
        super().__init__(reason)


@dataclass(frozen=True)
class Document:
    """A stored document; `number` is its place among all that any index ever stored."""

    index: str
    id: str
    source: Json
    version: int
    number: int


class Index:
    """Documents under their ids. Not thread-safe: the server holds its lock."""

    def __init__(self, name: str, mappings: Json, *, is_stream: bool = False) -> None:
        self.name, self.is_stream = name, is_stream
        self.documents: dict[str, Document] = {}
        self._types: dict[str, str] = {}
        self._is_dynamic = True
        self.map_fields(mappings)

    def map_fields(self, mappings: Json) -> None:
        """Take the fields that a template or a client gives."""
        self._is_dynamic = str(mappings.get("dynamic", self._is_dynamic)).lower() not in ("false", "strict")
        self._map(mappings.get("properties", {}), "")

    def mappings(self) -> Json:
        """The fields it knows, by their full names."""
        return {"properties": {name: {"type": kind} for name, kind in sorted(self._types.items())}}

    def put(self, doc_id: str | None, source: Any, *, create: bool) -> tuple[int, Json]:
        """Store a document; with `create` only under an id that is not there."""
        if not isinstance(source, dict):
            raise RefusedError(400, "document_parsing_exception", "the document is not an object")
        if self.is_stream:
            self._require_stream(source, create=create)
        doc_id = doc_id or f"auto-{next(NUMBERS):012d}"
        if len(doc_id.encode()) > ID_BYTES_MAX:
            reason = f"id [{doc_id[:20]}…] is too long, must be no longer than {ID_BYTES_MAX} bytes"
            raise RefusedError(400, "illegal_argument_exception", reason)
        before = self.documents.get(doc_id)
        if create and before is not None:
            reason = (
                f"[{doc_id}]: version conflict, document already exists (current version [{before.version}])"
            )
            raise RefusedError(409, "version_conflict_engine_exception", reason)
        types = dict(self._types)
        self._learn(source, "", types)
        self._types = types
        version = before.version + 1 if before else 1
        document = Document(self.name, doc_id, source, version, next(NUMBERS))
        self.documents[doc_id] = document
        told = {"_index": self._place(), "_id": doc_id, "_version": version, "_seq_no": document.number}
        result = "created" if before is None else "updated"
        return (201 if before is None else 200), {**told, "_primary_term": 1, "result": result}

    def delete(self, doc_id: str) -> tuple[int, Json]:
        """Remove a document."""
        found = self.documents.pop(doc_id, None)
        told = {"_index": self.name, "_id": doc_id, "result": "deleted" if found else "not_found"}
        return (200 if found else 404), told

    def _place(self) -> str:
        return f".ds-{self.name}-000001" if self.is_stream else self.name

    def _require_stream(self, source: Json, *, create: bool) -> None:
        if not create:
            reason = "only write ops with an op_type of create are allowed in data streams"
            raise RefusedError(400, "illegal_argument_exception", reason)
        if "@timestamp" not in source:
            reason = "data stream timestamp field [@timestamp] is missing"
            raise RefusedError(400, "document_parsing_exception", reason)

    def _map(self, properties: Json, prefix: str) -> None:
        for name, field in properties.items():
            if "properties" in field:
                self._types[prefix + name] = "object"
                self._map(field["properties"], f"{prefix}{name}.")
            else:
                self._types[prefix + name] = field.get("type", "object")

    def _learn(self, source: Json, prefix: str, types: dict[str, str]) -> None:
        for name, value in source.items():
            for element in _elements(value):
                self._learn_value(prefix + name, element, types)

    def _learn_value(self, name: str, value: Any, types: dict[str, str]) -> None:
        kind = types.get(name)
        if kind is None:
            if not self._is_dynamic:
                return
            kind = types[name] = _type_of(value)
        if not _fits(value, kind):
            reason = f"[1:1] failed to parse field [{name}] of type [{kind}]: {value!r}"
            raise RefusedError(400, "document_parsing_exception", reason)
        if isinstance(value, dict) and kind == "object":
            self._learn(value, f"{name}.", types)


def _elements(value: Any) -> list[Any]:
    """A field's values: null is none, a list is each of its elements."""
    if isinstance(value, list):
        return [inner for element in value for inner in _elements(element)]
    return [] if value is None else [value]


def _type_of(value: Any) -> str:
    kinds = {bool: "boolean", int: "long", float: "float", dict: "object"}
    return kinds.get(type(value), "text")


def _fits(value: Any, kind: str) -> bool:
    if kind in ("object", "flattened", "nested"):
        return isinstance(value, dict)
    if isinstance(value, dict):
        return False
    if kind == "boolean":
        return isinstance(value, bool) or value in ("true", "false", "")
    if kind in NUMERIC:
        return (
            not isinstance(value, bool)
            and ((isinstance(value, str) and bool(NUMBER.fullmatch(value))) or isinstance(value, int | float))
            and (kind != "long" or not isinstance(value, int) or -(2**63) <= value < 2**63)
        )
    if kind in ("date", "date_nanos"):
        return (
            isinstance(value, int | str)
            and not isinstance(value, bool)
            and (isinstance(value, int) or bool(re.match(r"\d{4}-\d\d-\d\d([T ]|$)|\d+$", value)))
        )
    return True
