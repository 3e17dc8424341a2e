"""Records on their way to a handler that runs on a thread of its own: queue, batches, fallback, counts."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tamis.clock import Clock
from tamis.embed.handlers.handed import hand
from tamis.embed.log_record import RECORD_NAMES, message_of
from tamis.embed.outlet import DIAGNOSTICS
from tamis.embed.raised import exception_of, print_raised, reduce_exception
from tamis.embed.values import IMMUTABLE, are_immutable, frozen
from tamis.pipeline.captured import Raised
from tamis.pipeline.limits import share_of
from tamis.pipeline.worker import Worker

Find = Callable[[], logging.Handler]
_WAIT_S, _IDLE_S = 0.02, 0.25
_POLL_S = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverLimits:
    """How many records may wait; between which sizes batches lie; after how long a handler hangs."""

    capacity: int
    batch_min: int
    batch_max: int
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncStats:
    """`sent` = `processed` + `fallback` + `failed` + `queued` + all `dropped`, once nothing is under way.

    `errors` counts failures of the wrapped handler, `failed` the records that the fallback did not take either.
    """

    sent: int
    processed: int
    fallback: int
    failed: int
    queued: int
    dropped: Mapping[str, int]
    batches: int
    batch_size: int
    errors: int


@dataclass(slots=True)
class _Counts:
    processed: int = 0
    fallback: int = 0
    failed: int = 0
    batches: int = 0
    errors: int = 0
    in_hand: int = 0


class Handover:
    """Gives records to a handler, in order, on a thread that starts at the first one. `put` takes no lock."""

    def __init__(
        self,
        find: Find,
        find_fallback: Find | None,
        limits: HandoverLimits,
        *,
        clock: Clock,
    ) -> None:
        self._find, self._find_fallback, self._limits, self._clock = find, find_fallback, limits, clock
        self._worker = Worker("tamis-async-log", self._turn, failed=_tell, clock=clock)
        self._rescue = Worker("tamis-async-rescue", self._rescue_turn, failed=_tell, clock=clock)
        self._watched: logging.Handler | None = None
        self._begin()

    @property
    def handler(self) -> logging.Handler:
        """The wrapped handler, with an eye on what it swallows."""
        handler = self._find()
        if self._watched is not handler:
            self._watched, self._handle_error = handler, handler.handleError
            handler.handleError = self._note_failure  # type: ignore[method-assign]  # it swallows what it is told
        return handler

    def _begin(self) -> None:
        """Everything that belongs to one process."""
        self._queue: deque[_Waiting] = deque()
        self._counts, self._dropped = _Counts(), dict[str, int]()
        self._counting = threading.RLock()
        self._alone, self._holder = threading.Lock(), 0
        self._batch, self._busy_since_s = self._limits.batch_min, 0.0
        self._failing: logging.LogRecord | None = None
        self.is_stopped = False

    def after_fork(self) -> None:
        """In the child: what waits is the parent's."""
        self._worker.renew()
        self._rescue.renew()
        self._begin()

    def put(self, record: logging.LogRecord) -> None:
        """Take a record. At the end of the interpreter, and after `stop`, it is handed over at once."""
        queue = self._queue
        if len(queue) >= self._limits.capacity * share_of(record.levelno):
            self._drop(record.levelname)
            return
        queue.append(_detached(record))
        if self.is_stopped or not self._worker.ensure():
            self._hand_over_now()
        elif len(queue) == self._batch or record.levelno >= logging.ERROR:
            self._worker.wake()
        if self._find_fallback is not None and not self.is_stopped:
            self._rescue.ensure()

    def stop(self) -> None:
        """No thread works from here on."""
        self.is_stopped = True
        self._worker.stop()
        self._rescue.stop()

    def stats(self) -> AsyncStats:
        """What became of the records so far."""
        with self._counting:
            counts, queued = self._counts, len(self._queue) + self._counts.in_hand
            done = counts.processed + counts.fallback + counts.failed
            return AsyncStats(
                sent=done + queued + sum(self._dropped.values()),
                processed=counts.processed,
                fallback=counts.fallback,
                failed=counts.failed,
                queued=queued,
                dropped=dict(self._dropped),
                batches=counts.batches,
                batch_size=self._batch,
                errors=counts.errors,
            )

    def _turn(self) -> float:
        taken = self._hand_over() if self._alone.acquire(timeout=self._limits.timeout_s) else 0
        if self._queue and taken == self._batch:
            self._batch = min(self._batch * 2, self._limits.batch_max)
            return 0.0
        if taken < self._batch // 4:
            self._batch = max(self._batch // 2, self._limits.batch_min)
        return _WAIT_S if taken else _IDLE_S

    def _hand_over_now(self) -> None:
        """Nobody else will. While the wrapped handler hangs, nobody waits for it again."""
        if self._holder == threading.get_ident():
            return
        if self._is_stuck() or not self._drain(self._clock.monotonic_s() + self._limits.timeout_s):
            self.give_up()

    def drain(self, deadline_s: float) -> bool:
        """Have everything handed over, by the thread that may hang with the wrapped handler, or by this one if that
        does not run; whether it was in time.
        """
        if self._holder == threading.get_ident():
            return False
        while self._worker.is_alive and (self._queue or self._counts.in_hand):
            if self._clock.monotonic_s() >= deadline_s:
                return False
            self._worker.wake()
            self._clock.sleep(_POLL_S)
        return self._drain(deadline_s)

    def _drain(self, deadline_s: float) -> bool:
        while self._queue or self._counts.in_hand:
            wait_s = deadline_s - self._clock.monotonic_s()
            if wait_s <= 0 or not self._alone.acquire(timeout=wait_s):
                return False
            self._hand_over()
        return True

    def _hand_over(self) -> int:
        """One batch; whoever calls it has `_alone`."""
        self._holder = threading.get_ident()
        try:
            batch = self._pop(self._batch)
            for waiting in batch:
                self._busy_since_s = self._clock.monotonic_s()
                self._deliver(waiting)
            with self._counting:
                self._counts.batches += bool(batch)
            return len(batch)
        finally:
            self._busy_since_s, self._holder = 0.0, 0
            self._alone.release()

    def _pop(self, most: int) -> "list[_Waiting]":
        with self._counting:
            batch = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
            self._counts.in_hand += len(batch)
        return batch

    def _deliver(self, waiting: "_Waiting") -> None:
        record = waiting.ready()
        self._failing = None
        try:
            hand(record, self.handler)
            has_failed = self._failing is record
        except Exception as error:  # the wrapped handler's edge: it may be anything
            has_failed = True
            _tell(error)
        if has_failed:
            self._fall_back(record)
        with self._counting:
            self._counts.in_hand -= 1
            self._counts.errors += has_failed
            self._counts.processed += not has_failed

    def _fall_back(self, record: logging.LogRecord) -> None:
        took = False
        if self._find_fallback is not None:
            try:
                took = hand(record, self._find_fallback())
            except Exception as error:  # the fallback's edge
                _tell(error)
        with self._counting:
            self._counts.fallback += took
            self._counts.failed += not took

    def _rescue_turn(self) -> float:
        """While the wrapped handler hangs, the fallback takes what waits; also when nobody logs any more."""
        while self._is_stuck():
            batch = self._pop(1)
            if not batch:
                break
            self._fall_back(batch[0].ready())
            with self._counting:
                self._counts.in_hand -= 1
        return max(self._limits.timeout_s / 4, _WAIT_S)

    def give_up(self) -> None:
        """At the end, with a wrapped handler that hangs."""
        for waiting in self._pop(len(self._queue)):
            self._fall_back(waiting.ready())
            with self._counting:
                self._counts.in_hand -= 1

    def _is_stuck(self) -> bool:
        since_s = self._busy_since_s
        return since_s > 0 and self._clock.monotonic_s() - since_s > self._limits.timeout_s

    def _drop(self, level: str) -> None:
        with self._counting:
            self._dropped[level] = self._dropped.get(level, 0) + 1

    def _note_failure(self, record: logging.LogRecord) -> None:
        if self._holder == threading.get_ident():
            self._failing = record
        else:
            self._handle_error(record)


@dataclass(frozen=True, slots=True)
class _Waiting:
    record: logging.LogRecord
    raised: Raised | None

    def ready(self) -> logging.LogRecord:
        """The record with its traceback as text."""
        if self.raised is not None and not self.record.exc_text:
            self.record.exc_text = print_raised(self.raised)
        return self.record


def _detached(record: logging.LogRecord) -> _Waiting:
    """A copy that nobody else changes, holding nothing that could change."""
    fresh = type(record).__new__(type(record))
    fresh.__dict__.update(record.__dict__)
    if (
        type(record.msg) is not str
        or not are_immutable(record.args or ())
        or isinstance(record.args, Mapping)
    ):
        fresh.msg, fresh.args = message_of(record), None
    for name, value in record.__dict__.items():
        if name not in RECORD_NAMES and type(value) not in IMMUTABLE:
            fresh.__dict__[name] = frozen(value)
    error = exception_of(record.exc_info)
    fresh.exc_info = None
    return _Waiting(fresh, None if error is None else reduce_exception(error))


def _tell(error: BaseException) -> None:
    DIAGNOSTICS.tell("async log", f"AsyncLogHandler: a handler failed with {type(error).__name__}: {error}")
