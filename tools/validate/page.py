"""A report as a page."""

from collections.abc import Iterator, Sequence

from tools.validate.history import way_back
from tools.validate.judge import COMPLEXITY_MEAN_MAX, DOUBLED_PERCENT_MAX, worse_by
from tools.validate.model import Report, Worse
from tools.validate.shape import COMPLEXITY_MAX

SKIPPED_SHOWN = 50


def render(report: Report, accepted: Report | None, found: Sequence[Worse]) -> str:
    """The verdict first, then everything that was looked at, beside what was accepted."""
    return "\n\n".join(part for part in _parts(report, accepted, found) if part) + "\n"


def _parts(report: Report, accepted: Report | None, found: Sequence[Worse]) -> Iterator[str]:
    verdict = f"{len(found)} reasons to refuse it" if found else "nothing is worse than it may be"
    yield f"# Validation of {report.commit}: {verdict}"
    beside = (
        f"beside {accepted.commit}, accepted {accepted.made_at}"
        if accepted
        else "**nothing was accepted yet**"
    )
    yield f"Made {report.made_at}; {beside}. {report.machine}"
    yield "\n".join(f"- {note}." for note in report.notes)
    if found:
        rows = [f"| {one.kind} | {_cell(one.text)} | {_cell(way_back(one, accepted))} |" for one in found]
        yield _table("## What is worse", "| what | how | where it may come from |", rows)
    checks = [
        f"| {one.name} | {'passed' if one.passed else '**failed**'} | {one.seconds:g} |"
        for one in report.checks
    ]
    yield _table("## Checks", "| check | | s |", checks)
    yield from (
        f"What {one.name} said last:\n\n```text\n{one.told}\n```" for one in report.checks if one.told
    )
    yield _tests(report, accepted)
    yield _figures(report, accepted)
    yield _shape(report, accepted)


def _tests(report: Report, accepted: Report | None) -> str:
    tests = report.tests
    cases = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(tests.cases.items()))
    before = f" The accepted report had {len(accepted.tests.outcomes):,}." if accepted else ""
    lines = [
        f"## Tests\n\n{len(tests.outcomes):,} test functions in {tests.seconds:,.0f} s: {cases}.{before}"
    ]
    skipped = tests.named("skipped")
    if skipped:
        more = f" and {len(skipped) - SKIPPED_SHOWN} more" if len(skipped) > SKIPPED_SHOWN else ""
        lines.append(f"Skipped: {', '.join(f'`{name}`' for name in skipped[:SKIPPED_SHOWN])}{more}.")
    return "\n\n".join(lines)


def _figures(report: Report, accepted: Report | None) -> str:
    before = {one.key: one for one in accepted.figures} if accepted else {}
    rows = []
    for one in report.figures:
        earlier = before.get(one.key)
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        was = "" if earlier is None or earlier.ratio is None else f"{earlier.ratio:.2f}"
        by = None if earlier is None else worse_by(earlier, one)
        change = "" if by is None else f"{by:.0%} worse"
        met = "met" if one.met else "**missed**"
        rows.append(
            f"| {_cell(one.key)} | {_cell(one.figure)} | {ratio} | {was} | {change} | {one.goal} | {met} |"
        )
    return _table("## Benchmarks", "| what | figure | ratio | accepted | change | goal | |", rows)


def _shape(report: Report, accepted: Report | None) -> str:
    now, then = report.shape, accepted.shape if accepted else None
    rows = [
        ("functions", f"{now.functions:,}", then and f"{then.functions:,}", ""),
        ("complexity, most", str(now.complexity_max), then and str(then.complexity_max), f"≤ {COMPLEXITY_MAX}"),
        ("complexity, mean", f"{now.complexity_mean:.3f}", then and f"{then.complexity_mean:.3f}",
         f"≤ {COMPLEXITY_MEAN_MAX}"),
        ("too large", str(len(now.too_large)), then and str(len(then.too_large)), "0"),
        ("lines of code", f"{now.lines:,}", then and f"{then.lines:,}", ""),
        ("lines that stand twice", f"{now.doubled_percent:.2f} %", then and f"{then.doubled_percent:.2f} %",
         f"≤ {DOUBLED_PERCENT_MAX} %"),
    ]  # fmt: skip
    made = [f"| {name} | {value} | {before or ''} | {limit} |" for name, value, before, limit in rows]
    clones = ", ".join(f"`{clone}`" for clone in now.clones)
    told = f"\n\nThe longest that stand twice: {clones}." if clones else ""
    return _table("## Code", "| what | now | accepted | limit |", made) + told


def _table(title: str, head: str, rows: Sequence[str]) -> str:
    return "\n".join([f"{title}\n", head, "|" + "---|" * (head.count("|") - 1), *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
