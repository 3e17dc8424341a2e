"""`PerformanceProfiler`: what functions take, and what the system does meanwhile."""

import os
import re
import threading
import weakref
from collections import Counter, deque
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Literal, ParamSpec, TypeVar, cast, overload

import msgspec

from tamis.clock import SYSTEM_CLOCK, Clock, monotonic_s
from tamis.telemetry.profiler.advice import recommend
from tamis.telemetry.profiler.book import MINUTE_S
from tamis.telemetry.profiler.exports import flame_graph, prometheus
from tamis.telemetry.profiler.ledger import Ledger
from tamis.telemetry.profiler.limits import ProfilerLimits
from tamis.telemetry.profiler.memory import forget_meters
from tamis.telemetry.profiler.report import PerformanceReport, figures_of, spreads, tops
from tamis.telemetry.profiler.speedscope import safe_name
from tamis.telemetry.profiler.system import PsutilSystem, Sampler, System, SystemSample
from tamis.telemetry.profiler.timed import name_of, timed
from tamis.telemetry.profiler.watch import Block, Current, Watch

P = ParamSpec("P")
R = TypeVar("R")
Format = Literal["json", "prometheus", "speedscope"]


class PerformanceProfiler:
    """Times functions and blocks, samples the system, and says what stands out. Thread-safe.

    `profile_function` decorates, `profile_block` times a block; both work without `start_monitoring`, which samples
    the system every `limits.interval_s` on a thread of its own, until `stop_monitoring` or the end of `with`.
    `on_sample` is told every sample, on the thread that took it. Memory is bounded (`limits`). After a fork the child
    has nothing counted and no thread; it may start monitoring itself.
    """

    def __init__(
        self,
        limits: ProfilerLimits | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        system: Callable[[], System] = PsutilSystem,
        on_sample: Callable[[SystemSample], None] | None = None,
    ) -> None:
        self.limits = limits or ProfilerLimits()
        self._clock, self._open_system, self._on_sample = clock, system, on_sample
        self._ledger = Ledger(self.limits, monotonic_s if clock is SYSTEM_CLOCK else clock.monotonic_s)
        self._current: Current = ContextVar("tamis-profiler", default=None)
        self._samples: deque[SystemSample] = deque(maxlen=self.limits.samples_max)
        self.missed_samples = 0
        """Looks at the system that failed."""
        self._begin()
        _ALIVE.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._sampler: Sampler | None = None
        self._monitor: _Monitor | None = None

    @property
    def is_monitoring(self) -> bool:
        """Whether the system is sampled."""
        return self._monitor is not None

    def start_monitoring(self) -> None:
        """Sample the system from now on; nothing new when it is sampled already. Needs psutil
        (MissingExtraError: `pip install 'tamis[profiler]'`)."""
        with self._lock:
            if self._monitor is None:
                self._sampler = Sampler(self._open_system(), self._clock.monotonic_s())
                self._monitor = _Monitor(self, self.limits.interval_s)

    def stop_monitoring(self) -> None:
        """No samples any more; those that were taken stay. Returns when the thread has ended."""
        with self._lock:
            monitor, self._monitor = self._monitor, None
        if monitor is not None:
            monitor.stop()

    def __enter__(self) -> "PerformanceProfiler":
        self.start_monitoring()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop_monitoring()

    def sample(self) -> SystemSample:
        """Take a sample now, and keep it. Its rates are of the time since the one before, or since monitoring began."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if self._sampler is None:
                self._sampler = Sampler(self._open_system(), now_s)
            made = self._sampler.sample(self._clock.now_ns(), now_s)
            self._samples.append(made)
        self._ledger.count()
        if self._on_sample is not None:
            self._on_sample(made)
        return made

    @overload
    def profile_function(self, name: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def profile_function(
        self, name: str | None = None, *, memory: bool = False
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def profile_function(
        self, name: Callable[P, R] | str | None = None, *, memory: bool = False
    ) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
        """Time each call of the decorated function: plain, coroutine, generator or asynchronous generator; also
        without parentheses, and above or below `@staticmethod` and `@classmethod`. Without a name it is called as the
        function is, with its module.

        `memory` measures the most that a call holds, too; that makes it several times slower.
        """
        if callable(name) or isinstance(name, classmethod):
            return self._timed(name, None, memory=memory)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"profile_function takes a function or a name, not {name!r}")

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            return self._timed(function, name, memory=memory)

        return decorate

    def _timed(self, function: Callable[P, R], name: str | None, *, memory: bool) -> Callable[P, R]:
        if isinstance(function, staticmethod | classmethod):
            return cast("Callable[P, R]", type(function)(self._timed(function.__func__, name, memory=memory)))
        if isinstance(function, type) or not callable(function):
            raise TypeError(
                f"profile_function times functions, not {function!r}; decorate a method, and of a property the"
                " function below it"
            )
        return timed(self._watch(name or name_of(function), memory=memory), function)

    def profile_block(self, name: str, *, memory: bool = False) -> Block:
        """`with` (or `async with`) this the block's time counts under the name; `memory` as in profile_function."""
        if not isinstance(name, str):
            raise TypeError(f"a block's name must be a text, not {name!r}")
        return Block(self._watch(name, memory=memory))

    def _watch(self, name: str, *, memory: bool) -> Watch:
        return Watch(self._ledger, self._current, self._ledger.book(safe_name(name)), with_memory=memory)

    def get_performance_report(self, minutes: float | None = None) -> PerformanceReport:
        """The last minutes (0.5 is half of one), or everything since the profiler began or was reset.

        Calls count when they end; those that still run do not count. Up to 5 minutes are told to 5 seconds: what ended
        up to so much earlier may be in it; more minutes, up to `limits.minutes_max`, to the minute.
        """
        if minutes is not None and not 0 < minutes <= self.limits.minutes_max:
            raise ValueError(
                f"minutes = {minutes!r}: must be over 0, and {self.limits.minutes_max} at most"
                " (ProfilerLimits.minutes_max); None is everything"
            )
        now_s = self._clock.monotonic_s()
        since_s = None if minutes is None else now_s - minutes * MINUTE_S
        with self._ledger.lock:
            self._ledger.count()
            tallies = [(name, book.since(since_s, now_s)) for name, book in self._ledger.books.items()]
            functions = [figures_of(name, tally) for name, tally in tallies if tally.calls]
        functions.sort(key=lambda one: (-one.total_s, one.name))
        with self._lock:
            samples = [one for one in self._samples if since_s is None or one.monotonic_s >= since_s]
        system = spreads(samples)
        return PerformanceReport(
            made_at_ns=self._clock.now_ns(),
            minutes=minutes,
            samples=len(samples),
            system=system,
            functions=tuple(functions),
            top=tops(functions, self.limits.top),
            recommendations=recommend(functions, system, limits=self.limits, threads=_threads()),
        )

    def export_metrics(self, format: Format = "json", *, minutes: float | None = None) -> str:
        """The figures as text: "json" is the report (`read_report` reads it, for `compare_reports`); "prometheus"
        counters since the profiler began, and the last sample; "speedscope" the measured functions, each below who
        called it, as a flame graph for https://www.speedscope.app. `minutes` is for JSON alone."""
        if format != "json" and minutes is not None:
            raise ValueError(f"minutes is for JSON; {format} holds everything since the profiler began")
        match format:
            case "json":
                return msgspec.json.encode(self.get_performance_report(minutes)).decode()
            case "prometheus":
                return self._prometheus()
            case "speedscope":
                return self._flame_graph()
            case _:
                raise ValueError(f"format = {format!r}: must be json, prometheus or speedscope")

    def _prometheus(self) -> str:
        with self._ledger.lock:
            report = self.get_performance_report()
            histograms = {
                one.name: self._ledger.books[one.name].whole.histogram() for one in report.functions
            }
        return prometheus(report, histograms)

    def _flame_graph(self) -> str:
        with self._ledger.lock:
            self._ledger.count()
            return flame_graph(self._ledger.tree.root)

    def reset_metrics(self) -> None:
        """Forget all calls and samples. What is decorated stays decorated; calls that run count when they end."""
        self._ledger.clear()
        with self._lock:
            self._samples.clear()

    def _after_fork(self) -> None:
        self._begin()
        self._samples.clear()
        self._ledger.after_fork()


class _Monitor:
    """The thread that samples for a profiler, as long as there is one."""

    def __init__(self, profiler: PerformanceProfiler, interval_s: float) -> None:
        self._profiler = weakref.ref(profiler)
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tamis-profiler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for that."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            profiler = self._profiler()
            if profiler is None:
                return
            try:
                profiler.sample()
            except Exception:  # the edge of the thread: a look that failed must not end all that come
                profiler.missed_samples += 1
            del profiler


_DIGITS = re.compile(r"[-_ ]*\d+")


def _threads() -> Counter[str]:
    """How many threads there are of which name, numbers aside."""
    return Counter(_DIGITS.sub("", thread.name) or thread.name for thread in threading.enumerate())


_ALIVE: "weakref.WeakSet[PerformanceProfiler]" = weakref.WeakSet()


def _begin_children() -> None:
    forget_meters()
    for profiler in list(_ALIVE):
        profiler._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_children)
