"""What a profiler tells: figures of functions and of the system over some time, and what they suggest."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from tamis.telemetry.profiler.book import Tally
from tamis.telemetry.profiler.system import SystemSample

FORMAT = 1


class FunctionFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One function's calls, or one block's.

    Seconds are of outermost calls: what a call inside another of the same function takes is in that one's time;
    such calls stand in `recursive_calls`. `own_s` is without the time in which measured functions ran that it called:
    of each of its calls, also the recursive ones; those of them that overlap (tasks, threads) are taken off once.
    A generator's time is that of its own work, not of those who use it. Quantiles are within 9 % above (or 1 µs).
    """

    name: str
    calls: int
    recursive_calls: int
    failures: int
    """Ended by an Exception."""
    cancelled: int
    """Ended from without: cancelled, closed before their end, interrupted."""
    total_s: float
    own_s: float
    mean_s: float
    min_s: float
    max_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    peak_bytes: int | None = None
    """Held at most over what there was at its begin; None where it was not asked for."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of the system over the samples."""

    mean: float
    most: float
    last: float


Kind = Literal["cpu", "memory", "slow_function", "large_function", "threads"]


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """What is over its limit, and what to try."""

    kind: Kind
    figure: float
    limit: float
    text: str
    function: str | None = None


class PerformanceReport(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of `minutes` minutes, or since the profiler began (None). `top` holds names, the first of each list
    first; `functions` all, by total time."""

    made_at_ns: int
    minutes: float | None
    samples: int
    system: Mapping[str, Spread]
    functions: tuple[FunctionFigures, ...]
    top: Mapping[str, tuple[str, ...]]
    recommendations: tuple[Recommendation, ...]
    format: int = FORMAT

    def function(self, name: str) -> FunctionFigures:
        """The figures of this name; KeyError when it was not called."""
        for one in self.functions:
            if one.name == name:
                return one
        raise KeyError(f"{name}: not called in this time")


SYSTEM_FIGURES = (
    "cpu_percent",
    "process_cpu_percent",
    "memory_percent",
    "rss_bytes",
    "disk_read_bytes_s",
    "disk_write_bytes_s",
    "net_sent_bytes_s",
    "net_received_bytes_s",
    "threads",
    "open_files",
)

RANKS: dict[str, Callable[[FunctionFigures], float]] = {
    "total_s": lambda one: one.total_s,
    "own_s": lambda one: one.own_s,
    "mean_s": lambda one: one.mean_s,
    "max_s": lambda one: one.max_s,
    "calls": lambda one: one.calls,
    "failures": lambda one: one.failures,
    "peak_bytes": lambda one: one.peak_bytes or 0,
}
"""By what lists are made."""


def figures_of(name: str, tally: Tally) -> FunctionFigures:
    """A tally as figures."""
    histogram, most_s = tally.histogram(), tally.most_ns / 1e9
    p50_s, p95_s, p99_s = (min(histogram.quantile_s(share) or 0.0, most_s) for share in (0.5, 0.95, 0.99))
    return FunctionFigures(
        name=name,
        calls=tally.calls,
        recursive_calls=tally.nested,
        failures=tally.failures,
        cancelled=tally.cancelled,
        total_s=tally.total_ns / 1e9,
        own_s=max(tally.own_ns, 0) / 1e9,
        mean_s=tally.total_ns / tally.calls / 1e9 if tally.calls else 0.0,
        min_s=tally.least_ns / 1e9,
        max_s=most_s,
        p50_s=p50_s,
        p95_s=p95_s,
        p99_s=p99_s,
        peak_bytes=tally.peak_bytes,
    )


def spreads(samples: Sequence[SystemSample]) -> dict[str, Spread]:
    """Each figure that the system told at least once."""
    found = {}
    for name in SYSTEM_FIGURES:
        values = [float(value) for one in samples if (value := getattr(one, name)) is not None]
        if values:
            found[name] = Spread(mean=sum(values) / len(values), most=max(values), last=values[-1])
    return found


def tops(functions: Iterable[FunctionFigures], number: int) -> dict[str, tuple[str, ...]]:
    """For each rank the names that stand highest; what has nothing of it is in no list."""
    all_of_them = list(functions)
    found = {}
    for rank, key in RANKS.items():
        some = sorted((one for one in all_of_them if key(one) > 0), key=lambda one: (-key(one), one.name))
        found[rank] = tuple(one.name for one in some[:number])
    return found


def read_report(text: str | bytes) -> PerformanceReport:
    """A report that `export_metrics("json")` wrote; ValueError for anything else."""
    try:
        report = msgspec.json.decode(text, type=PerformanceReport)
    except msgspec.DecodeError as error:
        raise ValueError(
            f'this is no report of a profiler, as export_metrics("json") writes it: {error}'
        ) from None
    if report.format > FORMAT:
        raise ValueError(f"a newer release wrote this report (format {report.format}, known is {FORMAT})")
    return report
