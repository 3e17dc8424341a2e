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
    dispatcher: queues, spool or service differ, or this one cannot be held up in time.

    Each record meets the old steps and sinks or the new ones, wholly. A sink that is in both goes on; others
    deliver what they have first. ConfigError leaves everything as it was.
    """
    if not _is_same_frame(before, after):
        return False
    processors = _processors(dispatcher, after) if _chain(before) != _chain(after) else None
    deliveries = None
    if before.sinks != after.sinks or before.settings.alert != after.settings.alert:
        deliveries = _deliveries(dispatcher, before, after)
    return dispatcher.swap(processors=processors, deliveries=deliveries, timeout_s=after.log.exit_s)


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
    kept: dict[str, Delivery] = {}
    new: list[Sink] = []
    for item in after.sinks:
        (sink,) = create_sinks(after.settings, [item])
        if item in before.sinks and sink.name in there:
            kept[sink.name] = there[sink.name]
        new.append(sink)
    if before.settings.alert == after.settings.alert:
        # The watch for alerts goes on with what it knows.
        kept |= {name: delivery for name, delivery in there.items() if name.startswith(ALERTS)}
        new += [delivery.sink for name, delivery in kept.items() if name.startswith(ALERTS)]
    else:
        new += create_alerts(after.settings, dispatcher.origin, diagnostics=dispatcher.diagnostics)
    # From the first delivery on a sink is counted: whatever may be wrong was found before.
    sinks = {sink.name: sink for sink in reversed(new)}
    return [kept.get(name) or _delivery(dispatcher, after, sinks[name]) for name in reversed(sinks)]


def _delivery(dispatcher: Dispatcher, config: LoggingConfig, sink: Sink) -> Delivery:
    return create_delivery(
        config.settings,
        sink,
        dispatcher.origin,
        metrics=dispatcher.metrics,
        diagnostics=dispatcher.diagnostics,
    )
