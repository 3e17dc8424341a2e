"""Replay by hand: what other processes left for a sink is sent now, on this thread."""

import os
from collections.abc import Callable

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.base import Sink
from tamis.pipeline.delivery.adoption import Adoption
from tamis.pipeline.delivery.dead import DeadLetters
from tamis.pipeline.delivery.sender import Sender
from tamis.pipeline.limits import DeliveryLimits
from tamis.pipeline.metrics import LogMetrics, SinkCounts
from tamis.pipeline.own import own_work
from tamis.pipeline.spool.spool import new_begin
from tamis.pipeline.spool.store import SpoolStore

Tell = Callable[[str, str], object]


def replay(
    sink: Sink,
    store: SpoolStore,
    *,
    limits: DeliveryLimits | None = None,
    tell: Tell = lambda _topic, _sentence: None,
    sent: Callable[[int], object] = lambda _records: None,
    clock: Clock = SYSTEM_CLOCK,
) -> SinkCounts:
    """Send every spool of the sink that no living process holds, in order, each record once; what came of it.

    Ends early when the sink, or reading, fails as often as `limits.retry` allows: what is left stays where it
    is. `sent` is told how many records are done with. The sink stays open.
    """
    limits = limits or DeliveryLimits()
    metrics, prefix = LogMetrics(), os.urandom(8).hex()
    meter = metrics.attach(sink.name)
    dead = DeadLetters(
        store.disk, store.dead_place, new_begin(sink.name, prefix, clock), limits=store.limits, clock=clock
    )
    sender = Sender(
        sink, meter, limits, dead=dead, finished=lambda _lane, records: sent(records), tell=tell, clock=clock
    )
    adoption = Adoption(store, meter, tell=tell, clock=clock)
    with own_work():
        unread = 0
        while max(sender.failures, unread) < limits.retry.attempts_max:
            adoption.look(prefix=prefix)
            if adoption.lane is None:
                break
            now_s = clock.monotonic_s()
            if adoption.lane.next_load(sink.limits, now_s=now_s, hurry=True) is not None:
                unread = 0
                clock.sleep(sender.try_first(adoption.lane))
            elif not adoption.lane.backlog.is_empty:
                unread += 1
                clock.sleep(adoption.lane.backlog.due_in_s(sink.limits, now_s) or 0.0)
    counts = metrics.snapshot().sinks[sink.name]
    adoption.leave()
    dead.close()
    return counts
