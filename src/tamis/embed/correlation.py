"""Correlation between services: what a request brought along, and what is sent on with the next one."""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tamis.embed.outlet import OUTLET
from tamis.pipeline.processors.patterns import SECRETS
from tamis.pipeline.processors.patterns.detect import Detector
from tamis.record.context import CORRELATION_HEADER, TRACEPARENT, context, parse_traceparent

TRACESTATE = "tracestate"
"""What tracing systems add for themselves; passed on as it came (W3C Trace Context, 3.3)."""
CORRELATION_CHARS_MAX = 128
_CORRELATION_ID = re.compile(
    rf"(?![\d.:/-]{{12,23}}$)[A-Za-z0-9](?=.{{0,{CORRELATION_CHARS_MAX - 1}}}$)[A-Za-z0-9._:/+-]*={{0,2}}",
    re.ASCII,
)
"""What is taken over from strangers. Ids are not looked at for secrets later on, so nothing that may be a mail address
or the number of a card passes for one, nor `name=value`; nor what patterns take for a key or a password.
"""
_SECRETS = Detector(SECRETS)
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}", re.ASCII)
_SAMPLED = "01"

FindHeader = Callable[[str], str | None]
"""Gives a header of the request by its name in small letters; several of one name with commas between."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """The ids of one request. `span_id` is our own part of the trace, `parent_span_id` the caller's (None: the
    trace begins here); `flags` and `tracestate` are passed on as they came.
    """

    correlation_id: str
    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    flags: str = _SAMPLED
    tracestate: str | None = None


_INCOMING: ContextVar[Incoming | None] = ContextVar("tamis_incoming", default=None)


def read_incoming(header: FindHeader) -> Incoming:
    """The ids that a request brings, or new ones where it brings none or none that may be used.

    A correlation id is 1 to 128 letters, digits and ``._:/+-``, with one or two ``=`` at its end at most; whatever
    else comes is replaced, so that nobody writes line breaks, pages of text or passwords into logs and headers.
    """
    correlation_id = (header(CORRELATION_HEADER.lower()) or "").strip()
    if not _is_usable(correlation_id):
        correlation_id = secrets.token_hex(16)
    span_id = secrets.token_hex(8)
    given = (header(TRACEPARENT) or "").strip()
    parent = parse_traceparent(given) if len(given) <= CORRELATION_CHARS_MAX * 2 else None
    if parent is None:
        return Incoming(correlation_id, secrets.token_hex(16), span_id)
    state = (header(TRACESTATE) or "").strip()
    return Incoming(
        correlation_id,
        parent[0],
        span_id,
        parent[1],
        flags=given[53:55],
        tracestate=state if _TRACESTATE.fullmatch(state) else None,
    )


def _is_usable(correlation_id: str) -> bool:
    return _CORRELATION_ID.fullmatch(correlation_id) is not None and not (
        _SECRETS.may_hold(correlation_id) and _SECRETS.kinds(correlation_id)
    )


@contextmanager
def within(incoming: Incoming) -> Iterator[None]:
    """Within the block records carry the request's ids, and `correlation_headers` sends them on."""
    token = _INCOMING.set(incoming)
    try:
        with context(
            correlation_id=incoming.correlation_id, trace_id=incoming.trace_id, span_id=incoming.span_id
        ):
            yield
    finally:
        try:
            _INCOMING.reset(token)
        except ValueError:  # left in another context than entered
            _INCOMING.set(None)


def correlation_headers() -> dict[str, str]:
    """Headers for a request to another service, so that its records are found with ours: `X-Correlation-ID`, and
    `traceparent` (with `tracestate`) where there is a trace. Empty outside of any context.

    ``httpx.get(url, headers=tamis.correlation_headers())``
    """
    here = OUTLET.context()
    headers: dict[str, str] = {}
    if here.correlation_id is not None and _is_usable(here.correlation_id):
        headers[CORRELATION_HEADER] = here.correlation_id
    incoming = _INCOMING.get()
    is_its_trace = incoming is not None and incoming.trace_id == here.trace_id
    flags = incoming.flags if incoming is not None and is_its_trace else _SAMPLED
    given = f"00-{here.trace_id}-{here.span_id}-{flags}"
    if parse_traceparent(given) is not None:
        headers[TRACEPARENT] = given
        if incoming is not None and is_its_trace and incoming.tracestate:
            headers[TRACESTATE] = incoming.tracestate
    return headers
