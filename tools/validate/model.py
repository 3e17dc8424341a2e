"""What a report holds."""

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["passed", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One command of `make check`."""

    name: str
    passed: bool
    seconds: float
    told: str = ""
    """The end of what it printed, when it failed."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Every test function by `file::name`, the worst of its cases counting; `cases` counts those."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    cases: dict[Outcome, int] = field(default_factory=dict)
    seconds: float = 0.0

    def named(self, outcome: Outcome) -> list[str]:
        """The tests that ended so."""
        return sorted(name for name, ended in self.outcomes.items() if ended == outcome)


@dataclass(frozen=True, slots=True)
class Figure:
    """A row of a page of benchmarks: `benchmarks.report.Goal` as it was written."""

    page: str
    what: str
    figure: str
    ratio: float | None
    goal: str
    met: bool

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"{self.page}: {self.what}"

    @property
    def better(self) -> Literal["higher", "lower", ""]:
        """Which way its ratio is better, by the sign of its goal; empty: it is not judged."""
        if self.ratio is None:
            return ""
        return (
            "higher"
            if self.goal.startswith(("≥", ">"))
            else "lower"
            if self.goal.startswith(("≤", "<"))
            else ""
        )


@dataclass(frozen=True, slots=True)
class Shape:
    """How the code is: complexity by ruff's C901, sizes as tests/tidy counts, lines that stand in it twice."""

    functions: int
    complexity_mean: float
    complexity_max: int
    too_complex: dict[str, int]
    """Functions over the limit, with their complexity."""
    too_large: dict[str, int]
    """Functions, classes and files over their limit, with their lines."""
    lines: int
    doubled: int
    """Lines of code that stand in windows which occur more than once."""
    clones: tuple[str, ...] = ()
    """The longest of them, by where they stand."""

    @property
    def doubled_percent(self) -> float:
        """Of all lines of code."""
        return 100.0 * self.doubled / self.lines if self.lines else 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """All of it, of one commit."""

    commit: str
    made_at: str
    machine: str
    checks: tuple[Check, ...]
    tests: Suite
    figures: tuple[Figure, ...]
    shape: Shape
    absent: tuple[str, ...] = ()
    """Figures that were not measured or not given, a sentence each."""
    notes: tuple[str, ...] = ()
    """What else one must know to judge it: results of another commit."""
    because: str = ""
    """Why it was accepted though something was worse."""
    format: int = 1


@dataclass(frozen=True, slots=True)
class Worse:
    """One reason to refuse a report: what it is about, and which paths may have brought it."""

    kind: Literal[
        "nothing accepted",
        "check",
        "test",
        "missing test",
        "ratio",
        "goal",
        "missing figure",
        "complexity",
        "size",
        "duplication",
    ]
    what: str
    text: str
    paths: tuple[str, ...]
    commits: tuple[str, ...] = ()
    """Commits since the accepted report that touch these paths, the newest first."""
