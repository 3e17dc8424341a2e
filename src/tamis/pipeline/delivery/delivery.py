"""`Delivery`: everything between the chain and one sink."""

import os
from dataclasses import dataclass

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.alone import Alone
from tamis.pipeline.base import Sink
from tamis.pipeline.captured import Origin
from tamis.pipeline.delivery.adoption import Adoption
from tamis.pipeline.delivery.backlog import Backlog
from tamis.pipeline.delivery.dead import DeadLetters
from tamis.pipeline.delivery.lanes import Lanes
from tamis.pipeline.delivery.sender import Lane, Sender
from tamis.pipeline.delivery.tally import Tally
from tamis.pipeline.limits import DeliveryLimits, QueueLimits
from tamis.pipeline.metrics import LogMetrics
from tamis.pipeline.own import own_work
from tamis.pipeline.parcel import Parcel
from tamis.pipeline.spool.spool import Spool, new_begin
from tamis.pipeline.spool.store import SpoolStore
from tamis.pipeline.worker import Worker
from tamis.resilience.machine import BreakerState
from tamis.telemetry.diagnostics import Diagnostics

_IDLE_S = 0.5
_POLL_S = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryHealth:
    """How delivery to one sink is. `state` is the breaker's; `last_error` says what went wrong last, without
    what records hold.
    """

    name: str
    is_well: bool
    state: str
    waiting: int
    last_delivery_s: float | None
    last_error: str


class Delivery:
    """Sends records to one sink, in order, until each is delivered, dead-lettered, or dropped and counted.

    One thread of its own, started at the first record; `drain` and `close` work on the caller's. A sink that is
    away is tried again after 1, 2 and 4 s, or when it asked for, then when its breaker lets through; what waits
    stands in the spool if the sink has one. Thread-safe.
    """

    def __init__(
        self,
        sink: Sink,
        origin: Origin,
        *,
        metrics: LogMetrics,
        store: SpoolStore | None = None,
        queue: QueueLimits | None = None,
        limits: DeliveryLimits | None = None,
        diagnostics: Diagnostics | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.sink, self.limits, self.queue = sink, limits or DeliveryLimits(), queue or QueueLimits()
        self.store = store
        self._metrics, self._origin, self._clock = metrics, origin, clock
        self._diagnostics = diagnostics or Diagnostics(clock=clock)
        self._worker = Worker(f"tamis {sink.name}"[:60], self._turn, failed=self._turn_failed, clock=clock)
        self._dead = _dead_letters(store, origin, clock) if store is not None else None
        self._reopen = False
        self._start()

    def _start(self) -> None:
        """Everything that belongs to one process."""
        self._alone, self._tally = Alone(self._clock), Tally()
        self._closed = self._is_leaving = False
        self._lost = 0
        self.meter = meter = self._metrics.attach(self.sink.name)
        tell, clock = self._diagnostics.tell, self._clock
        backlog = Backlog(
            self.sink.name,
            meter,
            self.queue,
            prefix=_new_prefix(self._origin),
            open_spool=self._open_spool,
            tell=tell,
            lost=self._tally.go,
        )
        self._own = Lane(backlog)
        self._sender = Sender(
            self.sink,
            meter,
            self.limits,
            dead=self._dead,
            finished=lambda lane, records: self._tally.go(records if lane is self._own else 0),
            tell=tell,
            clock=clock,
        )
        store = self.store if self.sink.spooled else None
        adoption = None if store is None else Adoption(store, meter, tell=tell, clock=clock)
        self._lanes = Lanes(
            self._own, self._sender, adoption=adoption, prefix=lambda: _new_prefix(self._origin), clock=clock
        )

    @property
    def is_full(self) -> bool:
        """Whether records that come now are in danger of being dropped."""
        return self._own.backlog.is_full

    def room(self, bytes_each: float) -> int:
        """How many more records of about that size are surely kept."""
        return self._own.backlog.room(bytes_each)

    def offer(self, parcel: Parcel, *, start: bool = True, whole: bool = False) -> None:
        """Take records over; what cannot be kept is dropped and counted, unless it is to be kept `whole`. With
        `durable`, what has no spool is sent before this returns, if the sink takes it. `start` says whether the
        thread may be started.
        """
        self._tally.come(len(parcel.records))
        kept = self._own.backlog.add(parcel, sync=self.queue.durable == "disk", whole=whole)
        if kept < len(parcel.records):
            self._tally.go(len(parcel.records) - kept)
        if self._closed:
            return
        if self.queue.durable != "off" and self._own.backlog.spool is None:
            self.drain(self._clock.monotonic_s() + self.limits.timeout_s, patient=False)
        is_running = self._worker.ensure() if start else self._worker.is_alive
        if is_running and self._own.backlog.due_in_s(self.sink.limits, parcel.since_s) == 0.0:
            self._worker.wake()

    def lose(self, parcel: Parcel, reason: str) -> None:
        """Count a parcel that could not be offered."""
        self.meter.offer(dropped={reason: len(parcel.records)})
        self._tally.go(len(parcel.records))

    def hurry(self) -> int:
        """Send all that waits now, not when it is due; the mark to `wait` for."""
        mark = self._tally.hurry()
        self._worker.wake()
        return mark

    def wait(self, mark: int, deadline_s: float) -> bool:
        """Until all before the mark is done with, or is safe in the spool while the sink is away; whether it is."""
        while self._tally.went < mark and not (self._sender.is_failing and self._lanes.is_safe):
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0 or self._alone.is_mine:
                return False
            if self._closed or not self._worker.is_alive:
                return self.drain(deadline_s)
            self._clock.sleep(min(_POLL_S, left_s))
        return True

    def drain(self, deadline_s: float, *, patient: bool = True) -> bool:
        """Send what waits, one load at least; whether nothing is left. Not `patient`: ends at the first trouble."""
        if self._alone.is_mine:
            return False
        with own_work():
            while self._tally.waiting:
                with self._alone.hold(deadline_s) as is_mine:
                    if not is_mine:
                        return False
                    wait_s = self._step(hurry=True, own_only=True)
                left_s = deadline_s - self._clock.monotonic_s()
                if left_s <= wait_s or (wait_s > 0 and not patient):
                    return not self._tally.waiting
                self._clock.sleep(min(wait_s, _POLL_S * 5))
        return True

    def detach(self) -> None:
        """It is given nothing more."""
        self._metrics.detach(self.sink.name)

    def close(self, deadline_s: float) -> bool:
        """Send what waits, start no thread, let the sink go; whether all was sent, or is safe in the spool. What is
        not is dropped, and counted. Idempotent; what is offered later waits for another `close`.
        """
        self.hurry()
        self.drain(deadline_s)
        self._closed = True
        self._worker.stop()
        lost_before, self._is_leaving = self._lost, True
        with self._alone.hold(max(deadline_s, self._clock.monotonic_s() + _POLL_S)) as is_mine:
            if is_mine:
                self._leave()
        if self._is_leaving and not self._lanes.is_safe:
            self._tell_closed(f"{self.sink.name} has not answered by the end, records wait for it in memory")
            return False
        return self._lost == lost_before

    def health(self) -> DeliveryHealth:
        """How it is; never waits."""
        return _health_of(self._sender, self._tally, self._clock.monotonic_s(), is_full=self.is_full)

    def after_fork(self, origin: Origin) -> None:
        """In the child: nothing waits, and connections are the parent's."""
        self._origin = origin
        self._worker.renew()
        self._lanes.abandon()
        if self._dead is not None:
            self._dead.after_fork(new_begin(self.sink.name, origin.process, self._clock))
        self._start()
        self._reopen = True

    def _turn(self) -> float:
        with self._alone.hold(self._clock.monotonic_s() + _IDLE_S) as is_mine:
            return self._step(hurry=self._tally.is_hurried, own_only=self._closed) if is_mine else 0.0

    def _step(self, *, hurry: bool, own_only: bool) -> float:
        """Send one load if one is due; seconds to wait before the next step."""
        if self._reopen:
            self._reopen = False
            _close(self.sink, self._diagnostics)
        try:
            return self._lanes.step(hurry=hurry, own_only=own_only)
        finally:
            if self._is_leaving:  # `close` could not wait for the answer
                self._leave()

    def _leave(self) -> None:
        """Let everything go. For who has `_alone`: a batch under way must not be counted twice."""
        self._is_leaving = False
        lost, spooled = self._lanes.leave()
        self._lost += lost
        self._tally.go(lost + spooled)
        if lost:
            self._tell_closed(f"{lost:,} records could not be delivered to {self.sink.name} at the end")
        if self._dead is not None:
            self._dead.close()
        _close(self.sink, self._diagnostics)

    def _tell_closed(self, sentence: str) -> None:
        self._diagnostics.tell(f"closed {self.sink.name}", sentence)

    def _open_spool(self) -> Spool | None:
        return (
            self.store.create(self._origin.process) if self.store is not None and self.sink.spooled else None
        )

    def _turn_failed(self, error: BaseException) -> None:
        self._metrics.fail(restarted=not isinstance(error, Exception))
        sentence = f"delivery to {self.sink.name} failed with {type(error).__name__} and goes on: {error}"
        self._diagnostics.tell(f"fault {self.sink.name}", sentence)


def relieve(delivery: Delivery, deadline_s: float) -> None:
    """Deliver on this thread for a while, if there is no other that does."""
    if not delivery._worker.is_alive:
        delivery.drain(deadline_s)


def _new_prefix(origin: Origin) -> str:
    """One for each delivery: no batch id is ever used for two batches."""
    return f"{origin.process}-{os.urandom(4).hex()}"


def _health_of(sender: Sender, tally: Tally, now_s: float, *, is_full: bool) -> DeliveryHealth:
    state, last_s = sender.breaker.state, sender.delivered_s
    return DeliveryHealth(
        name=sender.sink.name,
        is_well=state is BreakerState.CLOSED and not is_full,
        state=state.value,
        waiting=tally.waiting,
        last_delivery_s=None if last_s is None else max(now_s - last_s, 0.0),
        last_error=sender.last_error,
    )


def _close(sink: Sink, diagnostics: Diagnostics) -> None:
    try:
        sink.close()
    except Exception as error:  # a sink's edge: that it cannot close is no reason to lose anything
        diagnostics.tell(f"close {sink.name}", f"{sink.name} cannot close: {error}")


def _dead_letters(store: SpoolStore, origin: Origin, clock: Clock) -> DeadLetters:
    begin = new_begin(store.sink, origin.process, clock)
    return DeadLetters(store.disk, store.dead_place, begin, limits=store.limits, clock=clock)


def start_delivery(delivery: Delivery) -> bool:
    """Start its thread before the first record, so that what other processes left is sent; whether it runs."""
    return delivery._worker.ensure()
