"""The figures of what keeps Tamis working and whole, part by part: measured, kept, and written as keeping.md."""

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.measure import load, machine, say
from benchmarks.report import Goal

SECONDS_MAX = 60
"""What a part may take."""
PATIENCE_S = 300
PAGE = Path(__file__).parents[1] / "keeping.md"
TITLES = {
    "breaker": "A breaker round a call",
    "executor": "Work that waits its turn",
    "cache": "Caches",
    "verify": "Whole or not",
    "delta": "Updates",
    "backup": "Backups",
    "profiler": "The profiler",
    "beside": "Questions beside the keeping",
}
"""The parts, in the page's order."""

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """What a part measured last: its goals, or why there are none."""

    name: str
    goals: list[Goal] = field(default_factory=list)
    seconds: float = 0.0
    load: float = 0.0
    failure: str = ""

    @property
    def met(self) -> int:
        """How many goals it meets."""
        return sum(goal.met for goal in self.goals)


def parts() -> list[str]:
    """The parts that are there, in the page's order."""
    folder = Path(__file__).parent
    return [name for name in TITLES if (folder / f"{name}.py").exists()]


def run(work: Path, names: Sequence[str] = ()) -> Figures:
    """Measure parts (all of them when none is named), and write the page of what was measured last."""
    work.mkdir(parents=True, exist_ok=True)
    on = machine()
    made = [measured(name, work) for name in names or parts()]
    for part in made:
        kept = json.dumps({"part": asdict(part), "machine": on}, indent=1)
        _kept_at(work, part.name).write_text(kept, encoding="utf-8")
    PAGE.write_text(render(work), encoding="utf-8")
    say(f"wrote {PAGE}")
    return {part.name: asdict(part) for part in made}


def measured(name: str, work: Path) -> Part:
    """A part's figures, from a process of its own, so that no part's memory or threads meet another's."""
    say(f"{TITLES[name]} ({name})")
    folder, load_before, begin = work / name, load(), time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.keeping.page", name, str(folder)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=PATIENCE_S)
    except subprocess.SubprocessError as error:
        return Part(name, seconds=time.monotonic() - begin, load=load_before, failure=_told(error))
    goals = [Goal(**one) for one in json.loads(done.stdout.splitlines()[-1])]
    return Part(name, goals, time.monotonic() - begin, load_before)


def render(work: Path) -> str:
    """The page of what was measured last, part by part."""
    kept = {name: found for name in parts() if (found := _kept(work, name)) is not None}
    made = [_part_of(found["part"]) for found in kept.values()]
    goals = [goal for part in made for goal in part.goals]
    sections = [
        f"# Keeping working, keeping whole: {sum(goal.met for goal in goals)} of {len(goals)} goals met",
        "This file is written by `make bench PART=keeping` (`benchmarks/keeping/page.py`); do not edit it. One part "
        "anew: `python -m benchmarks.keeping beside`. The figures of the store are on "
        "[a page of their own](README.md).",
    ]
    if kept:
        sections.append(report.machine_line(next(reversed(kept.values()))["machine"]))
    sections += [_table(goals), *_failures(made), *_absent(kept), "## How", *(_how(part) for part in made)]
    return "\n\n".join(sections) + "\n"


def _table(goals: Iterable[Goal]) -> str:
    head = ["| what | figure | yardstick | ratio | goal | |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(goal.row() for goal in goals)])


def _failures(made: Iterable[Part]) -> list[str]:
    return [f"**{TITLES[part.name]}** was not measured: {part.failure}" for part in made if part.failure]


def _absent(kept: Iterable[str]) -> list[str]:
    there = set(kept)
    return [
        f"**{TITLES[name]}** was not measured: `python -m benchmarks.keeping {name}` does it"
        for name in parts()
        if name not in there
    ]


def _how(part: Part) -> str:
    module = importlib.import_module(f"benchmarks.keeping.{part.name}")
    told = " ".join((module.__doc__ or "").split())
    over = "" if part.seconds <= SECONDS_MAX else f", over the {SECONDS_MAX} s that a part may take"
    return (
        f"**{TITLES[part.name]}** (`benchmarks/keeping/{part.name}.py`, {part.seconds:.0f} s{over}; load average "
        f"before: {part.load}). {told}"
    )


def _told(error: subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took more than {PATIENCE_S} s"
    return "it failed, as its traceback above says"


def _kept_at(work: Path, name: str) -> Path:
    return work / f"{name}.json"


def _kept(work: Path, name: str) -> Figures | None:
    path = _kept_at(work, name)
    found: Figures | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


def _part_of(found: Figures) -> Part:
    return Part(**{**found, "goals": [Goal(**one) for one in found["goals"]]})


def main() -> None:
    """Measure one part in this process; its goals are the last line of what it prints."""
    name, folder = sys.argv[1:]
    goals: list[Goal] = importlib.import_module(f"benchmarks.keeping.{name}").measure(Path(folder))
    print(json.dumps([asdict(goal) for goal in goals]))


if __name__ == "__main__":
    main()
