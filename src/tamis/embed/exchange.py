"""Other sinks and processors for a pipeline that goes on: records keep their order and their numbers."""

from collections.abc import Sequence

from tamis.embed.config import PIPELINE_PARTS, LoggingConfig
from tamis.pipeline.base import Processor, Sink
from tamis.pipeline.build import ALERTS, create_alerts, create_delivery, create_processors, create_sinks
from tamis.pipeline.delivery.delivery import Delivery
from tamis.pipeline.dispatcher import Dispatcher

_FRAME_PARTS = ("log", "spool")
_CHAIN_PARTS = tuple(part for part in PIPELINE_PARTS if part not in (*_FRAME_PARTS, "alert"))
_LEVELS = ("level", "code_level", "sinks", "exit_s", "sigterm")
"""Fields of part `log` that no queue has anything to do with."""


def exchange(dispatcher: Dispatcher, before: LoggingConfig, after: LoggingConfig) -> bool:
    """Bring a dispatcher from one configuration to another, in place; False, and nothing done, when it takes another
    dispatcher (queues, spool or service differ).

    Each record meets the old steps and sinks or the new ones, wholly. A sink that is in both goes on; others
    deliver what they have first. ConfigError leaves everything as it was.
    """
    if not _is_same_frame(before, after):
        return False
    processors, deliveries = None, None
    if before.sinks != after.sinks or before.settings.alert != after.settings.alert:
        deliveries = _deliveries(dispatcher, before, after)
    if _chain(before) != _chain(after):
        processors = _processors(dispatcher, after)
    dispatcher.swap(processors=processors, deliveries=deliveries, timeout_s=after.log.exit_s)
    return True


def _is_same_frame(before: LoggingConfig, after: LoggingConfig) -> bool:
    changed = {
        key
        for key in {*before.settings.sources, *after.settings.sources}
        if before.settings.value(key) != after.settings.value(key)
    }
    free = {f"log.{name}" for name in _LEVELS}
    return all(key in free or key.partition(".")[0] not in _FRAME_PARTS for key in changed)


def _chain(config: LoggingConfig) -> tuple[object, ...]:
    return (config.processors, *(getattr(config.settings, part) for part in _CHAIN_PARTS))


def _processors(dispatcher: Dispatcher, config: LoggingConfig) -> Sequence[Processor]:
    return [*config.processors, *create_processors(config.settings, dispatcher.diagnostics)]


def _deliveries(dispatcher: Dispatcher, before: LoggingConfig, after: LoggingConfig) -> Sequence[Delivery]:
    there = {delivery.sink.name: delivery for delivery in dispatcher.deliveries}
    found = []
    for item in after.sinks:
        (sink,) = create_sinks(after.settings, [item])
        kept = there.get(sink.name) if item in before.sinks else None
        if kept is None:
            kept = _delivery(dispatcher, after, sink)
        if kept not in found:
            found.append(kept)
    return [*found, *_alerts(dispatcher, before, after)]


def _alerts(dispatcher: Dispatcher, before: LoggingConfig, after: LoggingConfig) -> Sequence[Delivery]:
    """The watch for alerts goes on with what it knows, unless what it watches for, or whom it tells, is new."""
    if before.settings.alert == after.settings.alert:
        return [delivery for delivery in dispatcher.deliveries if delivery.sink.name.startswith(ALERTS)]
    made = create_alerts(after.settings, dispatcher.origin, diagnostics=dispatcher.diagnostics)
    return [_delivery(dispatcher, after, sink) for sink in made]


def _delivery(dispatcher: Dispatcher, config: LoggingConfig, sink: Sink) -> Delivery:
    return create_delivery(
        config.settings,
        sink,
        dispatcher.origin,
        metrics=dispatcher.metrics,
        diagnostics=dispatcher.diagnostics,
    )
