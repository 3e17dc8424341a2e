"""The tests: run whole, and read from JUnit's XML."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from tools.validate.model import Outcome, Suite

PATIENCE_S = 7_200
_RANK: dict[Outcome, int] = {"passed": 0, "skipped": 1, "failed": 2}


def run(root: Path, target: Path, *, workers: int) -> None:
    """All tests, the long ones too, into `target`. What they find is in the file; only a run without one fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(workers), f"--junitxml={target}"]
    subprocess.run(command, cwd=root, check=False, timeout=PATIENCE_S)
    if not target.exists():
        raise RuntimeError(f"the tests left no {target}: see what they printed above")


def read(path: Path, root: Path) -> Suite:
    """What became of every test function, the worst of its cases counting."""
    outcomes: dict[str, Outcome] = {}
    cases: Counter[Outcome] = Counter()
    seconds = 0.0
    for case in ET.parse(path).getroot().iter("testcase"):
        outcome = _outcome(case)
        cases[outcome] += 1
        seconds += float(case.get("time", 0))
        name = _name(case, root)
        if name not in outcomes or _RANK[outcome] > _RANK[outcomes[name]]:
            outcomes[name] = outcome
    return Suite(outcomes, dict(cases), round(seconds, 1))


def _outcome(case: ET.Element) -> Outcome:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "passed" if case.find("skipped") is None else "skipped"


def _name(case: ET.Element, root: Path) -> str:
    """`tests/unit/test_x.py::test_y`; in a class `tests/unit/test_x.py::TestZ::test_y`."""
    parts = case.get("classname", "").split(".")
    depth = len(parts)
    while depth and not (root / "/".join(parts[:depth])).with_suffix(".py").is_file():
        depth -= 1
    file = "/".join(parts[: depth or len(parts)]) + ".py"
    function = case.get("name", "").partition("[")[0]
    return "::".join([file, *parts[depth or len(parts) :], function])
