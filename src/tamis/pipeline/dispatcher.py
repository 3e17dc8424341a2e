"""The dispatcher: from what callers captured to what each sink's delivery is given."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.base import Processor
from tamis.pipeline.captured import LEVEL, LOGGER, MORE, Captured, Origin, to_record
from tamis.pipeline.delivery.delivery import Delivery
from tamis.pipeline.door import OPEN_RECORDS, Door
from tamis.pipeline.ending import LAST_S, Ending
from tamis.pipeline.fork import watch_forks
from tamis.pipeline.health import Health, health_of
from tamis.pipeline.limits import QueueLimits
from tamis.pipeline.metrics import LogMetrics
from tamis.pipeline.own import is_interrupted, own_work
from tamis.pipeline.pump import Pump
from tamis.pipeline.rounds import Rounds
from tamis.pipeline.worker import Worker
from tamis.telemetry.diagnostics import Diagnostics

OVERFLOW = "overflow"
WRITE_S = 30.0
"""How long a durable call waits for its turn; every wait before it ends by itself sooner than that."""
_URGENT, _TOLD = 40, 30
_ALWAYS = -(1 << 31)


class Dispatcher:
    """Takes captured records from any thread and gives them, processed and numbered, to each sink's delivery.

    `put` never raises and takes no lock; one worker, started at the first record, does the rest. Thread-safe.
    """

    def __init__(
        self,
        origin: Origin,
        processors: Sequence[Processor] = (),
        deliveries: Sequence[Delivery] = (),
        *,
        limits: QueueLimits | None = None,
        metrics: LogMetrics | None = None,
        diagnostics: Diagnostics | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.origin, self.limits = origin, limits or QueueLimits()
        self.metrics = metrics or LogMetrics()
        self.diagnostics = diagnostics or Diagnostics(clock=clock)
        self._clock = clock
        self._pump = Pump(origin, self.metrics, self.diagnostics, limits=self.limits, clock=clock)
        self._pump.use(processors)
        self._pump.deliveries = tuple(deliveries)
        self._worker = Worker("tamis-dispatcher", self._turn, failed=self._turn_failed, clock=clock)
        self._begin()
        watch_forks(self)

    def _begin(self) -> None:
        """Everything that belongs to one process."""
        self._queue: deque[Captured] = deque()
        self._closed = False
        self._door = Door(
            self.limits, self._queue, presses=self._presses, hurry=self._call_worker, clock=self._clock
        )
        self._rounds = Rounds(self._queue, self._pump, self._door, clock=self._clock)
        self._ending = Ending(self._queue, self._pump, self._rounds.drain, clock=self._clock)
        self._open_records = min(OPEN_RECORDS, self.limits.records_max // 2)
        self._asking_level = _ALWAYS  # the first record starts the worker
        self.metrics.watch(self._queue)

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """What sinks there are."""
        return self._pump.deliveries

    def put(self, captured: Captured) -> None:
        """Take a record over. Lock-free, also in signal handlers and finalizers; with `durable` it returns when
        the record is written, or it was counted, and told, that it is not.
        """
        queue = self._queue
        if len(queue) >= self._open_records and not self._may_enter(captured):
            return
        queue.append(captured)
        if captured[LEVEL] >= self._asking_level:
            self._after_put()

    def put_own(self, captured: Captured) -> None:
        """A record that was logged within the pipeline's own work: told, and not taken, but for finalizers' and
        signal handlers', which are written moments later."""
        if is_interrupted():
            self._queue.append(captured)  # whoever was interrupted must not wait at the door
            return
        message = _masked(captured, self.origin) if captured[LEVEL] >= _TOLD else ""
        self.diagnostics.tell_captured(captured[LEVEL], captured[LOGGER], message)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Deliver what was logged before this call; whether all of it arrived or was dead-lettered in time.
        False at once when called from within the pipeline's own work.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        with own_work():
            if not self._rounds.drain(deadline_s, start=False):
                return False
            marks = [(delivery, delivery.hurry()) for delivery in self.deliveries]
            waited = [delivery.wait(mark, deadline_s) for delivery, mark in marks]
            return all(waited)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Deliver what there is, starting no thread, and let sinks go; whether all arrived in time. The rest stands in
        the spool, or is dropped and counted. What is logged later is written by its caller. Idempotent.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        self._closed, self._asking_level = True, _ALWAYS
        self._worker.stop()
        self._door.close()
        done = self._ending.end(deadline_s)
        # A thread that the ending interpreter stops in the middle of a turn keeps what it holds for ever.
        self._worker.join(max(deadline_s - self._clock.monotonic_s(), LAST_S))
        return done

    def swap(
        self,
        *,
        processors: Sequence[Processor] | None = None,
        deliveries: Sequence[Delivery] | None = None,
        timeout_s: float = 5.0,
    ) -> bool:
        """Put other processors or deliveries in place, between two records: each record meets the old ones or the
        new ones, wholly. Deliveries that are in both go on; the others deliver what they have, as in `close`. Whether
        it was done: False, and nothing changed, when the worker cannot be held up in time.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        with own_work(), self._rounds.alone.hold(deadline_s) as is_mine:
            old = self.deliveries
            if not is_mine:
                for delivery in set(deliveries or ()).difference(old):
                    delivery.detach()
                return False
            if processors is not None:
                self._pump.use(processors)
            new = old if deliveries is None else tuple(deliveries)
            gone = [delivery for delivery in old if delivery not in new]
            _let_go(gone, new, deadline_s)
            self._pump.deliveries = new
        with own_work():
            for delivery in gone:
                delivery.close(deadline_s)
        return True

    def health(self) -> Health:
        """How it is; never waits."""
        if self._worker.last_turn_s is not None and not self._closed:
            self._worker.ensure()
        sinks = tuple(delivery.health() for delivery in self.deliveries)
        queued, restarts, now_s = len(self._queue), self.metrics.restarts, self._clock.monotonic_s()
        return health_of(
            self._worker, now_s, sinks=sinks, queued=queued, restarts=restarts, closed=self._closed
        )

    def after_fork(self) -> None:
        """In the child: nothing was logged, nothing is open; another process, numbered from 1."""
        self.origin = replace(self.origin, process_id=os.getpid(), process=os.urandom(4).hex())
        self.diagnostics.after_fork_in_child()
        self.metrics.after_fork_in_child()
        self._worker.renew()
        self._begin()
        self._pump.begin(self.origin)
        for delivery in self.deliveries:
            delivery.after_fork(self.origin)

    def _may_enter(self, captured: Captured) -> bool:
        if not len(self._queue) % OPEN_RECORDS:
            self._worker.wake()
        if self._door.admit(captured):
            return True
        self.metrics.refuse(captured, OVERFLOW)
        return False

    def _after_put(self) -> None:
        """The worker's start, an error, a durable record, or one that came after the end: done at once."""
        if self._closed:
            self._ending.end_late()
        elif self.limits.durable != "off":
            self._worker.ensure()
            self._write()
        elif self._worker.ensure():
            self._asking_level = _URGENT
            if self._closed:  # meanwhile: what comes now has no worker any more
                self._asking_level = _ALWAYS
            self._worker.wake()
        else:  # the interpreter is ending and nobody closed us, or there are too many threads
            self._ending.write_now()

    def _write(self) -> None:
        """Have what is in the queue written before this returns, or say that it is not."""
        with own_work():
            if not self._rounds.write(self._clock.monotonic_s() + max(self.limits.block_s, WRITE_S)):
                self.metrics.leave_unwritten()
                self.diagnostics.tell("durable", "a durable call returned before its record was written")

    def _presses(self) -> bool:
        return any(delivery.is_full for delivery in self.deliveries)

    def _call_worker(self) -> None:
        """Somebody waits for it."""
        self._worker.ensure()
        self._worker.wake()

    def _turn(self) -> float:
        """One round of the worker; how long it may wait for the next."""
        wait_s = self._rounds.turn()
        self._open_records = self._door.open_records(self._pump.bytes_each)
        if self._closed:  # while we were at it: what we handed out is nobody else's to deliver
            self._ending.end_late()
        return wait_s

    def _turn_failed(self, error: BaseException) -> None:
        self.metrics.fail(restarted=not isinstance(error, Exception) or not self._worker.is_alive)
        sentence = f"the dispatcher failed with {type(error).__name__} and goes on: {error}"
        self.diagnostics.tell("dispatcher", sentence)


@contextmanager
def held(dispatcher: Dispatcher) -> Iterator[None]:
    """Have it take records, and hand none out, within the block: a predecessor delivers what it has first."""
    with dispatcher._rounds.alone.hold(dispatcher._clock.monotonic_s()):
        yield


def _let_go(gone: Sequence[Delivery], new: Sequence[Delivery], deadline_s: float) -> None:
    """Deliveries that get nothing more; what they have comes before what a successor to the same sink is given."""
    followed = {delivery.sink.name for delivery in new}
    for delivery in gone:
        delivery.detach()
        if delivery.sink.name in followed:
            delivery.close(deadline_s)


def _masked(captured: Captured, origin: Origin) -> str:
    """The message; what is told on standard error passed no processors."""
    from tamis.pipeline.processors.redact import redact_from
    from tamis.settings.processors import RedactSettings

    record, more, redact = to_record(captured, origin), captured[MORE], redact_from(RedactSettings())
    if more is not None and more.named:
        record = redact.secure_named(record, more.named)
    return redact.text(record.message)
