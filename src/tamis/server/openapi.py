"""How the API describes itself: routes registered with their parameters, and the document at /openapi.json."""

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from tamis.server.questions.answers import ANSWERS, RECORD_SCHEMA
from tamis.server.questions.parameters import PARAMETERS
from tamis.version import __version__
from tamis.wire.base import OWN_MEDIA_TYPE

REF = "#/components/schemas/{name}"
PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `detail` is a sentence; errors of queries carry `column` and `suggestion`, "
    "errors of parameters `parameter`, `value` and `allowed`.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}
_PROBLEMS = {
    "400": "The request is wrong; `detail` says where.",
    "401": "No credentials, or unknown ones.",
    "409": "It cannot be done as things stand; `detail` says why, and what to do.",
    "429": "Too much at a time; try again after `Retry-After` seconds.",
    "503": "Starting, stopping, or nothing more can be written.",
}


def problem_answers(*statuses: str) -> dict[int | str, dict[str, Any]]:
    """What the description says of answers that are problems."""
    content = {"application/problem+json": {"schema": {"$ref": REF.format(name="Problem")}}}
    return {status: {"description": _PROBLEMS[status], "content": content} for status in statuses}


def json_answer(name: str, description: str) -> dict[str, Any]:
    """What the description says of an answer that is one of ANSWERS."""
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": REF.format(name=name)}}},
    }


def add_read(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Any],
    parameters: tuple[str, ...],
    *,
    answer: str | None = None,
    content: dict[str, Any] | None = None,
    methods: tuple[str, ...] = ("GET", "POST"),
) -> None:
    """A route that takes its parameters from the query string, and by POST from a JSON body too."""
    description = (endpoint.__doc__ or "").strip()
    good = json_answer(answer, description) if answer else {"description": description, "content": content}
    for method in methods:
        router.add_api_route(
            path,
            endpoint,
            methods=[method],
            name=endpoint.__name__,
            operation_id=f"{endpoint.__name__}_{method.lower()}",
            summary=description.partition(".")[0] + ".",
            description=description,
            responses={200: good, **problem_answers("400", "401", "429", "503")},
            response_model=None,
            openapi_extra=_body(parameters) if method == "POST" else _query(parameters),
            tags=["read" if answer != "Deleted" else "write"],
        )


def _query(names: tuple[str, ...]) -> dict[str, Any]:
    rows = [PARAMETERS[name] for name in names]
    return {
        "parameters": [
            {"name": row.name, "in": "query", "required": False, "description": row.doc, "schema": row.schema}
            for row in rows
        ]
    }


def _body(names: tuple[str, ...]) -> dict[str, Any]:
    rows = [PARAMETERS[name] for name in names]
    properties = {row.name: {**row.schema, "description": row.doc} for row in rows}
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": schema}}}}


INGEST_OPERATION: dict[str, Any] = {
    "tags": ["write"],
    "summary": "Take in records.",
    "description": "One JSON object a line (or one array of objects). Good lines are stored together, safe when "
    "the answer comes; bad ones are rejected with their line and reason.",
    "operationId": "ingest_post",
    "parameters": [
        {"name": name, "in": place, "required": False, "description": doc, "schema": {"type": "string"}}
        for name, place, doc in (
            ("service", "query", "The service of records that name none."),
            ("host", "query", "The host of records that name none."),
            ("time_field", "query", "Where the time stands; tried before the usual names."),
            ("level_field", "query", "Where the level stands."),
            ("message_field", "query", "Where the message stands."),
            ("Idempotency-Key", "header", "A body sent again under its key is stored once."),
            ("Content-Encoding", "header", "gzip, deflate or zstd."),
        )
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"level":"info","message":"order placed","order_id":42}\n',
            },
            OWN_MEDIA_TYPE: {
                "schema": {
                    "type": "string",
                    "description": "Lines made by Tamis of records bounded before; they may be longer.",
                }
            },
        },
    },
    "responses": {
        "200": json_answer("Ingested", "Some or all records are stored, or were before under this key."),
        **problem_answers("400", "401", "429", "503"),
        "413": {"description": "The body, or what it decompresses to, is over its limit."},
        "415": {"description": "An unknown Content-Encoding."},
        "422": {"description": "The key came before with another body."},
        "507": {"description": "No space left on the disk."},
    },
}

_KEY_AND_ENCODING = INGEST_OPERATION["parameters"][-2:]
_REFUSALS = {
    **problem_answers("401"),
    "413": {"description": "The body, or what it decompresses to, is over its limit."},
    "415": {"description": "An unknown Content-Type or Content-Encoding."},
    "429": {"description": _PROBLEMS["429"]},
    "503": {
        "description": "Starting, stopping, or nothing more can be written; try again after `Retry-After`."
    },
}


def _protocol(
    operation_id: str, summary: str, *, description: str, bodies: tuple[str, ...], answers: dict[str, str]
) -> Any:
    """What the description says of a route of somebody else's protocol."""
    return {
        "tags": ["write"],
        "operationId": operation_id,
        "summary": summary,
        "description": f"{summary} {description}",
        "parameters": _KEY_AND_ENCODING,
        "requestBody": {
            "required": True,
            "content": {body: {"schema": {"type": "string"}} for body in bodies},
        },
        "responses": {**{code: {"description": text} for code, text in answers.items()}, **_REFUSALS},
    }


OTLP_OPERATION = _protocol(
    "otlp_logs_post",
    "Take in OpenTelemetry's logs.",
    description="OTLP/HTTP in protobuf or JSON; answered in the request's content type, errors as `google.rpc.Status`. "
    "The records' resource, scope, ids, severity and values are kept; `partialSuccess` says what was rejected and "
    "why.",
    bodies=("application/x-protobuf", "application/json"),
    answers={
        "200": "ExportLogsServiceResponse: what `partialSuccess` does not count is safe.",
        "400": "No OTLP request, or no record of it could be stored; nothing was.",
    },
)

LOKI_OPERATION = _protocol(
    "loki_push_post",
    "Take in a push to Loki.",
    description="JSON, or protobuf packed by snappy. Labels and structured metadata become fields and attributes.",
    bodies=("application/json", "application/x-protobuf"),
    answers={
        "204": "Everything is stored, safely.",
        "400": "No push, and nothing was stored; or `rejected` says which entries were not, and why.",
    },
)

GELF_OPERATION = _protocol(
    "gelf_post",
    "Take in GELF.",
    description="One message, or several on a line each; compressed or not, whatever the header says of it.",
    bodies=("application/json",),
    answers={
        "202": "Everything is stored, safely.",
        "400": "`rejected` says which messages were not stored, and why.",
    },
)

JOURNAL_OPERATION = _protocol(
    "journal_upload_post",
    "Take in entries of systemd's journal.",
    description="What systemd-journal-upload sends: a body that need not end is stored as it comes. Entries that were "
    "stored before, by their cursors, are not stored again.",
    bodies=("application/vnd.fdo.journal",),
    answers={"202": "Everything is stored, safely, or was before; the text says how many were rejected."},
)

BULK_OPERATION = _protocol(
    "bulk_post",
    "Take in a bulk, as Elasticsearch does.",
    description="Lines of actions and sources: `index` and `create` are stored, `update` and `delete` refused "
    "item by item. A document with an `_id` is stored once. `filter_path` chooses what of the answer is wanted.",
    bodies=("application/x-ndjson", "application/json"),
    answers={
        "200": "What became of each item: 201 is safe; 200 and 409 were stored before; else `error` says why not.",
        "400": "No action in the body.",
    },
)


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title="Tamis",
            version=__version__,
            description="Sifts logs: takes records in, keeps them safe, finds them again. Every request but health "
            "carries a token: `Authorization: Bearer TOKEN`.",
            routes=app.routes,
        )
        _, schemas = msgspec.json.schema_components(ANSWERS, ref_template=REF)
        components = document.setdefault("components", {})
        components["schemas"] = {**schemas, "Record": RECORD_SCHEMA, "Problem": PROBLEM}
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        document["paths"]["/api/v1/ingest"] = {"post": INGEST_OPERATION}
        document["paths"]["/v1/logs"] = {"post": OTLP_OPERATION}
        document["paths"]["/loki/api/v1/push"] = {"post": LOKI_OPERATION}
        document["paths"]["/_bulk"] = {"post": BULK_OPERATION}
        document["paths"]["/gelf"] = {"post": GELF_OPERATION}
        document["paths"]["/upload"] = {"post": JOURNAL_OPERATION}
        app.openapi_schema = document
    return app.openapi_schema
