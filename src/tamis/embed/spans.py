"""Records carry the span of OpenTelemetry that is current where they are logged."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from tamis.embed.outlet import OUTLET
from tamis.record.context import CURRENT, Context
from tamis.telemetry.otel import Otel

Reader: TypeAlias = Callable[[], Context]


def follow_spans(otel: Otel) -> Reader:
    """From here on the ids of the current span stand in every record of this process; where there is no span, those
    of the context. What is returned ends it, given to `forget_spans`."""

    def here() -> Context:
        context = CURRENT.get()
        ids = otel.current()
        return context if ids is None else replace(context, trace_id=ids.trace_id, span_id=ids.span_id)

    OUTLET.context = here
    return here


def forget_spans(reader: Reader) -> None:
    """Records carry the ids of the context alone again, unless somebody else follows spans meanwhile."""
    if OUTLET.context is reader:
        OUTLET.context = CURRENT.get
