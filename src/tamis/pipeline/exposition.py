"""The pipeline's counts in Prometheus' text format (version 0.0.4)."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tamis.pipeline.histogram import Histogram
from tamis.telemetry.metrics import SECONDS_BUCKETS, Metric

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
    Metric("tamis_log_delivery_seconds", "histogram", "From a record's instant to its delivery.", ("sink",)),
)
"""What an application's pipeline counts; docs/reference/metrics.md holds the same rows."""
_BY_NAME = {metric.name: metric for metric in LOG_METRICS}


def print_counts(counts: "LogCounts", latencies: Mapping[str, Histogram]) -> str:
    """All of it, one metric after the other."""
    lines: list[str] = []
    for name, rows in _rows(counts):
        metric = _BY_NAME[name]
        lines += (f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}")
        lines += (f"{name}{_labels(metric.labels, values)} {number}" for values, number in rows)
    lines += _histograms("tamis_log_delivery_seconds", latencies)
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


def _states(sink: "SinkCounts") -> _Rows:
    states = ("delivered", "dead_lettered", "spooled", "queued", "sampled", "suppressed")
    rows: _Rows = [((sink.name, state), getattr(sink, state)) for state in states]
    return [*rows, ((sink.name, "dropped"), sum(sink.dropped.values()))]


def _histograms(name: str, latencies: Mapping[str, Histogram]) -> Iterator[str]:
    yield f"# HELP {name} {_BY_NAME[name].help}"
    yield f"# TYPE {name} histogram"
    for sink, histogram in latencies.items():
        for bound, number in zip(SECONDS_BUCKETS, histogram.below(SECONDS_BUCKETS), strict=True):
            yield f"{name}_bucket{_labels(('sink', 'le'), (sink, str(bound)))} {number}"
        yield f"{name}_bucket{_labels(('sink', 'le'), (sink, '+Inf'))} {histogram.count}"
        yield f"{name}_sum{_labels(('sink',), (sink,))} {histogram.sum_ns / 1e9}"
        yield f"{name}_count{_labels(('sink',), (sink,))} {histogram.count}"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if not names:
        return ""
    pairs = zip(names, values, strict=True)
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in pairs) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
