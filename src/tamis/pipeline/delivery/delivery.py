"""`Delivery`: everything between the chain and one sink."""

import os
from dataclasses import dataclass

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.base import Sink
from tamis.pipeline.captured import Origin
from tamis.pipeline.delivery.adoption import Adoption
from tamis.pipeline.delivery.backlog import Backlog
from tamis.pipeline.delivery.dead import DeadLetters
from tamis.pipeline.delivery.lanes import Lanes
from tamis.pipeline.delivery.room import room_at_once
from tamis.pipeline.delivery.sender import Lane, Sender
from tamis.pipeline.delivery.steps import Steps
from tamis.pipeline.delivery.tally import Tally
from tamis.pipeline.limits import DeliveryLimits, QueueLimits
from tamis.pipeline.metrics import LogMetrics
from tamis.pipeline.parcel import Parcel
from tamis.pipeline.spool.spool import Spool, new_begin
from tamis.pipeline.spool.store import SpoolStore
from tamis.pipeline.worker import Worker
from tamis.resilience.machine import BreakerState
from tamis.telemetry.diagnostics import Diagnostics

_POLL_S = 0.002
LATE_S, LATE_PAUSE_S = 1.0, 30.0
"""How long a record that comes after the end is tried, and how long none is when the sink was away."""


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
        self._dead = _dead_letters(store, origin, clock) if store is not None else None
        self._start()
        self._worker = Worker(f"tamis {sink.name}"[:60], self._turn, failed=self._turn_failed, clock=clock)

    def _start(self, *, inherited: bool = False) -> None:
        """Everything that belongs to one process."""
        self._tally = Tally()
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
        self._steps = Steps(
            self.sink,
            self._lanes,
            self._tally,
            dead=self._dead,
            diagnostics=self._diagnostics,
            inherited=inherited,
            clock=clock,
        )

    @property
    def is_full(self) -> bool:
        """Whether records that come now are in danger of being dropped."""
        return self._own.backlog.is_full

    @property
    def is_kept(self) -> bool:
        """Whether all that was offered is delivered, done with, or stands in the spool."""
        return not self._tally.waiting or self._lanes.is_safe

    def room(self, bytes_each: float) -> int:
        """How many more records of about that size are surely kept, and soon written where there is no spool."""
        room = self._own.backlog.room(bytes_each)
        return min(room, room_at_once(self.sink, self.queue, waiting=self._tally.waiting))

    def offer(self, parcel: Parcel, *, start: bool = True, whole: bool = False) -> None:
        """Take records over; what cannot be kept is dropped and counted, unless it is to be kept `whole`. With
        `durable`, what has no spool is sent before this returns, if the sink takes it. `start` says whether the
        thread may be started.
        """
        self._tally.come(len(parcel.records))
        kept = self._own.backlog.add(parcel, sync=self.queue.durable == "disk", whole=whole)
        if kept < len(parcel.records):
            self._tally.go(len(parcel.records) - kept)
        if self._steps.is_closed:
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
        return self.drain(deadline_s) if self._steps.is_closed else self._wait(mark, deadline_s)

    def _wait(self, mark: int, deadline_s: float) -> bool:
        """The same, while its thread runs."""
        while self._tally.went < mark and not (self._sender.is_failing and self._lanes.is_safe):
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0 or self._steps.is_mine:
                return False
            if not self._worker.is_alive:
                return self.drain(deadline_s)
            self._clock.sleep(min(_POLL_S, left_s))
        return True

    def drain(self, deadline_s: float, *, patient: bool = True) -> bool:
        """Send what waits, one load at least; whether nothing is left. Not `patient`: ends at the first trouble."""
        return self._steps.drain(deadline_s, patient=patient)

    def detach(self) -> None:
        """It is given nothing more."""
        self._metrics.detach(self.sink.name)

    def close(self, deadline_s: float) -> bool:
        """Send what waits, start no thread, let the sink go; whether all was sent, or is safe in the spool. What is
        not is dropped, and counted. Idempotent; what is offered later waits for another `close`, which tries a sink
        that is away once, and then not for a while. A sink that hangs does so with its own thread, if that runs.
        """
        mark, is_late = self.hurry(), self._steps.is_closed
        self._steps.is_closed = True
        if is_late:
            self._sender.timeout_s = LATE_S
            self.drain(deadline_s, patient=False)
            if self._sender.is_failing:
                self._sender.pause(LATE_PAUSE_S)
                if self._lanes.is_safe:  # its file stays open for the next one
                    return True
        else:
            self._wait(mark, deadline_s)
            self._worker.stop()
        return self._steps.leave(deadline_s)

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
        self._start(inherited=True)

    def _turn(self) -> float:
        return self._steps.turn()

    def _open_spool(self) -> Spool | None:
        store = self.store if self.sink.spooled else None
        return None if store is None else store.create(self._origin.process)

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


def _dead_letters(store: SpoolStore, origin: Origin, clock: Clock) -> DeadLetters:
    begin = new_begin(store.sink, origin.process, clock)
    return DeadLetters(store.disk, store.dead_place, begin, limits=store.limits, clock=clock)


def start_delivery(delivery: Delivery) -> bool:
    """Start its thread before the first record, so that what other processes left is sent; whether it runs."""
    return delivery._worker.ensure()
