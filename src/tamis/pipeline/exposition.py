"""The pipeline's counts in Prometheus' text format (version 0.0.4)."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tamis.resilience.machine import BreakerState
from tamis.telemetry.exposition import head_lines, histogram_lines, labels
from tamis.telemetry.histogram import Histogram
from tamis.telemetry.metrics import Metric

if TYPE_CHECKING:
    from tamis.pipeline.metrics import LogCounts, SinkCounts

LOG_METRICS: tuple[Metric, ...] = (
    Metric("tamis_log_records_total", "counter", "Records logged, those that processors made included."),
    Metric("tamis_log_processed_total", "counter", "Records that came out of the chain of processors."),
    Metric("tamis_log_logger_records_total", "counter", "Records by the logger's name.", ("logger",)),
    Metric(
        "tamis_log_dropped_total",
        "counter",
        "Records that no sink was given, by reason: sampled, suppressed, overflow, failed.",
        ("reason",),
    ),
    Metric("tamis_log_queue_records", "gauge", "Records that wait for the worker."),
    Metric("tamis_log_batches_total", "counter", "Rounds of the worker that passed something on."),
    Metric("tamis_log_bytes_total", "counter", "Bytes of the records passed on, about."),
    Metric("tamis_log_errors_total", "counter", "Failures in processors and in the pipeline itself."),
    Metric("tamis_log_restarts_total", "counter", "Times that a worker ended and was started again."),
    Metric(
        "tamis_log_unwritten_total", "counter", "Durable calls that returned before their record was written."
    ),
    Metric(
        "tamis_log_sink_records",
        "gauge",
        "What became of the records for a sink: delivered, dead_lettered, spooled, queued, sampled, "
        "suppressed or dropped.",
        ("sink", "state"),
    ),
    Metric("tamis_log_sink_batches_total", "counter", "Batches that a sink answered for.", ("sink",)),
    Metric("tamis_log_sink_bytes_total", "counter", "Bytes handed to a sink, about.", ("sink",)),
    Metric("tamis_log_sink_errors_total", "counter", "Batches that a sink did not take.", ("sink",)),
    Metric("tamis_log_sink_retries_total", "counter", "Batches sent again.", ("sink",)),
    Metric(
        "tamis_log_sink_breaker_state", "gauge", "1 for the state a sink's breaker is in.", ("sink", "state")
    ),
    Metric("tamis_log_sink_breaker_opened_total", "counter", "Times that it opened.", ("sink",)),
    Metric("tamis_log_delivery_seconds", "histogram", "From a record's instant to its delivery.", ("sink",)),
)
"""What an application's pipeline counts; docs/reference/metrics.md holds the same rows."""
_BY_NAME = {metric.name: metric for metric in LOG_METRICS}


def print_counts(counts: "LogCounts", latencies: Mapping[str, Histogram]) -> str:
    """All of it, one metric after the other."""
    lines: list[str] = []
    for name, rows in _rows(counts):
        metric = _BY_NAME[name]
        lines += head_lines(metric)
        lines += (f"{name}{labels(metric.labels, values)} {number}" for values, number in rows)
    lines += histogram_lines(_BY_NAME["tamis_log_delivery_seconds"], latencies)
    return "\n".join(lines) + "\n"


_Rows = list[tuple[tuple[str, ...], int]]


def _rows(counts: "LogCounts") -> Iterator[tuple[str, _Rows]]:
    dropped = {"sampled": counts.sampled, "suppressed": counts.suppressed, **counts.dropped}
    sinks = counts.sinks.values()
    yield "tamis_log_records_total", [((), counts.sent)]
    yield "tamis_log_processed_total", [((), counts.processed)]
    yield (
        "tamis_log_logger_records_total",
        [((name,), number) for name, number in sorted(counts.loggers.items())],
    )
    yield "tamis_log_dropped_total", [((reason,), number) for reason, number in sorted(dropped.items())]
    yield "tamis_log_queue_records", [((), counts.queued)]
    yield "tamis_log_batches_total", [((), counts.batches)]
    yield "tamis_log_bytes_total", [((), counts.bytes)]
    yield "tamis_log_errors_total", [((), counts.errors)]
    yield "tamis_log_restarts_total", [((), counts.restarts)]
    yield "tamis_log_unwritten_total", [((), counts.unwritten)]
    yield "tamis_log_sink_records", [row for sink in sinks for row in _states(sink)]
    yield "tamis_log_sink_batches_total", [((sink.name,), sink.batches) for sink in sinks]
    yield "tamis_log_sink_bytes_total", [((sink.name,), sink.bytes) for sink in sinks]
    yield "tamis_log_sink_errors_total", [((sink.name,), sink.errors) for sink in sinks]
    yield "tamis_log_sink_retries_total", [((sink.name,), sink.retries) for sink in sinks]
    breakers = {sink.name: sink.breaker for sink in sinks if sink.breaker is not None}
    yield (
        "tamis_log_sink_breaker_state",
        [
            ((name, state.value), int(state is one.state))
            for name, one in breakers.items()
            for state in one.seconds
        ],
    )
    yield (
        "tamis_log_sink_breaker_opened_total",
        [((name,), one.entered[BreakerState.OPEN]) for name, one in breakers.items()],
    )


def _states(sink: "SinkCounts") -> _Rows:
    states = ("delivered", "dead_lettered", "spooled", "queued", "sampled", "suppressed")
    rows: _Rows = [((sink.name, state), getattr(sink, state)) for state in states]
    return [*rows, ((sink.name, "dropped"), sum(sink.dropped.values()))]
