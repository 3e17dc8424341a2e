"""The pipeline's figures as a page: goals, then everybody in one table."""

from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.pipeline.rounds import OURS, REFERENCE, ROUNDS, ROUNDS_FEW, ROUNDS_RATIO, STOCK
from benchmarks.pipeline.trial import EACH_THREAD, FRAMES, RECORDS, THREADS
from benchmarks.report import Goal

FAST_MAX, STOCK_MAX, ENDS_MIN, RAISED_US_MAX, IMPORT_MS_MAX, DISABLED_MAX = 0.20, 0.60, 3.0, 15.0, 40.0, 1.05

Figures = dict[str, Any]


def goals(found: Figures) -> Iterator[Goal]:
    """Section 5 of what the pipeline is to be, with this run's figures."""
    ends, caller = found["ends"], found["caller"]
    theirs, ours = ends[REFERENCE], ends[OURS]
    for name, most in ((OURS, FAST_MAX), *((name, STOCK_MAX) for name in STOCK)):
        ratio = ends[name]["caller_us"] / theirs["caller_us"]
        yield Goal(
            f"processor time of the caller: {name}", f"{ends[name]['caller_us']:.2f} µs",
            f"{theirs['caller_us']:.2f} µs", ratio, f"≤ {most:.2f}", ratio <= most,
        )  # fmt: skip
    ratio = theirs["process_us"] / ours["process_us"]
    yield Goal(
        "records a processor second, to the file, all redaction on", f"{1e6 / ours['process_us']:,.0f}/s",
        f"{1e6 / theirs['process_us']:,.0f}/s", ratio, f"≥ {ENDS_MIN:.0f}", ratio >= ENDS_MIN,
    )  # fmt: skip
    taken = caller[OURS]["exception_us"]
    yield Goal(f"`logger.exception`, {FRAMES} frames, on the caller", f"{taken:.1f} µs",
               f"{caller[REFERENCE]['exception_us']:.1f} µs", taken / caller[REFERENCE]["exception_us"],
               f"≤ {RAISED_US_MAX:.0f} µs", taken <= RAISED_US_MAX)  # fmt: skip
    slow, usual = caller[OURS]["p999_us"], caller[REFERENCE]["p999_us"]
    yield Goal(f"a call, 99.9 % of them, {THREADS} threads", f"{slow:,.0f} µs", f"{usual:,.0f} µs", slow / usual,
               "< 1", slow < usual)  # fmt: skip
    least = caller[OURS]["least"]
    ratio = least["disabled_ns"] / least["disabled_usual_ns"]
    yield Goal("`debug()` that is off", f"{least['disabled_ns']:.0f} ns", f"{least['disabled_usual_ns']:.0f} ns", ratio,
               f"≤ {DISABLED_MAX}", ratio <= DISABLED_MAX)  # fmt: skip
    start = found["start"]
    met = start["import_ms"] <= IMPORT_MS_MAX and not start["others"]
    modules = (
        f"; others: {', '.join(start['others'])}" if start["others"] else ", no other third party's module"
    )
    yield Goal("`import tamis` beyond logging and msgspec", f"{start['import_ms']:.0f} ms{modules}", "", None,
               f"≤ {IMPORT_MS_MAX:.0f} ms", met)  # fmt: skip


def render(found: Figures, machine: str) -> str:
    """The whole page."""
    made = list(goals(found))
    met = sum(goal.met for goal in made)
    start = found["start"]
    sections = [
        "# Figures of the pipeline",
        "This file is written by `make bench PART=pipeline` (`python -m benchmarks --only pipeline`); do not edit it.",
        machine,
        f"## Goals: {met} of {len(made)} met",
        f"The yardstick is the standard library's {REFERENCE}, in the same run.",
        _table("| what | figure | yardstick | ratio | goal | |", (goal.row() for goal in made)),
        "## Everybody",
        _table(
            "| who | caller µs | ratio | least | process µs | ratio | least | to the file | p99.9 µs | exception µs |"
            " `debug()` off ns |",
            _everybody(found),
        ),
        "Process: all threads until every line is in the file. `no` in `to the file`: its exporter throws records away,"
        " and what stands behind it is not in its figure. python-json-logger and structlog write in the caller's"
        " thread, so their callers wait for the disk.",
        "## Secrets",
        "Where 3 % of the records hold something sensitive, which is masked on the way:",
        _table("| who | caller µs | process µs | ratio |", _secrets(found["secrets"])),
        "## Bursts",
        _table("| who | caller µs | process µs | lost |", _bursts(found["burst"])),
        "## Durable",
        _table("| how | caller µs, processor | caller µs, clock |", _durable(found["durable"])),
        "## Start",
        f"`import tamis` {start['import_ms']:.1f} ms ({start['import_cpu_ms']:.1f} ms of the processor) after `logging`"
        f" and msgspec; `configure` with a file and `get_logger` {start['configure_ms']:.1f} ms; the first record"
        f" {start['first_us']:.0f} µs. Third-party modules then: {', '.join(start['others_configured']) or 'none'}.",
        _profiles(found.get("profiles", {})),
        _METHOD,
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _table(head: str, rows: Iterable[str]) -> str:
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *rows])


def _everybody(found: Figures) -> Iterator[str]:
    theirs = found["ends"][REFERENCE]
    for name, ends in found["ends"].items():
        if "absent" in ends:
            yield f"| {name} | not installed: {ends['absent']} |" + " |" * 9
            continue
        caller = found["caller"][name]
        written = "no" if ends["lost"] is None else f"{ends['lost']:.0f} lost" if ends["lost"] else "all"
        cells = [
            f"{ends[key]:.2f} | {ends[key] / theirs[key]:.2f} | {ends['least'][key] / theirs['least'][key]:.2f}"
            for key in ("caller_us", "process_us")
        ]
        yield (
            f"| {name} | {' | '.join(cells)} | {written} | {caller['p999_us']:,.0f} | {caller['exception_us']:.1f} |"
            f" {caller['least']['disabled_ns']:.0f} |"
        )


def _secrets(found: Figures) -> Iterator[str]:
    usual = found[REFERENCE]["process_us"]
    for name, one in found.items():
        ratio = one["process_us"] / usual
        yield f"| {name} | {one['caller_us']:.2f} | {one['process_us']:.2f} | {ratio:.2f} |"


def _bursts(found: Figures) -> Iterator[str]:
    for name, one in found.items():
        yield f"| {name} | {one['caller_us']:.2f} | {one['process_us']:.2f} | {one['lost']:.0f} |"


def _durable(found: Figures) -> Iterator[str]:
    for name, one in found.items():
        yield f"| {name} | {one['caller_us']:.1f} | {one['caller_wall_us']:.1f} |"


def _profiles(found: Figures) -> str:
    parts = []
    for title, rows in found.items():
        lines = (
            f"| `{row['function']}` | {row['calls']} | {row['own_ms']:.1f} | {row['all_ms']:.1f} |"
            for row in rows
        )
        parts.append(
            f"### {title}\n\n" + _table("| function | calls | own ms | with what it calls, ms |", lines)
        )
    return "\n\n".join(["## Where the time goes in what was missed", *parts]) if parts else ""


_METHOD = f"""## How

- Records: `benchmarks/pipeline/records.py`, what the shop of `tamis demo` logs in about its proportions, seeded;
  {RECORDS:,} a run after 500 to warm up, as fast as one thread can; a burst is ten times as many. Where 3 % hold
  secrets, these are the labelled ones of `benchmarks/redaction_cases.py`.
- Each contender in a fresh process, all in turns, every second time the other way round: {ROUNDS_RATIO} rounds for
  the yardstick and tamis, {ROUNDS} for the others where there is a goal, {ROUNDS_FEW} for the rest; {ROUNDS_FEW} for
  single calls and exceptions where there is a goal, 1 for the rest.
  Medians, and the ratio of the least values beside. Processor time: `time.thread_time` of the thread that logs,
  `time.process_time` of all threads.
- With a foreign handler a LogRecord is made, and that handler runs too: its cost is not ours alone, so it is shown
  and is no goal.
- Tamis runs with all patterns of redaction on and without sampling, so that every record is written.
- p99.9: {THREADS} threads log {EACH_THREAD:,} records each at once; the clock, so all waiting counts."""
