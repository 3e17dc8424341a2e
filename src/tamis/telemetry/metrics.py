"""The one table of metrics, and the registry that keeps their values."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["counter", "gauge", "histogram"]

SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table. `name` is what Prometheus sees."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric("tamis_build_info", "gauge", "Always 1; the label says which release runs.", ("version",)),
    Metric(
        "tamis_http_requests_total", "counter", "Requests answered, by status.", ("method", "route", "status")
    ),
    Metric("tamis_http_request_seconds", "histogram", "From request head to the answer's end.", ("route",)),
    Metric("tamis_http_open_requests", "gauge", "Requests being answered now."),
    Metric(
        "tamis_ingest_records_total",
        "counter",
        "Records that arrived; result is stored, rejected or duplicate.",
        ("result",),
    ),
    Metric("tamis_ingest_bytes_total", "counter", "Bytes of bodies; form is wire or plain.", ("form",)),
    Metric(
        "tamis_ingest_blocks_total",
        "counter",
        "Blocks of lines decoded; way is fast (Arrow) or general.",
        ("way",),
    ),
    Metric(
        "tamis_ingest_rest_values_total",
        "counter",
        "Attribute values kept in the object `rest` because a body had too many names.",
    ),
    Metric("tamis_ingest_seconds", "histogram", "Decoding and storing one body, until it is safe."),
    Metric("tamis_ingest_open_bytes", "gauge", "Bytes of bodies in memory now."),
    Metric(
        "tamis_queries_total",
        "counter",
        "Questions asked; result is ok, wrong, timeout, cancelled, too_large, refused or failed.",
        ("kind", "result"),
    ),
    Metric("tamis_query_seconds", "histogram", "Answering one question, waiting included.", ("kind",)),
    Metric(
        "tamis_queries_running",
        "gauge",
        "Questions that run now; kind is heavy, light, export or tail.",
        ("kind",),
    ),
    Metric("tamis_queries_waiting", "gauge", "Questions that wait for their turn.", ("kind",)),
    Metric(
        "tamis_tasks_waiting",
        "gauge",
        "Tasks that wait in executors; executor is heavy, light, export, tail, upkeep, ...",
        ("executor", "priority"),
    ),
    Metric("tamis_tasks_running", "gauge", "Tasks of executors that run now.", ("executor",)),
    Metric("tamis_tasks_oldest_waiting_seconds", "gauge", "How long the oldest task waits.", ("executor",)),
    Metric(
        "tamis_tasks_total",
        "counter",
        "Tasks by what became of them; result is succeeded, failed, crashed (it took its worker with it), cancelled, "
        "dropped (it made room), expired or rejected.",
        ("executor", "result"),
    ),
    Metric("tamis_tail_viewers", "gauge", "Live tails that are open."),
    Metric("tamis_status_viewers", "gauge", "Status streams that are open."),
    Metric("tamis_tail_events_total", "counter", "Records sent to live tails, each viewer's counted."),
    Metric(
        "tamis_answers_total",
        "counter",
        "Answers by where they came from: computed, or kept from the same question before.",
        ("source",),
    ),
    Metric(
        "tamis_ingest_lost_records",
        "gauge",
        "Records that processes numbered and that never came, as far as known; fewer when late ones come.",
    ),
    Metric(
        "tamis_listener_messages_total",
        "counter",
        "Records by protocol; result is stored, rejected, or lost: read when the server ended.",
        ("protocol", "result"),
    ),
    Metric(
        "tamis_listener_cut_total", "counter", "Messages stored without their end: too long.", ("protocol",)
    ),
    Metric(
        "tamis_listener_refused_total",
        "counter",
        "Bodies, connections and datagrams refused; reason is a setting, not readable, http or cross-site.",
        ("protocol", "reason"),
    ),
    Metric(
        "tamis_listener_kernel_drops_total",
        "counter",
        "Datagrams that the system had no room for, as far as it says.",
        ("protocol",),
    ),
    Metric(
        "tamis_listener_pauses_total",
        "counter",
        "Times that reading stopped: too much waited.",
        ("protocol",),
    ),
    Metric("tamis_listener_connections", "gauge", "Connections of senders.", ("protocol",)),
    Metric(
        "tamis_listener_waiting_bytes",
        "gauge",
        "Messages that were read and are not stored yet.",
        ("protocol",),
    ),
    Metric("tamis_export_records_total", "counter", "Records sent by exports.", ("format",)),
    Metric("tamis_assets_damaged", "gauge", "Files of Tamis' own that are missing or damaged."),
    Metric("tamis_assets_mended_total", "counter", "Files of Tamis' own that were made whole."),
    Metric("tamis_assets_fetched_bytes_total", "counter", "Bytes that came from mirrors of these files."),
    Metric("tamis_limits_met_total", "counter", "Requests refused because a limit was met.", ("limit",)),
    Metric("tamis_rate_callers", "gauge", "Callers whose rate is remembered, by limit.", ("limit",)),
    Metric("tamis_auth_total", "counter", "Credentials looked at, and what came of it.", ("how", "result")),
    Metric("tamis_refused_total", "counter", "Requests refused before a route saw them.", ("reason",)),
    Metric("tamis_alerts_rules", "gauge", "Alert rules at work."),
    Metric("tamis_alerts_firing", "gauge", "Groups of records for which a rule holds now."),
    Metric(
        "tamis_alerts_evaluations_total", "counter", "Looks at a rule; result is ok or failed.", ("result",)
    ),
    Metric("tamis_alerts_evaluation_seconds", "histogram", "One look at one rule."),
    Metric(
        "tamis_alerts_told_total", "counter", "Notices made; state is firing, going_on or over.", ("state",)
    ),
    Metric(
        "tamis_alerts_deliveries_total",
        "counter",
        "Tries to tell a channel; result is delivered, put_off, refused or given_up.",
        ("channel", "result"),
    ),
    Metric("tamis_alerts_waiting", "gauge", "Notices that are still to be told."),
    Metric(
        "tamis_alerts_late_records_total",
        "counter",
        "Records that came too late for the windows of a rule, counted for each rule.",
    ),
    Metric("tamis_backup_runs_total", "counter", "Backups made, verified, brought back.", ("kind", "result")),
    Metric("tamis_backup_last_seconds", "gauge", "How long the last one took.", ("kind",)),
    Metric("tamis_backup_added_bytes_total", "counter", "Bytes that backups added to the repository."),
    Metric(
        "tamis_backup_newest_timestamp_seconds",
        "gauge",
        "When the newest backup was made, in seconds since 1970; 0: none is known.",
    ),
    Metric("tamis_backup_age_seconds", "gauge", "How old the newest backup is."),
    Metric("tamis_backup_problems", "gauge", "What is wrong with backups: too old, failed, damaged."),
    Metric("tamis_system_cpu_percent", "gauge", "Of all processors of the machine, over the last 5 s."),
    Metric("tamis_system_memory_percent", "gauge", "Of the machine's memory."),
    Metric("tamis_process_cpu_percent", "gauge", "Of one processor, by this process, over the last 5 s."),
    Metric("tamis_process_threads", "gauge", "Threads of this process."),
    Metric("tamis_breaker_state", "gauge", "1 for the state a circuit breaker is in.", ("breaker", "state")),
    Metric(
        "tamis_breaker_calls_total",
        "counter",
        "Calls at a circuit breaker; result is success, failure, refused, rejection, abandoned or late.",
        ("breaker", "result"),
    ),
    Metric(
        "tamis_breaker_entered_total",
        "counter",
        "Times that a circuit breaker came into a state.",
        ("breaker", "state"),
    ),
    Metric("tamis_breaker_seconds_total", "counter", "Time that it was in a state.", ("breaker", "state")),
    Metric(
        "tamis_cache_reads_total",
        "counter",
        "Reads of a cache's level; result is hit or miss.",
        ("cache", "level", "result"),
    ),
    Metric(
        "tamis_cache_gone_total",
        "counter",
        "Entries not kept; reason is expired, evicted (made room), removed, refused or unreadable.",
        ("cache", "level", "reason"),
    ),
    Metric("tamis_cache_errors_total", "counter", "Times that a level failed.", ("cache", "level")),
    Metric("tamis_cache_entries", "gauge", "Entries of a cache's level.", ("cache", "level")),
    Metric("tamis_cache_bytes", "gauge", "Bytes of them, about.", ("cache", "level")),
    Metric("tamis_store_records", "gauge", "Records in the store."),
    Metric("tamis_store_bytes", "gauge", "Bytes of the store on disk."),
    Metric(
        "tamis_store_damaged_segments", "gauge", "Segments that answers go without, because they are damaged."
    ),
    Metric("tamis_store_lost_records", "gauge", "Records that damage took from answers, as far as is known."),
    Metric("tamis_store_scrub_rounds", "gauge", "Times that every stored byte was compared since the start."),
    Metric(
        "tamis_store_scrubbed_bytes", "gauge", "Stored bytes compared with their digests since the start."
    ),
    Metric("tamis_store_state", "gauge", "1 for the state the store is in.", ("state",)),
)
"""Every metric there is; docs/reference/metrics.md holds the same rows."""


class Metrics:
    """The values of METRICS, in a registry of their own. Thread-safe; updates take microseconds."""

    def __init__(self, *, process: bool = False) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
        from prometheus_client.process_collector import ProcessCollector

        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not say
        self.registry = CollectorRegistry(auto_describe=True)
        makers: dict[Kind, Callable[..., Any]] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
        self._metrics: dict[str, Any] = {}
        for row in METRICS:
            options: dict[str, Any] = {"buckets": SECONDS_BUCKETS} if row.kind == "histogram" else {}
            made = makers[row.kind](row.name, row.help, row.labels, registry=self.registry, **options)
            self._metrics[row.name] = made
        self._children: dict[tuple[str, tuple[str, ...]], Any] = {}
        if process:
            ProcessCollector(registry=self.registry)

    def _child(self, name: str, labels: tuple[str, ...]) -> Any:
        child = self._children.get((name, labels))
        if child is None:
            metric = self._metrics[name]
            child = metric.labels(*labels) if labels else metric
            self._children[name, labels] = child
        return child

    def add(self, name: str, amount: float = 1, *labels: str) -> None:
        """Count `amount` more (a gauge may go down)."""
        self._child(name, labels).inc(amount)

    def set(self, name: str, value: float, *labels: str) -> None:
        """A gauge stands at `value` now."""
        self._child(name, labels).set(value)

    def drop(self, name: str, *labels: str) -> None:
        """Say nothing more of these labels; nothing when nothing was said."""
        if self._children.pop((name, labels), None) is not None:
            self._metrics[name].remove(*labels)

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """A histogram saw one more."""
        self._child(name, labels).observe(seconds)

    def value(self, name: str, *labels: str) -> float:
        """What a counter or gauge stands at."""
        return float(self._child(name, labels)._value.get())

    def render(self) -> bytes:
        """All of it in Prometheus' text format."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)


def reference(rows: Iterable[Metric] = METRICS) -> str:
    """The table as Markdown: what docs/reference/metrics.md must hold."""
    lines = ["| name | kind | labels | what it says |", "|---|---|---|---|"]
    for row in rows:
        labels = ", ".join(f"`{label}`" for label in row.labels)
        lines.append(f"| `{row.name}` | {row.kind} | {labels} | {row.help} |")
    return "\n".join(lines) + "\n"
