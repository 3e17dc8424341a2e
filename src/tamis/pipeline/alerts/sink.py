"""`AlertSink`: a sink that looks at every record, and sends what it has to tell through deliveries of its own."""

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.alerts.alert import Alert, to_record
from tamis.pipeline.alerts.watch import Watch
from tamis.pipeline.base import AT_ONCE, DELIVERED, Batch, Outcome, Sink
from tamis.pipeline.captured import Origin
from tamis.pipeline.chain import Passed
from tamis.pipeline.delivery.delivery import Delivery
from tamis.pipeline.fork import watch_forks
from tamis.pipeline.metrics import LogMetrics
from tamis.pipeline.parcel import Parcel, encode_records
from tamis.pipeline.worker import Worker
from tamis.record.severity import severity
from tamis.telemetry.diagnostics import Diagnostics

Deliver = Callable[[Sink, Origin], Delivery]
"""Puts a delivery (queue, spool, breaker, retry) in front of a channel."""
_IDLE_S = 60.0
_CLOSE_S = 5.0


class AlertSink:
    """Stands behind the chain like any sink, so that what it tells is redacted. Looking costs microseconds; each
    channel is a sink behind a `Delivery` of its own, so a mail server that hangs delays nothing, what could not be
    told is tried again, and stands in the spool meanwhile. The channels' deliveries begin with the first record,
    their threads with the first alert, or at once where another process left one untold.
    """

    limits = AT_ONCE
    spooled = False

    def __init__(
        self,
        name: str,
        make_watch: Callable[[], Watch],
        channels: Sequence[Sink],
        deliver: Deliver,
        origin: Origin,
        *,
        metrics: LogMetrics,
        diagnostics: Diagnostics,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name, self.channels, self.metrics = name, tuple(channels), metrics
        self._diagnostics = diagnostics
        self._make_watch, self._deliver, self._origin, self._clock = make_watch, deliver, origin, clock
        self.failures = 0
        """Records that a rule could not be asked about."""
        self._numbers = itertools.count(1)
        self._worker = self._new_worker()
        self._start()
        watch_forks(self)

    def _new_worker(self) -> Worker:
        return Worker("tamis alerts", self._turn, failed=self._turn_failed, clock=self._clock)

    def _start(self) -> None:
        """Everything that belongs to one process."""
        self._lock, self._watch = threading.Lock(), self._make_watch()
        self._deliveries: list[Delivery] | None = None

    def after_fork(self) -> None:
        """In the child: nothing has happened yet."""
        self._origin = replace(self._origin, process_id=os.getpid(), process=os.urandom(4).hex())
        self._diagnostics.after_fork_in_child()
        self.metrics.after_fork_in_child()
        self._worker.renew()
        deliveries = self._deliveries
        self._start()
        for delivery in deliveries or ():
            delivery.after_fork(self._origin)
        self._deliveries = deliveries

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        """Look at each record."""
        with self._lock:
            self._open()
            for record in batch.records:
                try:
                    alerts = self._watch.look(record)
                except Exception:  # a rule's edge: a record that cannot be asked about is passed over
                    self.failures += 1
                    continue
                self._tell(alerts)
        return DELIVERED

    def tick(self) -> None:
        """Tell what is due, until it is closed: that something goes on, or is over."""
        with self._lock:
            if self._deliveries is not None:
                self._tell(self._watch.due())

    def wait(self, timeout_s: float) -> bool:
        """Until every alert so far was told, or is safe in the spool; whether it was in time."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        deliveries = self._deliveries or []
        marks = [(delivery, delivery.hurry()) for delivery in deliveries]
        waited = [delivery.wait(mark, deadline_s) for delivery, mark in marks]
        return all(waited)

    def close(self) -> None:
        """Tell what is still to be told, for a few seconds; the rest stands in the spool. Nobody is told that it goes
        on, or is over, unless `send` follows."""
        with self._lock:
            deliveries, self._deliveries = self._deliveries or [], None
            worker, self._worker = self._worker, self._new_worker()
        worker.stop()
        deadline_s = self._clock.monotonic_s() + _CLOSE_S
        for delivery in deliveries:
            delivery.hurry()
        for delivery in deliveries:
            delivery.close(deadline_s)
            delivery.detach()

    def _open(self) -> list[Delivery]:
        """The channels' deliveries; under the lock."""
        if self._deliveries is None:
            self._deliveries = [self._deliver(channel, self._origin) for channel in self.channels]
        return self._deliveries

    def _tell(self, alerts: Sequence[Alert]) -> None:
        """Hand alerts to each channel's delivery. Under the lock."""
        if not alerts:
            return
        now_ns, now_s = self._clock.now_ns(), self._clock.monotonic_s()
        for alert in alerts:
            origin, number = self._origin, next(self._numbers)
            record = to_record(
                alert, now_ns, process=origin.process, process_id=origin.process_id, sequence=number
            )
            form, payload = encode_records([record])
            self.metrics.pass_on(Passed([record], made=1), len(payload))
            parcel = Parcel([record], form, payload, severity("CRITICAL"), now_s)
            for delivery in self._open():
                self._offer(delivery, parcel)
        if self._worker.ensure():
            self._worker.wake()

    def _offer(self, delivery: Delivery, parcel: Parcel) -> None:
        try:
            delivery.offer(parcel)
        except Exception as error:  # one channel's trouble is not another's
            self.failures += 1
            self._diagnostics.tell(
                f"alerts {delivery.sink.name}", f"an alert could not be handed over: {error}"
            )

    def _turn(self) -> float:
        self.tick()
        with self._lock:
            wait_s = self._watch.due_in_s()
        return _IDLE_S if wait_s is None else min(max(wait_s, 0.05), _IDLE_S)

    def _turn_failed(self, error: BaseException) -> None:
        self.failures += 1
        self._diagnostics.tell(
            "alerts", f"watching for alerts failed with {type(error).__name__} and goes on: {error}"
        )
