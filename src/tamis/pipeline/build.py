"""From settings to a dispatcher: which sinks, which processors, with which limits."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import ConfigError
from tamis.pipeline.base import Processor, Sink
from tamis.pipeline.captured import Origin
from tamis.pipeline.delivery.delivery import Delivery
from tamis.pipeline.dispatcher import Dispatcher
from tamis.pipeline.limits import DeliveryLimits, Durable, Overflow, QueueLimits, SpoolLimits
from tamis.pipeline.metrics import LogMetrics
from tamis.pipeline.spool.store import SpoolStore
from tamis.resilience.from_settings import breaker_limits
from tamis.settings import LogSettings, Settings, SpoolSettings
from tamis.telemetry.diagnostics import Diagnostics

ALERTS = "alerts "
"""How the name of the sink that watches for alerts begins."""


def build_dispatcher(
    settings: Settings,
    sinks: Iterable[str | Sink],
    processors: Iterable[Processor],
    origin: Origin,
    *,
    diagnostics: Diagnostics | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Dispatcher:
    """A dispatcher that has started nothing yet. ConfigError names what is wrong with a sink.

    `processors` are the user's own; they come before those that settings ask for, so that what they add is
    redacted too.
    """
    diagnostics = diagnostics or Diagnostics(clock=clock)
    metrics, queue = LogMetrics(), queue_limits(settings.log)
    deliveries = [
        create_delivery(settings, sink, origin, metrics=metrics, diagnostics=diagnostics, clock=clock)
        for sink in [
            *create_sinks(settings, sinks),
            *create_alerts(settings, origin, diagnostics=diagnostics, clock=clock),
        ]
    ]
    chain = [*processors, *create_processors(settings, diagnostics)]
    return Dispatcher(
        origin, chain, deliveries, limits=queue, metrics=metrics, diagnostics=diagnostics, clock=clock
    )


def create_delivery(
    settings: Settings,
    sink: Sink,
    origin: Origin,
    *,
    metrics: LogMetrics,
    diagnostics: Diagnostics,
    clock: Clock = SYSTEM_CLOCK,
) -> Delivery:
    """What stands between the chain and a sink, as settings say."""
    return Delivery(
        sink,
        origin,
        metrics=metrics,
        store=spool_store(settings.spool, sink, clock=clock),
        queue=queue_limits(settings.log),
        limits=DeliveryLimits(breaker=breaker_limits(settings.breaker)),
        diagnostics=diagnostics,
        clock=clock,
    )


def queue_limits(log: LogSettings) -> QueueLimits:
    """What part `log` says of queues."""
    return QueueLimits(
        records_max=log.queue_records_max,
        bytes_max=log.queue_bytes_max,
        overflow=cast(Overflow, log.overflow),
        block_s=log.block_s,
        durable=cast(Durable, log.durable),
        unwritten_s=log.unwritten_s,
    )


def spool_limits(spool: SpoolSettings) -> SpoolLimits:
    """What part `spool` says of the disk."""
    return SpoolLimits(
        bytes_max=spool.bytes_max,
        dead_bytes_max=spool.dead_bytes_max,
        part_bytes=spool.part_bytes,
        reserve_bytes=spool.reserve_bytes,
        adopt_interval_s=spool.adopt_interval_s,
    )


def spool_store(spool: SpoolSettings, sink: Sink, *, clock: Clock = SYSTEM_CLOCK) -> SpoolStore | None:
    """Where a sink's spool and dead letters are; None when they are in memory alone."""
    if not spool.enabled:
        return None
    return SpoolStore(Path(spool.folder), sink.name, limits=spool_limits(spool), clock=clock)


def create_sinks(settings: Settings, sinks: Iterable[str | Sink]) -> Sequence[Sink]:
    """Sinks by name, by URL, or as they are; of two with one name the first."""
    found: dict[str, Sink] = {}
    with _named_sources(settings):
        for item in sinks:
            sink = _module("sinks").create_sink(item, settings) if isinstance(item, str) else _as_sink(item)
            found.setdefault(sink.name, sink)
    return list(found.values())


def _as_sink(given: Sink) -> Sink:
    missing = [name for name in ("name", "limits", "spooled", "send", "close") if not hasattr(given, name)]
    if missing:
        reason = f"is no name or URL of a sink, and no sink: it has no {', '.join(missing)}"
        raise ConfigError("log.sinks", type(given).__name__, "argument", reason)
    return given


@contextmanager
def _named_sources(settings: Settings) -> Iterator[None]:
    """What is wrong is told with where it was said: parts that read a value know only what is wrong with it."""
    try:
        yield
    except ConfigError as error:
        source = settings.sources.get(error.key)
        if source is None:
            raise
        raise ConfigError(error.key, error.value, source, error.reason) from None


def check_settings(settings: Settings) -> None:
    """ConfigError when sinks, alerts or patterns that settings name cannot be made; nothing is opened."""
    create_sinks(settings, settings.log.sinks)
    create_alerts(settings, Origin(None, None, 0, ""), diagnostics=Diagnostics())
    with _named_sources(settings):
        _module("processors.patterns.own").own_patterns(settings.redact.patterns)


def create_alerts(
    settings: Settings, origin: Origin, *, diagnostics: Diagnostics, clock: Clock = SYSTEM_CLOCK
) -> Sequence[Sink]:
    """The sink that watches for alerts, when settings name a channel to tell."""
    alert = settings.alert
    with _named_sources(settings):
        if not alert.channels:
            if alert.rules:  # what is wrong with one is told now, not when somebody is to be told
                _module("alerts.rules").make_rules(alert.threshold_errors, alert.rules)
            return ()
        made = _module("alerts.build").create_alerts(settings, origin, diagnostics=diagnostics, clock=clock)
    return (made,)


def create_processors(settings: Settings, diagnostics: Diagnostics) -> Sequence[Processor]:
    """The steps that settings ask for, in order."""
    with _named_sources(settings):
        made: Sequence[Processor] = _module("processors").create_processors(settings, diagnostics)
    return made


def _module(family: str) -> Any:
    """A family's table, read when it is needed: its members import what they alone need."""
    return import_module(f"tamis.pipeline.{family}")
