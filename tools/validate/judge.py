"""What of a report is worse than it may be, or than what was accepted."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from tools.validate.figures import PATHS
from tools.validate.history import DIRTY
from tools.validate.model import Figure, Report, Worse
from tools.validate.shape import COMPLEXITY_MAX

RATIO_WORSE_MAX = 0.2
"""A ratio may be worse than the accepted one by this share of it."""
RATIO_FLOOR = 0.01
"""And by this much whatever its size: pages hold two digits."""
COMPLEXITY_MEAN_MAX = 2.5
DOUBLED_PERCENT_MAX = 1.0


def judge(report: Report, accepted: Report | None) -> list[Worse]:
    """Every reason to refuse the report. Without an accepted one: that, what no report may have, and goals missed."""
    return [
        *_nothing_accepted(accepted),
        *_checks(report),
        *_tests(report, accepted),
        *_figures(report, accepted),
        *_shape(report),
    ]


ACCEPTABLE = frozenset({"ratio", "goal", "missing test", "missing figure"})
"""What may be accepted for a reason: a test that goes with what it tested, a figure that pays for another."""


def refusal(found: Sequence[Worse], because: str, *, commit: str) -> str:
    """Why a report cannot become the accepted one; empty when it can. The first one has none to stand beside."""
    found = [one for one in found if one.kind != "nothing accepted"]
    if commit.endswith(DIRTY):
        return "files differ from the commit; commit them, or look at a clean clone"
    never = [one.text for one in found if one.kind not in ACCEPTABLE]
    if never:
        return never[0]
    if found and not because:
        return "something is worse; say why that is right: --because (make validate BECAUSE='…')"
    return ""


def _nothing_accepted(accepted: Report | None) -> Iterator[Worse]:
    if accepted is None:
        text = "there is no accepted report: no test, ratio or goal can be compared with what was good"
        yield Worse("nothing accepted", "benchmarks/accepted.json", text, ("benchmarks/accepted.json",))


def _checks(report: Report) -> Iterator[Worse]:
    if not report.checks:
        yield Worse("check", "all", "no check ran at all", ("Makefile",))
    for check in report.checks:
        if not check.passed:
            last = check.told.splitlines()[-1] if check.told else "it said nothing"
            yield Worse(
                "check", check.name, f"the check {check.name} fails: {last}", ("src", "tests", "tools")
            )


def _tests(report: Report, accepted: Report | None) -> Iterator[Worse]:
    if not report.tests.outcomes:
        yield Worse("missing test", "all", "no test ran at all", ("tests",))
    for name in report.tests.named("failed"):
        yield Worse("test", name, f"{name} fails", _about(name))
    if accepted is None:
        return
    now = report.tests.outcomes
    for name in accepted.tests.named("passed"):
        if name not in now:
            yield Worse(
                "missing test", name, f"{name} passed in the accepted report, and is not there", _about(name)
            )
        elif now[name] == "skipped":
            yield Worse(
                "missing test", name, f"{name} passed in the accepted report, and is skipped", _about(name)
            )


def _about(test: str) -> tuple[str, ...]:
    """The file of a test, and what it is about: tests/unit mirrors src/tamis."""
    file = test.partition("::")[0]
    parts = PurePosixPath(file).parts
    if parts[:2] == ("tests", "unit") and len(parts) > 3:
        return file, "/".join(("src", "tamis", *parts[2:-1]))
    return file, "src/tamis"


def _figures(report: Report, accepted: Report | None) -> Iterator[Worse]:
    for text in report.absent:
        yield Worse("missing figure", text.partition(":")[0], text, ("benchmarks",))
    if accepted is None:
        for one in report.figures:
            if not one.met:
                yield _missed(one, "nothing was accepted yet")
        return
    yield from _beside(report, accepted)


def _missed(figure: Figure, before: str) -> Worse:
    text = f"{figure.key}: {figure.figure} misses {figure.goal}; {before}"
    return Worse("goal", figure.key, text, PATHS.get(figure.page, ("src/tamis",)))


def _beside(report: Report, accepted: Report) -> Iterator[Worse]:
    now = {figure.key: figure for figure in report.figures}
    for before in accepted.figures:
        figure, paths = now.get(before.key), PATHS.get(before.page, ("src/tamis",))
        if figure is None:
            text = f"{before.key} was measured for the accepted report, and is not there"
            yield Worse("missing figure", before.key, text, ("benchmarks", *paths))
            continue
        by = worse_by(before, figure)
        if by is not None and by > RATIO_WORSE_MAX:
            text = (
                f"{figure.key}: the ratio is {figure.ratio:.2f}, accepted was {before.ratio:.2f}: {by:.0%} worse"
                f" ({RATIO_WORSE_MAX:.0%} is allowed; {figure.better} is better)"
            )
            yield Worse("ratio", figure.key, text, paths)
        elif before.met and not figure.met:
            yield _missed(figure, f"accepted was {before.figure}, which met it")


def worse_by(before: Figure, now: Figure) -> float | None:
    """By which share of the accepted ratio it is worse; None: not at all, or not to be told."""
    if before.ratio is None or now.ratio is None or not now.better:
        return None
    more = before.ratio - now.ratio if now.better == "higher" else now.ratio - before.ratio
    if more <= RATIO_FLOOR:
        return None
    return more / before.ratio if before.ratio else float("inf")


def _shape(report: Report) -> Iterator[Worse]:
    shape = report.shape
    for name, size in shape.too_complex.items():
        text = f"{name} has complexity {size}, over {COMPLEXITY_MAX}"
        yield Worse("complexity", name, text, (name.partition(":")[0],))
    if shape.complexity_mean > COMPLEXITY_MEAN_MAX:
        text = f"functions have complexity {shape.complexity_mean} on average, over {COMPLEXITY_MEAN_MAX}"
        yield Worse("complexity", "mean", text, ("src", "tools", "benchmarks"))
    for name, lines in shape.too_large.items():
        text = f"{name} has {lines} lines: over its limit (tests/tidy/test_sizes.py)"
        yield Worse("size", name, text, (name.partition("::")[0],))
    if shape.doubled_percent > DOUBLED_PERCENT_MAX:
        text = (
            f"{shape.doubled_percent:.2f} % of the lines stand in more than one place, over {DOUBLED_PERCENT_MAX} %;"
            f" the longest are {', '.join(shape.clones[:4])}"
        )
        paths = tuple(dict.fromkeys(clone.partition(":")[0] for clone in shape.clones)) or ("src/tamis",)
        yield Worse("duplication", "lines", text, paths)
