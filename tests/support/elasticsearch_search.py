"""Searches as far as tests ask them: everything, ids, terms, existence, times, all of these together."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from tests.support.elasticsearch_index import Document, RefusedError

Json = dict[str, Any]
RESULTS_MAX = 10_000


def hits_of(documents: Sequence[Document], body: Json) -> tuple[int, list[Json]]:
    """How many match, and the page of them that was asked for."""
    first, size = body.get("from", 0), body.get("size", 10)
    if first + size > RESULTS_MAX:
        raise RefusedError(
            400, "illegal_argument_exception", f"Result window is too large: over {RESULTS_MAX}"
        )
    found = [document for document in documents if _matches(document, body.get("query", {"match_all": {}}))]
    for order in reversed(_orders(body.get("sort", []))):
        name, direction = order
        found.sort(key=lambda doc: _first(doc.source, name), reverse=direction == "desc")
    page = found[first : first + size]
    return len(found), [{"_index": d.index, "_id": d.id, "_score": 1.0, "_source": d.source} for d in page]


def filter_paths(body: Json, paths: Sequence[str]) -> Json:
    """What `filter_path` leaves of an answer: names with dots, `*` for any, lists gone through."""
    wanted = [path.split(".") for path in paths]
    left = _filtered(body, wanted)
    return left if isinstance(left, dict) else {}


def _filtered(value: Any, paths: list[list[str]]) -> Any:
    if any(not path for path in paths):
        return value
    if isinstance(value, list):
        elements = [_filtered(element, paths) for element in value]
        return [element for element in elements if element is not None] or None
    if not isinstance(value, dict):
        return None
    left: Json = {}
    for name, inner in value.items():
        further = [path[1:] for path in paths if fnmatchcase(name, path[0])]
        further += [path for path in paths if path[0] == "**"]
        kept = _filtered(inner, further) if further else None
        if kept is not None:
            left[name] = kept
    return left or None


def _matches(document: Document, query: Json) -> bool:
    ((kind, given),) = query.items()
    if kind == "match_all":
        return True
    if kind == "ids":
        return document.id in given["values"]
    if kind == "exists":
        return bool(list(_values(document.source, given["field"])))
    if kind == "bool":
        return _matches_all(document, given)
    if kind in ("term", "match", "terms", "range"):
        ((name, wanted),) = given.items()
        return any(_value_matches(kind, value, wanted) for value in _values(document.source, name))
    raise RefusedError(400, "parsing_exception", f"unknown query [{kind}]")


def _matches_all(document: Document, given: Json) -> bool:
    must = [inner for key in ("must", "filter") for inner in _list(given.get(key, []))]
    must_not = _list(given.get("must_not", []))
    return all(_matches(document, inner) for inner in must) and not any(
        _matches(document, inner) for inner in must_not
    )


def _value_matches(kind: str, value: Any, wanted: Any) -> bool:
    if kind == "terms":
        return value in wanted
    if kind == "range":
        checks = {
            "gte": lambda bound: value >= bound,
            "gt": lambda bound: value > bound,
            "lte": lambda bound: value <= bound,
            "lt": lambda bound: value < bound,
        }
        return all(check(wanted[name]) for name, check in checks.items() if name in wanted)
    target = wanted.get("value", wanted.get("query")) if isinstance(wanted, dict) else wanted
    if kind == "match" and isinstance(value, str):
        return bool(set(str(target).lower().split()) & set(value.lower().split()))
    return bool(value == target)


def _values(source: Any, name: str) -> Iterator[Any]:
    """Every value under a name, whether its dots are in names or between objects."""
    if isinstance(source, list):
        for element in source:
            yield from _values(element, name)
    elif isinstance(source, dict):
        name = name.removesuffix(".keyword")
        if source.get(name) is not None:
            yield from _list(source[name])
        head, _, rest = name.partition(".")
        if rest and head in source:
            yield from _values(source[head], rest)


def _first(source: Json, name: str) -> tuple[bool, Any]:
    value = next(_values(source, name), None)
    return value is None, "" if value is None else value


def _orders(sort: Any) -> list[tuple[str, str]]:
    found = []
    for one in _list(sort):
        name, order = next(iter(one.items())) if isinstance(one, dict) else (one, "asc")
        found.append((name, order.get("order", "asc") if isinstance(order, dict) else order))
    return [order for order in found if order[0] != "_doc"]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
