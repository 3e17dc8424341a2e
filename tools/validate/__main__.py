"""Make the report, judge it, and say what is worse: exit 0 when nothing is, 1 when something is."""

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import machine
from tools.validate import checks, figures, history, shape, stored, suite
from tools.validate.judge import judge, refusal
from tools.validate.model import Report, Shape, Worse
from tools.validate.page import SKIPPED_SHOWN, render
from tools.validate.taken import Results

ROOT = Path(__file__).resolve().parents[2]
ACCEPTED = ROOT / "benchmarks/accepted.json"
STEPS = 4


class Progress:
    """Says which step it is at, and how long it has taken."""

    def __init__(self) -> None:
        self._begin, self._step = time.monotonic(), 0

    def step(self, what: str) -> None:
        """The next step begins."""
        self._step += 1
        self.say(f"[{self._step}/{STEPS}] {what}")

    def say(self, text: str) -> None:
        """A line with the seconds so far."""
        print(f"{time.monotonic() - self._begin:7.0f} s  {text}", flush=True)


def make(
    results: Path | None,
    out: Path,
    *,
    workers: int,
    progress: Progress,
    measure: Callable[[Path], Shape] = shape.measure,
) -> Report:
    """The report of what is checked out. What `results` holds is taken, checks and tests that it does not hold are
    made, into `out`; benchmarks are made when it holds no page of them, else pages that are not there are missing."""
    out.mkdir(parents=True, exist_ok=True)
    commit = history.commit_of(ROOT)
    taken = Results(results, out, commit)
    progress.step("checks")
    if not taken.take("checks.json"):
        checks.keep(out / "checks.json", list(checks.run(ROOT, progress.say)))
        taken.made("checks.json")
    progress.step("tests")
    if not taken.take("tests.xml"):
        suite.run(ROOT, out / "tests.xml", workers=workers)
        taken.made("tests.xml")
    progress.step("benchmarks")
    absent = _pages(taken, out, progress.say)
    progress.step("complexity, sizes, duplication")
    taken.keep()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    on = machine()
    told = f"{on['cpu']}, {on['cores']} cores, {on['memory_gib']} GiB, {on['system']}, Python {on['python']}."
    return Report(
        commit=commit,
        made_at=now,
        machine=told,
        checks=tuple(checks.read(out / "checks.json")),
        tests=suite.read(out / "tests.xml", ROOT),
        figures=tuple(figures.read(out)),
        shape=measure(ROOT),
        absent=tuple(absent),
        notes=tuple(taken.notes),
    )


def _pages(taken: Results, out: Path, say: Callable[[str], None]) -> list[str]:
    """Every page of benchmarks, given or made; what is missing, in sentences."""
    there, missing = taken.take_some(figures.PARTS)
    if not there:
        figures.run(ROOT, say)
        there, missing = list(figures.PARTS), []
        for page in there:
            shutil.copy(ROOT / "benchmarks" / page, out / page)
            taken.made(page)
    found = [f"{page}: this page of benchmarks is not among the results" for page in missing]
    for page in there:
        found += figures.unmeasured(page, (out / page).read_text(encoding="utf-8"))
    return found


def main() -> int:
    """Validate; `make validate` does it with the defaults."""
    made = argparse.ArgumentParser(prog="python -m tools.validate", description=__doc__)
    made.add_argument(
        "--results", type=Path, help="a folder with checks.json, tests.xml and pages of benchmarks to take"
    )
    made.add_argument(
        "--out", type=Path, default=ROOT / "tmp/validation", help="where report.md and report.json go"
    )
    made.add_argument(
        "--accept", action="store_true", help=f"keep the report in {ACCEPTED.relative_to(ROOT)}"
    )
    made.add_argument(
        "--because", default="", help="why it is accepted though figures are worse, or tests are gone"
    )
    made.add_argument("--workers", type=int, default=2, help="tests at a time")
    given = made.parse_args()
    if given.results is not None and not given.results.is_dir():
        made.error(f"--results {given.results}: there is no such folder")
    progress = Progress()
    accepted = stored.read(ACCEPTED)
    report = make(given.results, given.out, workers=given.workers, progress=progress)
    found = history.blame(ROOT, judge(report, accepted), accepted)
    (given.out / "report.json").write_text(stored.encode(report), encoding="utf-8")
    (given.out / "report.md").write_text(render(report, accepted, found), encoding="utf-8")
    progress.say(f"wrote {given.out / 'report.md'} and report.json")
    _tell(report, found, accepted)
    if given.accept:
        return _accept(report, found, given.because)
    return int(bool(found))


def _tell(report: Report, found: list[Worse], accepted: Report | None) -> None:
    """What one must know, then every reason, then the verdict."""
    for note in report.notes:
        print(f"note: {note}")
    skipped = report.tests.named("skipped")
    if skipped:
        more = f" and {len(skipped) - SKIPPED_SHOWN} more" if len(skipped) > SKIPPED_SHOWN else ""
        print(f"note: {len(skipped)} tests were skipped: {', '.join(skipped[:SKIPPED_SHOWN])}{more}")
    for one in found:
        print(f"{one.kind}: {one.text}\n    {history.way_back(one, accepted)}")
    print(f"{len(found)} reasons to refuse it" if found else "nothing is worse than it may be")


def _accept(report: Report, found: list[Worse], because: str) -> int:
    """Keep it for the next ones to stand beside."""
    reason = refusal(found, because, commit=report.commit)
    if reason:
        print(f"not accepted: {reason}", file=sys.stderr)
        return 1
    ACCEPTED.write_text(stored.encode(replace(report, because=because)), encoding="utf-8")
    print(f"accepted: {ACCEPTED.relative_to(ROOT)}; commit it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
