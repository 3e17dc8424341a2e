"""The benchmarks: run, and read from the pages that they write."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.validate.model import Figure

PATIENCE_S = 3_600
PARTS: dict[str, tuple[str, ...]] = {
    "README.md": ("benchmarks",),
    "pipeline.md": ("benchmarks", "--only", "pipeline"),
    "server.md": ("benchmarks", "--only", "server"),
    "keeping.md": ("benchmarks.keeping",),
}
"""Each page, and the module with its words that writes it."""
PATHS: dict[str, tuple[str, ...]] = {
    "README.md": ("src/tamis/store", "src/tamis/query", "src/tamis/wire", "src/tamis/server", "src/tamis/disk"),
    "pipeline.md": ("src/tamis/embed", "src/tamis/pipeline", "src/tamis/record"),
    "server.md": ("src/tamis/server", "src/tamis/wire", "src/tamis/store", "src/tamis/query"),
    "keeping.md": ("src/tamis/resilience", "src/tamis/integrity", "src/tamis/cache", "src/tamis/backup",
                   "src/tamis/telemetry", "src/tamis/store"),
}  # fmt: skip
"""Where what a page measures stands."""
CELLS = 6
NOT_MEASURED = re.compile(r"\*\*.+\*\* was not measured")
"""How `benchmarks.keeping.page` begins a line about a part without figures."""


def run(root: Path, say: Callable[[str], None]) -> None:
    """Measure everything; the pages in benchmarks/ are then of today."""
    for page, words in PARTS.items():
        say(f"benchmarks: {page}")
        subprocess.run(
            [sys.executable, "-m", *words],
            cwd=root,
            check=True,
            timeout=PATIENCE_S,
            stdout=subprocess.DEVNULL,
        )


def read(folder: Path) -> list[Figure]:
    """All rows of the tables of goals in the pages of a folder."""
    pages = (folder / page for page in PARTS)
    return [
        one for page in pages if page.exists() for one in rows(page.name, page.read_text(encoding="utf-8"))
    ]


def unmeasured(page: str, text: str) -> list[str]:
    """What the page itself says was not measured; a page without any goal is one such thing."""
    told = [f"{page}: {line}" for line in text.splitlines() if NOT_MEASURED.match(line)]
    return told or ([] if any(rows(page, text)) else [f"{page}: it holds no goal"])


def rows(page: str, text: str) -> Iterator[Figure]:
    """Those of one page: `benchmarks.report.Goal.row` says how they look."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if not line.startswith("| ") or len(cells) != CELLS or cells[-1] not in ("met", "**missed**"):
            continue
        what, figure, _, ratio, goal, verdict = cells
        yield Figure(page, what, figure, float(ratio) if ratio else None, goal, verdict == "met")
