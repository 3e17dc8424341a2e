"""The example runs as it is, and what the page says after it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.tidy.sources import ROOT
from tests.tidy.test_examples import fences

PAGE = ROOT / "docs/how-to/find-what-is-slow.md"


def test_the_page_runs(tmp_path: Path) -> None:
    """One block after the other, as a reader would: figures, what stands out, a flame graph, a comparison."""
    blocks = fences("python", PAGE.read_text(encoding="utf-8"))
    (tmp_path / "page.py").write_text("\n".join(blocks), encoding="utf-8")
    command = [sys.executable, "-W", "error", "page.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    assert "stock of the warehouse: 20 calls" in done.stdout
    assert "stock of the warehouse takes" in done.stdout
    assert "gone   order" in done.stdout
    found = json.loads((tmp_path / "orders.speedscope.json").read_text(encoding="utf-8"))
    assert {"order", "stock of the warehouse"} <= {frame["name"] for frame in found["shared"]["frames"]}
