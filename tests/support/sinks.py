"""Sinks for tests of the pipeline, and records to put into it."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import SinkUnavailableError
from tamis.pipeline.base import AT_ONCE, DELIVERED, Batch, BatchLimits, Outcome, Processor
from tamis.pipeline.captured import Captured, Origin
from tamis.pipeline.delivery.delivery import Delivery
from tamis.pipeline.dispatcher import Dispatcher
from tamis.pipeline.limits import DeliveryLimits, QueueLimits, SpoolLimits
from tamis.pipeline.metrics import LogMetrics
from tamis.pipeline.spool.store import SpoolStore
from tamis.record.context import EMPTY
from tamis.record.model import Record
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.retry import RetryLimits
from tamis.telemetry.diagnostics import Diagnostics

ORIGIN = Origin("shop", "host", 4711, "0a1b2c3d")
QUICK = DeliveryLimits(
    timeout_s=1.0,
    retry=RetryLimits(attempts_max=3, first_s=0.01),
    breaker=BreakerLimits(failures_to_open=3, open_s=0.05, successes_to_close=1),
)
SPOOLED = BatchLimits(records=100, bytes=1 << 20, wait_s=0.05)
SMALL_SPOOL = SpoolLimits(part_bytes=4096, reserve_bytes=0, adopt_interval_s=0.02)
Answer = Callable[[Batch], Outcome]


class Gathering:
    """A sink that keeps what it is sent; `answer` decides what becomes of each batch."""

    def __init__(
        self, name: str = "gathering", limits: BatchLimits = AT_ONCE, *, spooled: bool = False
    ) -> None:
        self.name, self.limits, self.spooled = name, limits, spooled
        self.records: list[Record] = []
        self.batches: list[Batch] = []
        self.tries: list[Batch] = []
        self.answer: Answer = lambda _batch: DELIVERED
        self.away = False
        self.closed = 0

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        self.tries.append(batch)
        if self.away:
            raise SinkUnavailableError(self.name, "away")
        outcome = self.answer(batch)
        left = {id(record) for record in outcome.retry} | {id(item.record) for item in outcome.rejected}
        self.records += [record for record in batch.records if id(record) not in left]
        self.batches.append(batch)
        return outcome

    def close(self) -> None:
        self.closed += 1

    @property
    def messages(self) -> list[str]:
        return [record.message for record in self.records]


def captured(
    message: str = "hello", level: int = 20, *, logger: str = "shop.orders", **fields: object
) -> Captured:
    """A record as loggers put it."""
    return (SYSTEM_CLOCK.now_ns(), level, logger, message, None, fields, None, "main", EMPTY, None, None)


class Pipe:
    """A dispatcher with deliveries, all in one place."""

    def __init__(
        self,
        *sinks: Gathering,
        folder: Path | None = None,
        processors: Sequence[Processor] = (),
        queue: QueueLimits | None = None,
        limits: DeliveryLimits = QUICK,
        spool: SpoolLimits = SMALL_SPOOL,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.told: list[str] = []
        self.metrics, self.diagnostics = LogMetrics(), Diagnostics(self.told.append, clock=clock)
        self.folder, self.queue, self.limits, self.spool = folder, queue or QueueLimits(), limits, spool
        self.dispatcher = Dispatcher(
            ORIGIN,
            processors,
            [self.delivery(sink) for sink in sinks],
            limits=self.queue,
            metrics=self.metrics,
            diagnostics=self.diagnostics,
            clock=clock,
        )
        self.put = self.dispatcher.put

    def delivery(self, sink: Gathering) -> Delivery:
        """One more, not yet in the dispatcher."""
        store = None
        if self.folder is not None:
            store = SpoolStore(self.folder, sink.name, limits=self.spool)
        return Delivery(
            sink,
            ORIGIN,
            metrics=self.metrics,
            store=store,
            queue=self.queue,
            limits=self.limits,
            diagnostics=self.diagnostics,
        )

    def waiting(self) -> int:
        """Records that wait for some sink, in memory or in its spool."""
        return sum(sink.queued + sink.spooled for sink in self.metrics.snapshot().sinks.values())

    def check_sum(self, sent: int | None = None) -> None:
        """The sum holds for every sink; for so many records if they are given."""
        counts = self.metrics.snapshot()
        for sink in counts.sinks.values():
            assert sink.sent == sink.accounted, sink
            assert min(sink.queued, sink.spooled, sink.delivered, sink.dead_lettered) >= 0, sink
        assert sent is None or counts.sent - counts.made == sent


def until(true: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait until something is so; AssertionError when it does not come."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.002)


def together(*works: Callable[[], object]) -> None:
    """Run each on a thread of its own, from one moment on; what one raises is raised."""
    gate = threading.Barrier(len(works))
    failures: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        gate.wait()
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
