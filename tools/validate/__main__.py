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
from tools.validate.page import render

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
    """The report of what is checked out. What `results` holds is taken, what it does not hold is made, into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    commit = history.commit_of(ROOT)
    progress.step("checks")
    kept = _given(results, out, "checks.json")
    if kept is None:
        checks.keep(out / "checks.json", list(checks.run(ROOT, progress.say)))
    done = checks.read(out / "checks.json")
    progress.step("tests")
    if _given(results, out, "tests.xml") is None:
        (out / "tests.xml").unlink(missing_ok=True)
        suite.run(ROOT, out / "tests.xml", workers=workers)
    tests = suite.read(out / "tests.xml", ROOT)
    progress.step("benchmarks")
    if not [page for page in figures.PARTS if _given(results, out, page)]:
        figures.run(ROOT, progress.say)
        for page in figures.PARTS:
            shutil.copy(ROOT / "benchmarks" / page, out / page)
    progress.step("complexity, sizes, duplication")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    on = machine()
    told = f"{on['cpu']}, {on['cores']} cores, {on['memory_gib']} GiB, {on['system']}, Python {on['python']}."
    return Report(commit, now, told, tuple(done), tests, tuple(figures.read(out)), measure(ROOT))


def _given(results: Path | None, out: Path, name: str) -> Path | None:
    """A file of the given results, brought into `out`; None when it is not there."""
    source = None if results is None else results / name
    if source is None or not source.exists():
        return None
    target = out / name
    if source.resolve() != target.resolve():
        shutil.copy(source, target)
    return target


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
    for one in found:
        print(f"{one.kind}: {one.text}\n    {history.way_back(one, accepted)}")
    print(f"{len(found)} things are worse than they may be" if found else "nothing is worse than it may be")
    if given.accept:
        return _accept(report, found, given.because)
    return int(bool(found))


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
