"""`LogMetrics`: what became of every record, at every moment."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter

from tamis.pipeline.captured import LOGGER, Captured
from tamis.pipeline.chain import Passed
from tamis.record.model import Record
from tamis.resilience.breaker import BreakerMetrics, CircuitBreaker
from tamis.telemetry.histogram import Histogram

LOGGERS_MAX = 1_000
OTHER_LOGGERS = "(other)"
"""Under which name loggers are counted once there are too many."""
SAMPLED, SUPPRESSED = "sampled", "suppressed"
_LOGGER_OF: Callable[[Captured], str] = itemgetter(LOGGER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds from a record's instant to its delivery; None while there is none. Within 9 %."""

    p50_s: float | None
    p95_s: float | None
    p99_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkCounts:
    """What became of the records for one sink since it was attached.

    `sent` = `delivered` + `dead_lettered` + `spooled` + `queued` + `sampled` + `suppressed` + all `dropped`, at
    every moment. `sent` holds what was logged, what processors made themselves, and `adopted`: records that
    other processes left in the spool.
    """

    name: str
    sent: int
    delivered: int
    dead_lettered: int
    spooled: int
    queued: int
    sampled: int
    suppressed: int
    dropped: Mapping[str, int]
    adopted: int
    batches: int
    bytes: int
    errors: int
    retries: int
    latency: Latency
    breaker: BreakerMetrics | None = None
    """The circuit breaker that decides when the sink is tried; None before its delivery began."""

    @property
    def accounted(self) -> int:
        """The right side of the sum."""
        here = self.delivered + self.dead_lettered + self.spooled + self.queued
        return here + self.sampled + self.suppressed + sum(self.dropped.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCounts:
    """The pipeline at one instant. `processed` came out of the chain; `dropped` holds what no sink was given,
    by reason; `loggers` counts records by the logger's name; `unwritten` are durable calls that returned before their
    record was written.
    """

    sent: int
    processed: int
    made: int
    queued: int
    sampled: int
    suppressed: int
    dropped: Mapping[str, int]
    batches: int
    bytes: int
    errors: int
    restarts: int
    unwritten: int
    loggers: Mapping[str, int]
    sinks: Mapping[str, SinkCounts]


@dataclass(slots=True)
class _Totals:
    """What sinks have in common."""

    taken: int = 0
    made: int = 0
    passed: int = 0
    refused: int = 0


class LogMetrics:
    """Counts, exact also while many threads log. Thread-safe.

    Each change is one call for a batch, under one lock that callers of a logger meet only when their record is
    refused. The lock is re-entrant, so that a signal's handler that logs cannot wait for itself.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._queue: deque[Captured] = deque()
        self._totals = _Totals()
        self._dropped: Counter[str] = Counter()
        self._loggers: Counter[str] = Counter()
        self._sinks: dict[str, SinkMeter] = {}
        self._batches = self._bytes = self._errors = self._restarts = self._unwritten = 0

    def watch(self, queue: "deque[Captured]") -> None:
        """The queue whose length counts as waiting."""
        self._queue = queue

    def take(self, at_most: int) -> list[Captured]:
        """The oldest of the queue, counted as they leave it."""
        with self._lock:
            pop = self._queue.popleft
            taken = [pop() for _ in range(min(len(self._queue), at_most))]
            self._totals.taken += len(taken)
        return taken

    def name_loggers(self, taken: Iterable[Captured]) -> None:
        """Count records by logger."""
        counts = Counter(map(_LOGGER_OF, taken))
        with self._lock:
            for name, number in counts.items():
                self._name(name, number)

    def refuse(self, captured: Captured, reason: str) -> None:
        """A record that was not taken into the queue."""
        self.lose(captured[LOGGER], reason)

    def lose(self, logger: str, reason: str) -> None:
        """A record of this logger that never came to be, or was not taken."""
        with self._lock:
            self._totals.refused += 1
            self._dropped[reason] += 1
            self._name(logger, 1)

    def _name(self, logger: str, records: int) -> None:
        is_known = logger in self._loggers or len(self._loggers) < LOGGERS_MAX
        self._loggers[logger if is_known else OTHER_LOGGERS] += records

    def pass_on(self, passed: Passed, size: int) -> None:
        """What the chain made of a batch of `take`; `size` is the bytes of what is left."""
        with self._lock:
            self._totals.passed += len(passed.records)
            self._totals.made += passed.made
            self._dropped.update(passed.dropped)
            self._batches += bool(passed.records)
            self._bytes += size
            self._errors += passed.errors

    def fail(self, *, restarted: bool = False) -> None:
        """Something of the pipeline's own went wrong."""
        with self._lock:
            self._errors += 1
            self._restarts += restarted

    def leave_unwritten(self) -> None:
        """A durable call returns before its record is written."""
        with self._lock:
            self._unwritten += 1

    def attach(self, name: str) -> "SinkMeter":
        """The counts of a sink from now on; of one that was there before, they go on."""
        with self._lock:
            meter = self._sinks.get(name)
            if meter is None:
                meter = self._sinks[name] = SinkMeter(name, self._lock)
                meter.before = self._shared()
            elif meter.after is not None:
                meter.before = _less(meter.before, _less(meter.after, self._shared()))
                meter.after = None
            meter.attached += 1
        return meter

    def detach(self, name: str) -> None:
        """The sink is given nothing more, unless it was attached once more; what it has is still counted."""
        with self._lock:
            meter = self._sinks[name]
            meter.attached = max(meter.attached - 1, 0)
            if meter.after is None and not meter.attached:
                meter.after = self._shared()

    def snapshot(self) -> LogCounts:
        """Everything as it is now, in one moment."""
        breakers = self._breakers()
        with self._lock:
            waiting, totals = len(self._queue), self._totals
            others = Counter(self._dropped)
            sampled, suppressed = others.pop(SAMPLED, 0), others.pop(SUPPRESSED, 0)
            return LogCounts(
                sent=totals.taken + totals.made + totals.refused + waiting,
                processed=totals.passed,
                made=totals.made,
                queued=waiting + self._working(totals, self._dropped),
                sampled=sampled,
                suppressed=suppressed,
                dropped=dict(others),
                batches=self._batches,
                bytes=self._bytes,
                errors=self._errors,
                restarts=self._restarts,
                unwritten=self._unwritten,
                loggers=dict(self._loggers),
                sinks={
                    name: self._of_sink(meter, waiting, breakers.get(name))
                    for name, meter in self._sinks.items()
                },
            )

    def prometheus(self) -> str:
        """The same in Prometheus' text format."""
        from tamis.pipeline.exposition import print_counts

        with self._lock:
            histograms = {name: meter.latency for name, meter in self._sinks.items()}
        return print_counts(self.snapshot(), histograms)

    @property
    def restarts(self) -> int:
        """How often a worker was started again."""
        return self._restarts

    def after_fork_in_child(self) -> None:
        """In the child: nothing was logged here yet; sinks are attached anew."""
        self._begin()

    def _shared(self) -> "tuple[_Totals, Counter[str]]":
        totals = self._totals
        copy = _Totals(totals.taken, totals.made, totals.passed, totals.refused)
        return copy, Counter(self._dropped)

    def _breakers(self) -> dict[str, BreakerMetrics]:
        """Asked without the lock: a look may be what changes a breaker's state, and listeners hear of that."""
        with self._lock:
            guards = [(name, meter.breaker) for name, meter in self._sinks.items()]
        return {name: breaker.metrics() for name, breaker in guards if breaker is not None}

    def _of_sink(self, meter: "SinkMeter", waiting: int, breaker: BreakerMetrics | None) -> SinkCounts:
        if meter.after is not None:
            waiting = 0
        totals, dropped = _less(meter.after or self._shared(), meter.before)
        in_hand = totals.passed - meter.offered
        others = dropped + meter.dropped
        return SinkCounts(
            name=meter.name,
            sent=totals.taken + totals.made + totals.refused + waiting + meter.adopted,
            delivered=meter.delivered,
            dead_lettered=meter.dead_lettered,
            spooled=meter.spooled,
            queued=waiting + self._working(totals, dropped) + in_hand + meter.queued,
            sampled=others.pop(SAMPLED, 0),
            suppressed=others.pop(SUPPRESSED, 0),
            dropped=dict(others),
            adopted=meter.adopted,
            batches=meter.batches,
            bytes=meter.bytes,
            errors=meter.errors,
            retries=meter.retries,
            latency=latency_of(meter.latency),
            breaker=breaker,
        )

    @staticmethod
    def _working(totals: _Totals, dropped: Mapping[str, int]) -> int:
        """Taken from the queue, and not out of the chain."""
        decided = totals.passed + sum(dropped.values()) - totals.refused
        return totals.taken + totals.made - decided


_Shared = tuple[_Totals, Counter[str]]


def _less(present: _Shared, before: _Shared) -> _Shared:
    """What was added since."""
    (now, dropped), (then, dropped_then) = present, before
    totals = _Totals(
        now.taken - then.taken, now.made - then.made, now.passed - then.passed, now.refused - then.refused
    )
    added = Counter(dropped)
    added.subtract(dropped_then)
    return totals, Counter({reason: number for reason, number in added.items() if number})


def latency_of(histogram: Histogram) -> Latency:
    """The usual quantiles."""
    return Latency(
        p50_s=histogram.quantile_s(0.5), p95_s=histogram.quantile_s(0.95), p99_s=histogram.quantile_s(0.99)
    )


class SinkMeter:
    """The counts of one sink; `Delivery` calls it. Each method is one change, made whole."""

    def __init__(self, name: str, lock: "threading.RLock") -> None:
        self.name = name
        self.before: _Shared = (_Totals(), Counter())
        self.after: _Shared | None = None
        self.attached = 0
        self.breaker: CircuitBreaker | None = None
        """The one of the newest delivery to the sink."""
        self._lock = lock
        self.offered = self.queued = self.spooled = self.adopted = 0
        self.delivered = self.dead_lettered = 0
        self.batches = self.bytes = self.errors = self.retries = 0
        self.dropped: Counter[str] = Counter()
        self.latency = Histogram()

    def offer(self, *, queued: int = 0, spooled: int = 0, dropped: Mapping[str, int] | None = None) -> None:
        """Records came from the chain, and this is where they stand now."""
        with self._lock:
            self.queued += queued
            self.spooled += spooled
            self.offered += queued + spooled
            if dropped:
                self.dropped.update(dropped)
                self.offered += sum(dropped.values())

    def adopt(self, records: int) -> None:
        """Records that another process left stand in the spool."""
        with self._lock:
            self.adopted += records
            self.spooled += records

    def spool(self, records: int) -> None:
        """What was queued stands in the spool now (negative: the other way)."""
        with self._lock:
            self.queued -= records
            self.spooled += records

    def deliver(self, records: Iterable[Record], *, queued: int, spooled: int, now_ns: int) -> None:
        """Delivered; so many of them from the queue, so many from the spool."""
        stamps = [record.timestamp for record in records]
        with self._lock:
            self.delivered += queued + spooled
            self.queued -= queued
            self.spooled -= spooled
            self.latency.observe_ages(stamps, now_ns)

    def bury(self, *, queued: int, spooled: int) -> None:
        """Put to the dead letters."""
        with self._lock:
            self.dead_lettered += queued + spooled
            self.queued -= queued
            self.spooled -= spooled

    def drop(self, reason: str, *, queued: int = 0, spooled: int = 0) -> None:
        """Given up."""
        with self._lock:
            self.dropped[reason] += queued + spooled
            self.queued -= queued
            self.spooled -= spooled

    def release(self, records: int) -> None:
        """Adopted records that somebody else will send."""
        with self._lock:
            self.adopted -= records
            self.spooled -= records

    def attempt(self, *, sent_bytes: int = 0, failed: bool = False, again: bool = False) -> None:
        """A batch was handed to the sink."""
        with self._lock:
            self.batches += not failed
            self.bytes += sent_bytes
            self.errors += failed
            self.retries += again
