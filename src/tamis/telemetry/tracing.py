"""Traces of the server's own work, by OpenTelemetry where it is installed and an address is set. Spans are made for
what a request that is traced does, and for nothing else: what sends them away is never traced itself."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

from tamis.errors import ConfigError
from tamis.settings import Settings
from tamis.version import __version__

OWN_HEADER = "x-tamis-traces"
"""On requests that carry traces of a Tamis server: they are never traced, or two servers would keep each other busy."""
CLOSE_S = 2.0
_PATH = "/v1/traces"
_SERVER_ERROR = 500


class Tracing:
    """One server's traces. Thread-safe. `close` sends what waits, for a moment at most."""

    def __init__(self, settings: Settings) -> None:
        """ConfigError when OpenTelemetry is not installed."""
        self.instance = uuid4().hex
        try:
            from opentelemetry import propagate, trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
        except ImportError as error:
            source = settings.sources.get("traces.url", "default")
            reason = f"takes the OpenTelemetry packages; pip install 'tamis[otel]' ({error})"
            raise ConfigError("traces.url", settings.traces.url, source, reason) from None
        self._trace, self._propagate = trace, propagate
        given = settings.traces
        named = {
            "service.name": "tamis",
            "service.version": __version__,
            "service.instance.id": self.instance,
        }
        self._provider = TracerProvider(
            resource=Resource.create(named),
            sampler=TraceIdRatioBased(given.ratio),
            shutdown_on_exit=False,
        )
        endpoint = given.url.rstrip("/").removesuffix(_PATH) + _PATH
        headers = {OWN_HEADER: self.instance}
        exporter = OTLPSpanExporter(endpoint=endpoint, headers=headers, timeout=given.timeout_s)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("tamis.server", __version__)

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str], attributes: Mapping[str, Any]) -> Iterator[Any]:
        """A span for a request, below the caller's when its headers (W3C `traceparent`) name one."""
        parent = self._propagate.extract(headers)
        kind = self._trace.SpanKind.SERVER
        with self._tracer.start_as_current_span(
            name, context=parent, kind=kind, attributes=attributes, record_exception=False
        ) as made:
            token = _CURRENT.set(self)
            try:
                yield made
            finally:
                _CURRENT.reset(token)

    @contextmanager
    def inner(self, name: str, attributes: Mapping[str, Any]) -> Iterator[None]:
        """A span for a part of it."""
        with self._tracer.start_as_current_span(name, attributes=attributes, record_exception=False):
            yield

    def answered(self, made: Any, status: int) -> None:
        """The request's span ends with this status."""
        made.set_attribute("http.response.status_code", status)
        if status >= _SERVER_ERROR:
            made.set_status(self._trace.StatusCode.ERROR)

    def close(self) -> None:
        """Send what waits, as far as that takes no longer than `CLOSE_S`."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(CLOSE_S)


_CURRENT: ContextVar[Tracing | None] = ContextVar("tamis_tracing", default=None)


@contextmanager
def span(name: str, **attributes: str | int | float | bool) -> Iterator[None]:
    """A part of the request that is being traced; nothing when none is."""
    tracing = _CURRENT.get()
    if tracing is None:
        yield
        return
    with tracing.inner(name, {f"tamis.{key}": value for key, value in attributes.items()}):
        yield


def open_tracing(settings: Settings) -> Tracing | None:
    """As the settings say; None when they name no address."""
    return Tracing(settings) if settings.traces.url else None
