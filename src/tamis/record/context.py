"""What follows a request through threads, tasks and services: bound fields, correlation and trace ids."""

import contextvars
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

from tamis.record.attributes import kind_name, safe_attributes, safe_text

TRACEPARENT = "traceparent"
"""The header of W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/)."""
CORRELATION_HEADER = "X-Correlation-ID"
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.ASCII)
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16
_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Context:
    """What a record takes from where it was logged. Immutable: entering a block makes another.

    `trace_id` is 32, `span_id` 16 lower-case hexadecimal digits.
    """

    correlation_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    fields: Mapping[str, Any] = field(default_factory=lambda: _NO_FIELDS)


EMPTY = Context()
CURRENT: contextvars.ContextVar[Context] = contextvars.ContextVar("tamis_context", default=EMPTY)
"""The context here and now; a task or thread started with a copied context starts with its parent's."""


@contextmanager
def context(
    *,
    correlation_id: str | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
    **fields: Any,
) -> Iterator[Context]:
    """Within the block every record carries these; what is not given stays as it was outside. A field that is
    None is taken away. Values are copied as they are now: what changes later changes no record.

    An id that is no text becomes one: an integer as trace or span id as hexadecimal digits (OpenTelemetry's own form),
    anything else as its `str`.

    Safe in threads, tasks and generators: what is entered is left again, never another's.
    """
    outer = CURRENT.get()
    inner = Context(
        outer.correlation_id if correlation_id is None else id_text(correlation_id),
        outer.trace_id if trace_id is None else id_text(trace_id, digits=_TRACE_DIGITS),
        outer.span_id if span_id is None else id_text(span_id, digits=_SPAN_DIGITS),
        _inner_fields(outer.fields, fields) if fields else outer.fields,
    )
    token = CURRENT.set(inner)
    try:
        yield inner
    finally:
        _leave(token, outer)


def id_text(given: object, *, digits: int = 0) -> str:
    """An id as text; never raises. Integers get so many hexadecimal digits, or stay decimal with none."""
    if type(given) is str:
        return given
    if type(given) is int and digits and 0 <= given < 16**digits:
        return f"{given:0{digits}x}"
    try:
        return safe_text(str.__str__(str(given)))
    except Exception:  # a user's __str__ may do anything
        return f"[{kind_name(given)} without text]"


def _inner_fields(outer: Mapping[str, Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {name: value for name, value in outer.items() if name not in fields}
    return MappingProxyType({**kept, **safe_attributes(cast("Mapping[object, object]", fields))})


def _leave(token: contextvars.Token[Context], outer: Context) -> None:
    try:
        CURRENT.reset(token)
    except ValueError:  # left in another context than entered (a generator moved between tasks)
        CURRENT.set(outer)


def parse_traceparent(header: str) -> tuple[str, str] | None:
    """Trace id and span id of a `traceparent` header; None when it is none that may be used."""
    found = _TRACEPARENT.fullmatch(header.strip())
    if found is None:
        return None
    version, trace_id, span_id, _ = found.groups()
    if version == "ff" or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return trace_id, span_id
