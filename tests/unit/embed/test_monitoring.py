"""AdvancedMonitoringHandler: spans and metrics of OpenTelemetry, with its real SDK."""

import logging
import logging.config
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tamis.embed.handlers.monitoring import AdvancedMonitoringHandler
from tamis.embed.install import get_logger
from tamis.embed.performance import log_performance
from tamis.record.context import context
from tests.support.hand_clock import HandClock
from tests.support.logged import logged


class Sdk:
    """OpenTelemetry's own SDK, in memory."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self._tracers, self._reader = TracerProvider(), InMemoryMetricReader()
        self._tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = self._tracers.get_tracer("test")
        self.meters = MeterProvider(metric_readers=[self._reader])

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Labels and value (of histograms: the sum) of a metric."""
        data: Any = self._reader.get_metrics_data()
        return [
            (dict(point.attributes), getattr(point, "value", None) or getattr(point, "sum", None))
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def close(self) -> None:
        self._tracers.shutdown()
        self.meters.shutdown()


@pytest.fixture
def sdk() -> Iterator[Sdk]:
    made = Sdk()
    yield made
    made.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def handler(sdk: Sdk, clock: HandClock) -> Iterator[AdvancedMonitoringHandler]:
    made = AdvancedMonitoringHandler(service="shop", meter_provider=sdk.meters, clock=clock)
    logging.getLogger("shop").addHandler(made)
    yield made
    logging.getLogger("shop").removeHandler(made)
    made.close()


@pytest.mark.usefixtures("handler")
def test_records_carry_the_current_span(sdk: Sdk) -> None:
    """Its trace and span ids, on every way a record takes; without a span those of the context."""
    with logged() as records:
        with sdk.tracer.start_as_current_span("pay") as span, context(trace_id="a" * 32, span_id="b" * 16):
            get_logger("shop").info("standard way")
            get_logger("elsewhere").info("fast way")
        with context(trace_id="a" * 32, span_id="b" * 16):
            get_logger("shop").info("no span")
    ids = span.get_span_context()
    assert [(record.trace_id, record.span_id) for record in records] == [
        (f"{ids.trace_id:032x}", f"{ids.span_id:016x}"),
        (f"{ids.trace_id:032x}", f"{ids.span_id:016x}"),
        ("a" * 32, "b" * 16),
    ]


def test_other_handlers_see_the_ids(sdk: Sdk, handler: AdvancedMonitoringHandler) -> None:
    """As attributes of the LogRecord, for formats of handlers that come after it."""
    record = logging.makeLogRecord({"msg": "x", "levelno": 20})
    with sdk.tracer.start_as_current_span("pay") as span:
        handler.handle(record)
    assert record.trace_id == f"{span.get_span_context().trace_id:032x}"  # type: ignore[attr-defined]


@pytest.mark.usefixtures("handler")
def test_records_are_counted_by_level_and_service(sdk: Sdk) -> None:
    """A counter, and histograms of sizes and latencies; levels nobody knows are one label."""
    logging.addLevelName(33, "ODD")
    with logged():
        log = get_logger("shop")
        log.info("abc")
        log.info("de", duration_ms=12.5)
        log.error("f")
        log.log(33, "g")
    assert sorted(
        (labels["level"], labels["service"], value) for labels, value in sdk.points("tamis.log.records")
    ) == [
        ("ERROR", "shop", 1),
        ("INFO", "shop", 2),
        ("OTHER", "shop", 1),
    ]
    assert ({"level": "INFO", "service": "shop"}, 5) in sdk.points("tamis.log.message.size")
    assert sdk.points("tamis.log.latency") == [({"level": "INFO", "service": "shop"}, 12.5)]


@pytest.mark.usefixtures("handler")
def test_an_error_is_an_event_of_its_span_without_its_secrets(sdk: Sdk) -> None:
    """With the exception's type; masked, for a tracing system is one more place where secrets would stay."""
    with logged(), sdk.tracer.start_as_current_span("pay"):
        log = get_logger("shop")
        log.warning("nothing")
        try:
            raise ValueError("card 4111 1111 1111 1111")
        except ValueError:
            log.exception("no mail to ada@example.org")
    (span,) = sdk.spans.get_finished_spans()
    (event,) = span.events
    given = dict(event.attributes or {})
    assert (event.name, given["log.level"], given["log.logger"]) == ("log", "ERROR", "shop")
    assert given["exception.type"] == "ValueError"
    assert "4111" not in str(given)
    assert "ada@" not in str(given)


@pytest.mark.usefixtures("handler")
def test_a_slow_block_is_told_once_in_a_cool_down(sdk: Sdk, clock: HandClock) -> None:
    """A block with a threshold of its own goes by that."""
    with logged(level="INFO") as records:
        for _ in range(3):
            with log_performance("checkout", threshold_ms=100, logger=get_logger("shop"), clock=clock):
                clock.pass_s(0.2)
        clock.pass_s(60)
        with log_performance("checkout", threshold_ms=100, logger=get_logger("shop"), clock=clock):
            clock.pass_s(0.2)
        with log_performance("quick", threshold_ms=300, logger=get_logger("shop"), clock=clock):
            clock.pass_s(0.2)
    told = [record for record in records if record.logger == "tamis.monitoring"]
    assert [record.message for record in told] == ["checkout took 200 ms, over its threshold of 100 ms"] * 2
    assert told[0].level == "WARNING"
    assert told[0].attributes["alert"] == "latency"
    assert [value for _, value in sdk.points("tamis.latency.alerts")] == [2]


@pytest.mark.usefixtures("handler")
def test_numeric_attributes_go_by_the_handlers_threshold() -> None:
    """A second by default; text and truth are no latencies."""
    with logged() as records:
        log = get_logger("shop")
        log.info("a", latency_ms=999)
        log.info("b", latency_ms="5000")
        log.info("c", latency_ms=True)
        log.info("d", latency_ms=float("nan"))
        log.info("e", latency_ms=1_000, route="/pay")
    assert [record.message for record in records if record.logger == "tamis.monitoring"] == [
        "/pay took 1000 ms, over its threshold of 1000 ms"
    ]


def test_what_an_exporter_logs_is_not_looked_at(sdk: Sdk, handler: AdvancedMonitoringHandler) -> None:
    """No recursion, and the application never sees an SDK's exception."""

    class Noisy:
        def add(self, _number: int, _labels: object) -> None:
            get_logger("shop").error("inside")
            raise RuntimeError("broken exporter")

    assert handler.otel is not None
    handler.otel._records = Noisy()
    with logged() as records:
        get_logger("shop").info("outside")
    assert [record.message for record in records] == ["inside", "outside"]


def test_without_the_packages_it_says_so_once_and_goes_on() -> None:
    """One sentence; records and latencies go on."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import logging, tamis\n"
        "tamis.configure(sinks=['memory'], spool_enabled=False)\n"
        "for _ in range(3): logging.getLogger().addHandler(tamis.AdvancedMonitoringHandler())\n"
        "tamis.get_logger('shop').error('slow', duration_ms=5000)\n"
        "tamis.flush()\n"
        "(delivery,) = tamis.LoggingManager().pipeline.deliveries\n"
        "print(*delivery.sink.messages, sep='|')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.count("pip install 'tamis[otel]'") == 1, done.stderr
    assert "slow" in done.stdout
    assert "took 5000 ms" in done.stdout


def test_it_works_in_dict_config() -> None:
    """As any handler of standard logging, with the application's own providers."""
    config: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"otel": {"class": "tamis.AdvancedMonitoringHandler", "latency_threshold_ms": 50}},
        "loggers": {"shop.dict": {"handlers": ["otel"], "level": "INFO"}},
    }
    with logged(level="INFO") as records:
        logging.config.dictConfig(config)
        log = logging.getLogger("shop.dict")
        log.info("slow", extra={"latency_ms": 60})
        log.handlers[0].close()
        log.handlers.clear()
    assert [record.message for record in records if record.logger == "tamis.monitoring"] == [
        "shop.dict took 60 ms, over its threshold of 50 ms"
    ]
