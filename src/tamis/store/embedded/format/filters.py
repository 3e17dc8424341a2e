"""Filters as JSON values and back, exactly: a deletion must mean tomorrow what it meant today."""

from dataclasses import fields
from typing import Any

from tamis.errors import FormatError
from tamis.query import ast

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        ast.All,
        ast.And,
        ast.Or,
        ast.Not,
        ast.Phrase,
        ast.Prefix,
        ast.Substring,
        ast.Exact,
        ast.Regex,
        ast.Compare,
        ast.Range,
        ast.Exists,
        ast.TimeRange,
        ast.Shapes,
    )
}


def filter_to_json(node: ast.Filter) -> dict[str, Any]:
    """``{"kind": "Phrase", "field": "message", "text": "…"}``, nested as the filter is."""
    name = type(node).__name__
    if name not in _KINDS:
        raise FormatError(f"a store does not know {name}: resolve the query first")
    return {"kind": name, **{field.name: _to_json(getattr(node, field.name)) for field in fields(node)}}


def _to_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [filter_to_json(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(value)
    return filter_to_json(value) if type(value).__name__ in _KINDS else value


def filter_from_json(value: dict[str, Any]) -> ast.Filter:
    """The filter again. Raises FormatError for a kind that this release does not know."""
    kind = _KINDS.get(value.get("kind", ""))
    if kind is None:
        raise FormatError(f"a deletion in the manifest has an unknown kind of filter, {value.get('kind')!r}")
    given = {name: _from_json(name, item) for name, item in value.items() if name != "kind"}
    return kind(**given)  # type: ignore[no-any-return]  # _KINDS holds filters only


def _from_json(name: str, value: Any) -> Any:
    if name == "items":
        return tuple(filter_from_json(item) for item in value)
    if name == "ids":
        return frozenset(value)
    return filter_from_json(value) if isinstance(value, dict) else value
