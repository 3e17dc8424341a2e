"""Which names other people's records use for what every record has."""

from collections.abc import Sequence
from dataclasses import dataclass

from tamis.wire.base import NO_FIELDS, NOTE_FIELD, FieldNames

TIME = (
    "timestamp", "@timestamp", "ts", "time", "datetime", "_time", "eventTime", "event_time", "timestamp_ns",
    "timeUnixNano", "Timestamp", "asctime", "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "date", "t",
    "timereported", "timegenerated",
)  # fmt: skip
LEVEL = (
    "level", "log.level", "levelname", "loglevel", "log_level", "lvl", "severity", "severity_text",
    "severityText", "SeverityText", "Level", "priority", "PRIORITY",
)  # fmt: skip
MESSAGE = ("message", "msg", "_msg", "MESSAGE", "Message", "body", "Body", "text", "log", "event")
SERVICE = (
    "service",
    "service.name",
    "service_name",
    "app",
    "application",
    "SYSLOG_IDENTIFIER",
    "_SYSTEMD_UNIT",
)
HOST = ("host", "host.name", "hostname", "_HOSTNAME", "fromhost")
LOGGER = ("logger", "logger_name", "loggerName", "log.logger", "logger.name")
TRACE = ("trace_id", "traceId", "trace.id", "traceid", "TraceId")
SPAN = ("span_id", "spanId", "span.id", "spanid", "SpanId")
CORRELATION = ("correlation_id", "correlationId", "correlation.id", "x-correlation-id", "X-Correlation-ID")

BUNYAN = frozenset({"v", "pid", "hostname", "name", "msg", "time", "level"})
"""A record with all of these is bunyan's: there `name` is the logger."""

OWN = frozenset({"id", "timestamp", "message", "attributes"})
"""A record with all of these may be our own export; its `id` decides (`OWN_ID`)."""
OWN_ID = r"[0-9a-f]{8}-\d{1,19}"
OWN_DROPPED = ("id", "seq", "received", "shape", "pattern")
"""What the store gave a record of our own export, and will give anew."""

WEAK_TIME = frozenset({"time", "date", "t"})
"""Names that are as often no instant: a number from before 1973 (`WEAK_TIME_MIN`) stays an attribute."""
WEAK_TIME_MIN = 10**8
WEAK_LEVEL = frozenset({"priority", "PRIORITY"})
"""Names that count only when the value is a known level."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the fields of records with the same keys go.

    `core` has, for each core field (and ``timestamp``), the keys to take it from, best first; a pair
    (``("host", "name")``) is a field of an object. `keys` are all keys, in their order.
    """

    keys: tuple[str, ...]
    core: dict[str, tuple[str | tuple[str, str], ...]]
    maybe_own: bool


class Names:
    """The names in their order, with the user's own before them."""

    def __init__(self, extra: FieldNames = NO_FIELDS) -> None:
        self.families: dict[str, tuple[str, ...]] = {
            "timestamp": _ordered(extra.time, TIME),
            "level": _ordered(extra.level, LEVEL),
            "message": _ordered(extra.message, MESSAGE),
            "service": SERVICE,
            "host": HOST,
            "logger": LOGGER,
            "trace_id": TRACE,
            "span_id": SPAN,
            "correlation_id": CORRELATION,
        }
        flat = {name for names in self.families.values() for name in names}
        self.relevant = flat | {name.partition(".")[0] for name in flat} | {NOTE_FIELD}
        self.asked = frozenset((*extra.time, *extra.level, *extra.message))

    def plan(self, keys: tuple[str, ...]) -> Plan:
        """Where each of `keys` goes."""
        present = frozenset(keys)
        core = {}
        for family, usual in self.families.items():
            names = (*usual, "name") if family == "logger" and present >= BUNYAN else usual
            core[family] = tuple(source for name in names if (source := _source(name, present)) is not None)
        return Plan(keys=keys, core=_without_shared(core), maybe_own=present >= OWN)


def _source(name: str, present: frozenset[str]) -> str | tuple[str, str] | None:
    """The key itself, or for ``host.name`` the field ``name`` of an object ``host``."""
    if name in present:
        return name
    outer, dot, inner = name.partition(".")
    return (outer, inner) if dot and outer in present else None


def _without_shared(
    core: dict[str, tuple[str | tuple[str, str], ...]],
) -> dict[str, tuple[str | tuple[str, str], ...]]:
    """A key named for two families (by the user's settings) serves the first alone."""
    seen: set[str | tuple[str, str]] = set()
    result = {}
    for family, sources in core.items():
        result[family] = tuple(source for source in sources if source not in seen)
        seen.update(sources)
    return result


def _ordered(extra: Sequence[str], usual: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*extra, *usual)))
