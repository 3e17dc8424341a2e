"""What figures suggest: each names what is over its limit, by how much, and what to try."""

from collections.abc import Iterator, Mapping, Sequence

from tamis.telemetry.profiler.limits import ProfilerLimits
from tamis.telemetry.profiler.report import FunctionFigures, Recommendation, Spread

NAMED = 3
"""So many functions or threads stand in a sentence about the system."""


def recommend(
    functions: Sequence[FunctionFigures],
    system: Mapping[str, Spread],
    *,
    limits: ProfilerLimits,
    threads: Mapping[str, int],
) -> tuple[Recommendation, ...]:
    """What is over its limit. `functions` by total time; `threads` how many there are of which name."""
    found = [*_system(functions, system, limits, threads)]
    found += (one for each in functions for one in _function(each, limits))
    return tuple(found)


def _system(
    functions: Sequence[FunctionFigures],
    system: Mapping[str, Spread],
    limits: ProfilerLimits,
    threads: Mapping[str, int],
) -> Iterator[Recommendation]:
    cpu, memory, count = (system.get(name) for name in ("cpu_percent", "memory_percent", "threads"))
    if cpu is not None and cpu.mean > limits.cpu_percent:
        own = system.get("process_cpu_percent")
        share = f"; this process took {own.mean:.0f} % of one processor" if own else ""
        yield Recommendation(
            kind="cpu",
            figure=cpu.mean,
            limit=limits.cpu_percent,
            text=f"The processors were {cpu.mean:.0f} % busy on average (over {limits.cpu_percent:g} %), {cpu.most:.0f}"
            f" % at most{share}. {_busiest(functions)}",
        )
    if memory is not None and memory.mean > limits.memory_percent:
        rss = system.get("rss_bytes")
        own_bytes = f", {rss.last / 1e6:,.0f} MB of it in this process" if rss else ""
        yield Recommendation(
            kind="memory",
            figure=memory.mean,
            limit=limits.memory_percent,
            text=f"{memory.mean:.0f} % of the memory were in use on average (over {limits.memory_percent:g} %)"
            f"{own_bytes}. {_largest(functions)}",
        )
    if count is not None and count.most > limits.threads:
        yield Recommendation(
            kind="threads",
            figure=count.most,
            limit=limits.threads,
            text=f"{count.most:.0f} threads ran at once (over {limits.threads}){_named(threads)}. Let work wait for a"
            " few threads (TaskExecutor, or one shared ThreadPoolExecutor) instead of starting one for each piece.",
        )


def _busiest(functions: Sequence[FunctionFigures]) -> str:
    own = sorted((one for one in functions if one.own_s > 0), key=lambda one: -one.own_s)[:NAMED]
    if not own:
        return (
            "No function is measured: put profile_function on the ones you suspect, or take a flame graph"
            " (tamis profile)."
        )
    named = ", ".join(f"{one.name} ({one.own_s:.1f} s in {one.calls:,} calls)" for one in own)
    return (
        f"Of what is measured, most time of its own took {named}: keep what it computes (MultiLevelCache), have it do"
        " less, or give it processes of its own."
    )


def _largest(functions: Sequence[FunctionFigures]) -> str:
    large = sorted((one for one in functions if one.peak_bytes), key=lambda one: -(one.peak_bytes or 0))[
        :NAMED
    ]
    if not large:
        return "Measure the functions that you suspect with profile_function(memory=True), or give caches less room."
    named = ", ".join(f"{one.name} ({(one.peak_bytes or 0) / 1e6:,.0f} MB)" for one in large)
    return f"Of what is measured, {named} held most: work in pieces, and give caches less room."


def _named(threads: Mapping[str, int]) -> str:
    most = sorted(threads.items(), key=lambda item: (-item[1], item[0]))[:NAMED]
    return f"; now there are {', '.join(f'{number} named {name}' for name, number in most)}" if most else ""


def _function(one: FunctionFigures, limits: ProfilerLimits) -> Iterator[Recommendation]:
    if one.mean_s > limits.function_mean_s:
        if one.own_s >= one.total_s / 2:
            where = f"{one.own_s:.1f} s of {one.total_s:.1f} s are its own"
            what = "look for a loop, a query for each item or a wait in it; keep its results, or do it on a worker"
        else:
            where = f"only {one.own_s:.1f} s of {one.total_s:.1f} s are its own"
            what = "look at the measured functions that it calls (the flame graph of the export shows them)"
        yield Recommendation(
            kind="slow_function",
            figure=one.mean_s,
            limit=limits.function_mean_s,
            function=one.name,
            text=f"{one.name} takes {one.mean_s:.2f} s on average (over {limits.function_mean_s:g} s; {one.calls:,}"
            f" calls, {one.max_s:.2f} s at most); {where}: {what}.",
        )
    if one.peak_bytes is not None and one.peak_bytes > limits.function_peak_bytes:
        yield Recommendation(
            kind="large_function",
            figure=one.peak_bytes,
            limit=limits.function_peak_bytes,
            function=one.name,
            text=f"{one.name} held {one.peak_bytes / 1e6:,.0f} MB at once (over"
            f" {limits.function_peak_bytes / 1e6:,.0f} MB): work in pieces with a generator, let go of what is done,"
            " read files and answers as streams.",
        )
