"""Lines of Prometheus' text format (version 0.0.4), written without its library."""

from collections.abc import Iterator, Mapping

from tamis.telemetry.histogram import Histogram
from tamis.telemetry.metrics import SECONDS_BUCKETS, Metric


def head_lines(metric: Metric) -> tuple[str, str]:
    """What comes before a metric's values."""
    return f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"


def histogram_lines(metric: Metric, histograms: Mapping[str, Histogram]) -> Iterator[str]:
    """A metric with one label, and a histogram for each of its values."""
    name, (label,) = metric.name, metric.labels
    yield from head_lines(metric)
    for value, histogram in histograms.items():
        for bound, number in zip(SECONDS_BUCKETS, histogram.below(SECONDS_BUCKETS), strict=True):
            yield f"{name}_bucket{labels((label, 'le'), (value, str(bound)))} {number}"
        yield f"{name}_bucket{labels((label, 'le'), (value, '+Inf'))} {histogram.count}"
        yield f"{name}_sum{labels((label,), (value,))} {histogram.sum_ns / 1e9}"
        yield f"{name}_count{labels((label,), (value,))} {histogram.count}"


def labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """`{name="value",…}`, empty when there are none."""
    if not names:
        return ""
    pairs = zip(names, values, strict=True)
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in pairs) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
