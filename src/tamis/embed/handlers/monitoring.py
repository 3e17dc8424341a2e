"""`AdvancedMonitoringHandler`: what records say, as OpenTelemetry's spans and metrics."""

import logging
import threading
from collections.abc import Collection, Iterator
from typing import Any

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.embed.handlers.handed import was_logged_within
from tamis.embed.install import get_logger
from tamis.embed.log_record import FIELDS_KEY, message_of
from tamis.embed.origin import origin_of
from tamis.embed.outlet import DIAGNOSTICS, tell_lost
from tamis.embed.raised import exception_of
from tamis.embed.spans import follow_spans, forget_spans
from tamis.embed.values import text_of
from tamis.errors import ConfigError
from tamis.pipeline.captured import level_name
from tamis.pipeline.processors.redact import redact_from
from tamis.settings import load_settings
from tamis.telemetry.otel import ABSENT, Otel, load_otel

MONITORING_LOGGER = "tamis.monitoring"
LATENCIES = ("duration_ms", "latency_ms", "elapsed_ms", "response_time_ms")
"""Attributes that hold milliseconds."""
_EVENT = "log"
_TEXT_CHARS_MAX = 1_000
_OPERATIONS_MAX = 1_000
_LEVELS = frozenset(("TRACE", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"))
_OTHER = "OTHER"


class _Here(threading.local):
    is_busy = False


class AdvancedMonitoringHandler(logging.Handler):
    """On the caller's thread, where the span is: records of the process carry the current trace and span ids; each
    counts by level and service; each ERROR is an event of the current span, redacted; a latency of
    `latency_threshold_ms` or more (a block of `log_performance` with a threshold of its own: that) is one WARNING of
    the logger `tamis.monitoring` with `alert: latency`, at most one for an operation in `cooldown_s`.

    Without the OpenTelemetry packages (extra `otel`) it says so once; latencies are watched all the same. It takes
    no lock and raises nothing into the application. ConfigError names an argument that is wrong.
    """

    def __init__(
        self,
        *,
        service: str | None = None,
        latency_threshold_ms: float = 1_000.0,
        latency_attributes: Collection[str] = LATENCIES,
        cooldown_s: float = 60.0,
        level: int | str = logging.NOTSET,
        meter_provider: Any = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        for name, value in {"latency_threshold_ms": latency_threshold_ms, "cooldown_s": cooldown_s}.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise ConfigError(
                    name, value, "argument of AdvancedMonitoringHandler", "must be a number from 0 on"
                )
        settings = load_settings()
        super().__init__(level)
        self.service = origin_of(service or settings.log.service).service or ""
        self._threshold_ms, self._attributes = latency_threshold_ms, tuple(latency_attributes)
        self._cooldown_s, self._clock = cooldown_s, clock
        self._redact = redact_from(settings.redact).text
        self._told: dict[str, float] = {}
        self._here = _Here()
        self.otel: Otel | None = load_otel(meter_provider)
        if self.otel is None:
            DIAGNOSTICS.tell("otel", f"AdvancedMonitoringHandler: {ABSENT}", interval_s=float("inf"))
        self._reader = None if self.otel is None else follow_spans(self.otel)

    def createLock(self) -> None:  # noqa: N802 -- the name is logging's
        """No lock is needed: instruments have their own."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Filters as everywhere, then the record is looked at."""
        passed = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a record. What is logged meanwhile, by an exporter or by us, is not looked at."""
        if self._here.is_busy or was_logged_within(record):
            return
        self._here.is_busy = True
        try:
            self._look(record)
        except Exception as error:  # logging never raises into the application, nor does an SDK through it
            tell_lost(record.name, error)
        finally:
            self._here.is_busy = False

    def close(self) -> None:
        """Records carry no spans any more."""
        if self._reader is not None:
            forget_spans(self._reader)
        super().close()

    def _look(self, record: logging.LogRecord) -> None:
        level, message = level_name(record.levelno), message_of(record)
        found = list(self._latencies(record))
        otel = self.otel
        if otel is not None:
            self._mark(record, otel)
            label = level if level in _LEVELS else _OTHER
            otel.count_record(label, self.service, len(message))
            for _, milliseconds in found:
                otel.measure_latency(milliseconds, label, self.service)
            if record.levelno >= logging.ERROR:
                otel.add_event(_EVENT, self._event(record, level, message))
        for name, milliseconds in found:
            self._watch(record, name, milliseconds)

    def _mark(self, record: logging.LogRecord, otel: Otel) -> None:
        """For formats such as ``%(trace_id)s`` of handlers that come after this one."""
        ids = otel.current()
        if ids is not None and not hasattr(record, "trace_id"):
            record.trace_id, record.span_id = ids.trace_id, ids.span_id

    def _event(self, record: logging.LogRecord, level: str, message: str) -> dict[str, str | int | float]:
        """What an error says, masked before it leaves this thread."""
        found: dict[str, str | int | float] = {
            "log.level": level,
            "log.logger": record.name,
            "log.message": self._redact(message[:_TEXT_CHARS_MAX]),
        }
        error = exception_of(record.exc_info)
        if error is not None:
            found["exception.type"] = type(error).__qualname__
            found["exception.message"] = self._redact(text_of(error)[:_TEXT_CHARS_MAX])
        return found

    def _latencies(self, record: logging.LogRecord) -> Iterator[tuple[str, float]]:
        fields = _fields(record)
        for name in self._attributes:
            value = fields.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and value - value == 0:
                yield name, float(value)

    def _watch(self, record: logging.LogRecord, name: str, milliseconds: float) -> None:
        """Tell of a latency over its threshold, once in a while."""
        fields = _fields(record)
        own = fields.get("threshold_ms")
        threshold_ms = float(own) if isinstance(own, int | float) else self._threshold_ms
        operation = text_of(fields.get("operation") or fields.get("route") or record.name)
        if milliseconds < threshold_ms or not self._is_due(operation):
            return
        if self.otel is not None:
            self.otel.count_alert(self.service)
        get_logger(MONITORING_LOGGER).warning(
            "%s took %.0f ms, over its threshold of %.0f ms",
            operation,
            milliseconds,
            threshold_ms,
            alert="latency",
            operation=operation,
            attribute=name,
            latency_ms=milliseconds,
            threshold_ms=threshold_ms,
        )

    def _is_due(self, operation: str) -> bool:
        now_s = self._clock.monotonic_s()
        told_s = self._told.get(operation)
        if told_s is not None and now_s - told_s < self._cooldown_s:
            return False
        if len(self._told) >= _OPERATIONS_MAX:
            self._told.clear()
        self._told[operation] = now_s
        return True


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a record, also those that could not become its attributes."""
    given = record.__dict__.get(FIELDS_KEY)
    return given if isinstance(given, dict) else record.__dict__
