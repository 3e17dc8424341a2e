"""What this server's own work costs: flame graphs for who asks, and samples of the system that are watched."""

import asyncio
import threading

from starlette.requests import Request

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import MissingExtraError, OverloadedError, QueryCancelledError
from tamis.server.questions.ask import gone
from tamis.telemetry.metrics import Metrics
from tamis.telemetry.profiler import PerformanceProfiler, PerformanceReport, SystemSample
from tamis.telemetry.profiler.stacks import StackSamples, sample_stacks
from tamis.telemetry.status import BOARD, StatusBoard

SECONDS_DEFAULT, SECONDS_MAX = 10, 30
WATCHED_MINUTES = 5
"""What stands out on average over so long is told."""
LOOK_EVERY = 12
"""Samples between two looks at what stands out."""
KIND = "performance"


class Profiling:
    """Flame graphs of this process, one at a time. For one event loop."""

    def __init__(
        self,
        *,
        metrics: Metrics,
        stopping: asyncio.Event,
        clock: Clock = SYSTEM_CLOCK,
        board: StatusBoard = BOARD,
    ) -> None:
        self._metrics, self._stopping, self._clock, self._board = metrics, stopping, clock, board
        self._until_s: float | None = None
        self.watch = SystemWatch(metrics=metrics, clock=clock, board=board)

    @property
    def is_busy(self) -> bool:
        """Whether one is being taken."""
        return self._until_s is not None

    async def take(self, request: Request, seconds: int, *, with_idle: bool) -> StackSamples:
        """Look at all threads for so long, while the caller waits; shorter when the server stops.

        OverloadedError when another is being taken; QueryCancelledError when the caller goes away.
        """
        now_s = self._clock.monotonic_s()
        if self._until_s is not None:
            self._metrics.add("tamis_limits_met_total", 1, "profiles")
            raise OverloadedError("a profile is being taken, one at a time", max(self._until_s - now_s, 1.0))
        self._until_s = now_s + seconds
        try:
            with self._board.doing("profile", total=seconds, unit="s"):
                return await self._sample(request, seconds, with_idle=with_idle)
        finally:
            self._until_s = None

    async def _sample(self, request: Request, seconds: int, *, with_idle: bool) -> StackSamples:
        stopped = threading.Event()
        sampling = asyncio.ensure_future(
            asyncio.to_thread(sample_stacks, seconds, with_idle=with_idle, stopped=stopped)
        )
        leaving = asyncio.ensure_future(gone(request))
        ending = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({sampling, leaving, ending}, return_when=asyncio.FIRST_COMPLETED)
            has_left = leaving.done() and not sampling.done()
            stopped.set()
            samples = await sampling
        finally:
            stopped.set()
            leaving.cancel()
            ending.cancel()
        if has_left:
            raise QueryCancelledError("the caller did not wait for the profile")
        return samples


class SystemWatch:
    """Samples the system while the server runs: as metrics, and as events on the status board when something begins
    or ceases to stand out."""

    def __init__(self, *, metrics: Metrics, clock: Clock = SYSTEM_CLOCK, board: StatusBoard = BOARD) -> None:
        self._metrics, self._board = metrics, board
        self.profiler = PerformanceProfiler(clock=clock, on_sample=self.take)
        self._told: dict[str, str] = {}
        self._samples = 0

    def start(self) -> None:
        """Begin; without psutil there is nothing to watch with."""
        try:
            self.profiler.start_monitoring()
        except MissingExtraError as error:
            self._board.tell(KIND, f"{error}; the system is not watched")

    def stop(self) -> None:
        """End, and wait for the thread."""
        self.profiler.stop_monitoring()

    def take(self, sample: SystemSample) -> None:
        """A sample was taken: set the gauges, and look now and then at what stands out."""
        for metric, value in (
            ("tamis_system_cpu_percent", sample.cpu_percent),
            ("tamis_system_memory_percent", sample.memory_percent),
            ("tamis_process_cpu_percent", sample.process_cpu_percent),
            ("tamis_process_threads", sample.threads),
        ):
            if value is not None:
                self._metrics.set(metric, value)
        self._samples += 1
        if self._samples % LOOK_EVERY == 0:
            self._tell(self.profiler.get_performance_report(WATCHED_MINUTES))

    def _tell(self, report: PerformanceReport) -> None:
        """News alone: a kind that stands out now and did not, or did and does no more."""
        now = {one.kind: one for one in report.recommendations}
        for kind, one in now.items():
            if kind not in self._told:
                facts = {"figure": round(one.figure, 1), "limit": one.limit, "about": kind}
                self._board.tell(
                    KIND, f"Over {WATCHED_MINUTES} minutes: {one.text}", severity="warning", **facts
                )
        for gone_by in self._told.keys() - now.keys():
            self._board.tell(KIND, f"{gone_by}: within its limit again", about=gone_by)
        self._told = {kind: one.text for kind, one in now.items()}
