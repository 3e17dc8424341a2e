"""Write docs/reference/http.md from the server's routes and its OpenAPI document."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from tamis.server.app import create_app
from tamis.server.openapi import describe
from tamis.settings import Settings

PLACE = Path(__file__).resolve().parents[1] / "docs/reference/http.md"
QUESTION = ("q", "start", "end", "as_of")
SHARED = ("as_of", "took_ms", "warnings")
HEAD = """\
# HTTP

<!-- Written by `make docs` from the server's routes and its OpenAPI document. -->

A running server describes itself: `/docs` for people, `/openapi.json` for programs.

- **Token.** Every request but health and the sign-in page carries one: `Authorization: Bearer TOKEN`; shippers may
  send it as the password of `Basic`, or as `ApiKey`. A browser has a session cookie instead.
- **Times** are RFC 3339, epoch numbers (s, ms, us or ns by their size) or relative, like `-15m`. Without `start` and
  `end`: everything. Answers have RFC 3339 in UTC. Times that move with the clock count from whole seconds, a beginning
  from the second before and an end from the one after, so that a question asked again within one is the same.
- **Reads** take their parameters in the query string, or by `POST` as a JSON object. Every answer has `as_of`
  (give it back as a parameter, and the same question has the same answer although records keep arriving),
  `took_ms`, and `warnings`: a damaged file that could not be looked into, a limit that was met, and hints where the
  query probably says something else than was meant, such as a slip or a field that no record has
  ([all of them](query-language.md#errors-and-limits)).
- **The question** is the same everywhere: `q` is a query of the [language](query-language.md), empty is everything;
  `start` and `end` bound the time of the records, `end` not included; `as_of` repeats an earlier read.
- **Errors** are RFC 9457 problems, `application/problem+json`: `detail` is a sentence; an error in a query has its
  `column`. `429` and `503` have `Retry-After`: nothing was done, and the same request may be sent again.
  One `503` cannot know: when the disk fails while a batch is written (`the store takes nothing more`), that batch may
  be found whole at the next start; under the same `Idempotency-Key` it is stored once in any case.
  Questions take turns: so many of a kind run, so many wait and no longer than `query.waiting_timeout_s`
  ([settings](settings.md#query)), and the others are answered `429` at once; `Retry-After` says when those who wait
  now will have had their turn. A question whose caller goes away is called off.
- **Repeats** are answered from memory while the store has not changed: never with anything but what a new answer
  would say. `took_ms` is the time of this answer.
- **Permalinks**: `/?id=RECORD` opens a record with what stands before and after it, `/?q=QUERY&start=…&end=…&as_of=…` a
  search as it stood then ([how](../how-to/share-what-was-found.md)).
- **Heads** over `server.header_bytes_max`, trailers included, are answered `431`; a request with two Host headers,
  with one that is none, with two tokens, or with more than one `Content-Length` (also a list of equal values, which
  RFC 9110 lets a server refuse), `400`. The connection then closes: what its caller still sends is read over for a
  moment, so that it gets the answer.
- **At a stop** questions and bodies that are whole come to their end within `server.stop_grace_s`; a body that still
  comes after a quarter of it (2 s at most) is answered `503` with `Retry-After`, and nothing of it is stored; the
  same hears at the end of the grace who sent a body whose records are not on their way into the store by then. The
  others get their true answer, however long the store takes. Only uploads of journals are stored as they come, up to
  there.
- **Elasticsearch's and OpenSearch's clients** (by their `User-Agent`, their media types, or a path of theirs) get
  errors in Elasticsearch's form instead of problems.
"""


def api() -> FastAPI:
    """The server's routes, without a server: nothing stays open behind them."""
    app = create_app(Settings())
    app.state.service.accounts.close()
    return app


def reference() -> str:
    """The whole page."""
    app = api()
    document = describe(app)
    sections = [_operation(path, methods, document) for path, methods in document["paths"].items()]
    return (
        HEAD
        + "".join(sections)
        + "\n".join(["", "## Other routes", "", *_others(app, document["paths"]), ""])
    )


def _operation(path: str, methods: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    first = next(iter(methods.values()))
    lines = [
        f"\n## `{path}`",
        "",
        f"`{' | '.join(method.upper() for method in methods)}` {first['description']}",
    ]
    if asks := [name for name in _names(first) if name in QUESTION]:
        lines += ["", f"The question: {', '.join(f'`{name}`' for name in asks)}."]
    if rows := list(_parameters(first)):
        lines += ["", "| parameter | what it is |", "|---|---|", *rows]
    if rows := list(_answer(first, document["components"]["schemas"])):
        lines += ["", "| the answer's | type | what it is |", "|---|---|---|", *rows]
    if more := {code: text for code, text in _failures(first) if code not in ("400", "401", "429", "503")}:
        lines += ["", *(f"- `{code}`: {text}" for code, text in more.items())]
    return "\n".join([*lines, ""])


def _names(operation: Mapping[str, Any]) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    properties = content.get("application/json", {}).get("schema", {}).get("properties", {})
    return [*(row["name"] for row in operation.get("parameters", [])), *properties]


def _parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    for row in operation.get("parameters", []):
        if row["name"] in QUESTION:
            continue
        header = ", a header" if row["in"] == "header" else ""
        yield f"| `{row['name']}`{header} | {row['description']}{_allowed(row['schema'])} |"
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    for name, row in schema.get("properties", {}).items():
        if name in QUESTION:
            continue
        yield f"| `{name}` | {row['description']}{_allowed(row)} |"


def _allowed(schema: Mapping[str, Any]) -> str:
    choices = f" One of {', '.join(f'`{choice}`' for choice in schema['enum'])}." if "enum" in schema else ""
    default = f" Default `{schema['default']}`." if "default" in schema else ""
    return choices + default


def _answer(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    content = operation["responses"].get("200", {}).get("content") or {}
    target = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    answer = schemas.get(target.rpartition("/")[2], {})
    for name, row in answer.get("properties", {}).items():
        if name not in SHARED:
            inner = schemas.get(_reference(row).rpartition("/")[2], {})
            about = row.get("description") or inner.get("description") or ""
            parts = ", ".join(f"`{part}`" for part in inner.get("properties", {}))
            yield f"| `{name}` | {_type(row)} | {f'{about} ({parts})' if parts else about} |"


def _reference(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"])
    inner = [*schema.get("anyOf", []), schema.get("items") or {}]
    return next((target for choice in inner if choice and (target := _reference(choice))), "")


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(choice) for choice in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items') or {})}"
    return str(schema.get("type") or ("object" if "$ref" in schema else "any"))


def _failures(operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for code, answer in operation["responses"].items():
        if not code.startswith("2"):
            yield code, answer["description"]


def _others(app: FastAPI, described: Mapping[str, Any]) -> Iterator[str]:
    yield "| route | what it is |"
    yield "|---|---|"
    for route in app.routes:
        path, methods = getattr(route, "path_format", ""), sorted(getattr(route, "methods", None) or ())
        if path not in described:
            doc = " ".join((getattr(route, "endpoint", route).__doc__ or "").split()).replace("|", "\\|")
            yield f"| `{path}`<br>{', '.join(methods)} | {doc} |"


if __name__ == "__main__":
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    PLACE.write_text(reference(), encoding="utf-8")
