"""A profiler's figures for other programs: Prometheus' text format, and speedscope's flame graph."""

from collections.abc import Iterator, Mapping

from tamis.telemetry.exposition import head_lines, histogram_lines, labels
from tamis.telemetry.histogram import Histogram
from tamis.telemetry.metrics import Metric
from tamis.telemetry.profiler.places import Node
from tamis.telemetry.profiler.report import PerformanceReport
from tamis.telemetry.profiler.speedscope import Frame, speedscope

_FUNCTION = ("function",)
SECONDS = Metric("tamis_profiler_seconds", "histogram", "A measured function's outermost calls.", _FUNCTION)
FUNCTION_METRICS: tuple[tuple[Metric, str], ...] = (
    (Metric("tamis_profiler_own_seconds_total", "counter", "Without measured functions that it called.", _FUNCTION),
     "own_s"),
    (Metric("tamis_profiler_recursive_calls_total", "counter", "Calls inside one of the same function.", _FUNCTION),
     "recursive_calls"),
    (Metric("tamis_profiler_failures_total", "counter", "Calls that an exception ended.", _FUNCTION), "failures"),
    (Metric("tamis_profiler_cancelled_total", "counter", "Calls that were cancelled, closed early or interrupted.",
            _FUNCTION), "cancelled"),
    (Metric("tamis_profiler_peak_bytes", "gauge", "Memory that a call held at most, where it is measured.", _FUNCTION),
     "peak_bytes"),
)  # fmt: skip
"""Metrics of functions, and the figure that each shows."""
SYSTEM_METRICS: tuple[tuple[Metric, str], ...] = (
    (Metric("tamis_profiler_cpu_percent", "gauge", "Of all processors, at the last sample."), "cpu_percent"),
    (Metric("tamis_profiler_process_cpu_percent", "gauge", "Of one processor, by this process."),
     "process_cpu_percent"),
    (Metric("tamis_profiler_memory_percent", "gauge", "Of the machine's memory."), "memory_percent"),
    (Metric("tamis_profiler_rss_bytes", "gauge", "Memory of this process."), "rss_bytes"),
    (Metric("tamis_profiler_disk_read_bytes_per_second", "gauge", "Of the machine."), "disk_read_bytes_s"),
    (Metric("tamis_profiler_disk_write_bytes_per_second", "gauge", "Of the machine."), "disk_write_bytes_s"),
    (Metric("tamis_profiler_net_sent_bytes_per_second", "gauge", "Of the machine."), "net_sent_bytes_s"),
    (Metric("tamis_profiler_net_received_bytes_per_second", "gauge", "Of the machine."), "net_received_bytes_s"),
    (Metric("tamis_profiler_threads", "gauge", "Threads of this process."), "threads"),
    (Metric("tamis_profiler_open_files", "gauge", "Files, sockets and pipes of this process."), "open_files"),
)  # fmt: skip
"""Metrics of the system, and the figure that each shows."""
PROFILER_METRICS = (SECONDS, *(metric for metric, _ in (*FUNCTION_METRICS, *SYSTEM_METRICS)))
"""What a profiler tells Prometheus; docs/reference/metrics.md holds the same rows."""


def prometheus(report: PerformanceReport, histograms: Mapping[str, Histogram]) -> str:
    """Everything since the profiler began; of the system the last sample."""
    lines = [*histogram_lines(SECONDS, histograms)]
    for metric, figure in FUNCTION_METRICS:
        values = [(one.name, getattr(one, figure)) for one in report.functions]
        rows = [
            f"{metric.name}{labels(_FUNCTION, (name,))} {value}"
            for name, value in values
            if value is not None
        ]
        if rows:
            lines += (*head_lines(metric), *rows)
    for metric, figure in SYSTEM_METRICS:
        if figure in report.system:
            lines += (*head_lines(metric), f"{metric.name} {report.system[figure].last}")
    return "\n".join(lines) + "\n"


def flame_graph(root: Node) -> str:
    """The measured functions, each below who called it, by its own time there."""
    return speedscope("tamis profiler", [("measured functions", _stacks(root))])


def _stacks(root: Node) -> Iterator[tuple[list[Frame], float]]:
    for path, node in root.walk():
        if node.own_ns > 0:
            yield [(name, "", 0) for name in path], node.own_ns / 1e9
