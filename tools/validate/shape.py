"""How complex, how large and how repetitive the code is."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from statistics import fmean

from tests.tidy.sources import inside, python_sources
from tests.tidy.test_sizes import EXCEPTIONS, too_large
from tools.validate.doubled import doubled
from tools.validate.model import Shape

COMPLEXITY_MAX = 10
MEASURED = ("src", "tools", "benchmarks")
_FOUND = re.compile(r"`(.+)` is too complex \((\d+) > ")


def measure(root: Path) -> Shape:
    """The code as it stands; what tests/tidy/exceptions.toml allows to be large is not held against it."""
    found = complexities(root)
    allowed = tomllib.loads(EXCEPTIONS.read_text(encoding="utf-8"))
    large = {
        name: lines
        for kind, names in too_large(python_sources()).items()
        for name, lines in names.items()
        if lines > allowed.get(kind, {}).get(name, 0)
    }
    lines, twice, clones = doubled((str(one.path), one.text) for one in inside())
    return Shape(
        functions=len(found),
        complexity_mean=round(fmean(found.values()), 3) if found else 0.0,
        complexity_max=max(found.values(), default=0),
        too_complex={name: size for name, size in found.items() if size > COMPLEXITY_MAX},
        too_large=large,
        lines=lines,
        doubled=twice,
        clones=tuple(clones),
    )


def complexities(root: Path) -> dict[str, int]:
    """Every function by `file:line name`, with its cyclomatic complexity as ruff counts it."""
    command = [
        sys.executable, "-m", "ruff", "check", "--select", "C901", "--config", "lint.mccabe.max-complexity=0",
        "--output-format", "json", "--exit-zero", "--no-cache", *MEASURED,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=300)
    found = {}
    for one in json.loads(done.stdout):
        matched = _FOUND.match(one["message"])
        if matched:
            file = Path(one["filename"]).relative_to(root)
            found[f"{file}:{one['location']['row']} {matched[1]}"] = int(matched[2])
    return found
