"""OpenTelemetry, as far as applications have it: the current span, and a few instruments. All of it is here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tamis.version import __version__

ABSENT = (
    "the OpenTelemetry packages are not installed, so records carry no span ids and nothing is measured; "
    "pip install 'tamis[otel]'"
)
_SCOPE = "tamis"


@dataclass(frozen=True, slots=True)
class Ids:
    """Where in a trace something happens: 32 and 16 hexadecimal digits."""

    trace_id: str
    span_id: str


class Otel:
    """The API of OpenTelemetry; what an SDK makes of it is the application's choice."""

    def __init__(self, trace: Any, meter: Any) -> None:
        self._trace = trace
        self._records = meter.create_counter(
            "tamis.log.records", unit="{record}", description="Records by level and service."
        )
        self._sizes = meter.create_histogram(
            "tamis.log.message.size", unit="By", description="Length of messages by level and service."
        )
        self._latencies = meter.create_histogram(
            "tamis.log.latency", unit="ms", description="Latencies that records tell, by level and service."
        )
        self._alerts = meter.create_counter(
            "tamis.latency.alerts", unit="{alert}", description="Latencies over their threshold."
        )

    def current(self) -> Ids | None:
        """The span that is current on this thread or task; None when there is none."""
        context = self._trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return Ids(f"{context.trace_id:032x}", f"{context.span_id:016x}")

    def add_event(self, name: str, attributes: Mapping[str, str | int | float]) -> None:
        """An event of the current span, if that is recorded."""
        span = self._trace.get_current_span()
        if span.is_recording():
            span.add_event(name, dict(attributes))

    def count_record(self, level: str, service: str, size: int) -> None:
        """One more record, and how long its message is."""
        labels = {"level": level, "service": service}
        self._records.add(1, labels)
        self._sizes.record(size, labels)

    def measure_latency(self, milliseconds: float, level: str, service: str) -> None:
        """How long something took."""
        self._latencies.record(milliseconds, {"level": level, "service": service})

    def count_alert(self, service: str) -> None:
        """A latency passed its threshold."""
        self._alerts.add(1, {"service": service})


def load_otel(meter_provider: Any = None) -> Otel | None:
    """OpenTelemetry with the application's provider, or the one given; None when it is not installed."""
    try:
        from opentelemetry import metrics, trace
    except ImportError:
        return None
    provider = metrics.get_meter_provider() if meter_provider is None else meter_provider
    return Otel(trace, provider.get_meter(_SCOPE, __version__))
