"""Write docs/reference/metrics.md from the table of metrics."""

from pathlib import Path

from tamis.pipeline.exposition import LOG_METRICS
from tamis.telemetry.metrics import reference as table
from tamis.telemetry.profiler.exports import PROFILER_METRICS

PLACE = Path(__file__).resolve().parents[1] / "docs/reference/metrics.md"
HEAD = """\
# Metrics

<!-- Written by `make docs` from the table in src/tamis/telemetry/metrics.py. -->

`GET /metrics` answers in Prometheus' text format, to callers with a token:

```yaml
scrape_configs:
  - job_name: tamis
    authorization:
      credentials_file: /etc/prometheus/tamis.token
    static_configs:
      - targets: ["127.0.0.1:4817"]
```

Durations are seconds, sizes bytes. A label has a bounded number of values: routes are templates, never paths that
callers made. Beside these, the process reports its memory (`process_resident_memory_bytes`,
`process_virtual_memory_bytes`), processor time (`process_cpu_seconds_total`), open files (`process_open_fds`,
`process_max_fds`) and its start (`process_start_time_seconds`).

"""

LOG_HEAD = """
## In an application

What an application's own pipeline counts: `LogMetrics.snapshot()` as an object, `LogMetrics.prometheus()` as text for
an endpoint of the application's. For every sink and at every moment, what was logged is the sum of its states.

"""

PROFILER_HEAD = """
## Of a profiler

What `PerformanceProfiler.export_metrics("prometheus")` writes, for an endpoint of the application's.

"""


def reference() -> str:
    """The whole page."""
    return HEAD + table() + LOG_HEAD + table(LOG_METRICS) + PROFILER_HEAD + table(PROFILER_METRICS)


if __name__ == "__main__":
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    PLACE.write_text(reference(), encoding="utf-8")
