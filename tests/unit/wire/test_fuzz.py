"""Any bytes that strangers may send, guided by the code they reach: every decoder keeps its promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.wire_targets import TARGETS

ROOT = Path(__file__).resolve().parents[3]
RUNS, RUNS_FULL = 1_500, 100_000
LENGTH_MAX, LENGTH_MAX_FULL = 2_048, 65_536
MEMORY_MB = 512
"""What the process may have, of which 140 MB are its libraries."""
INPUT_S = 60
"""So long one input may take: far more than any needs, so that only what does not end is told."""

pytest.importorskip(
    "atheris", reason="atheris, which makes the inputs, is not there for this Python or system"
)


def fuzz(corpus: Path, runs: int, *, length_max: int, timeout_s: float) -> None:
    """Run so many inputs, the examples of the folder's decoders among them, in a process of its own."""
    corpus.mkdir()
    options = {
        "runs": runs,
        "seed": 1,
        "max_len": length_max,
        "rss_limit_mb": MEMORY_MB,
        "timeout": INPUT_S,
        "print_pcs": 0,
        "artifact_prefix": f"{corpus.parent}/",
    }
    done = subprocess.run(
        # A process inherits as its peak the memory of whoever started it: a shell has little.
        ["/bin/sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-m", "tests.support.fuzz_wire", str(corpus)]
        + [f"-{name}={value}" for name, value in options.items()],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src"},
        timeout=timeout_s,
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, said[-6_000:]
    assert f"Done {runs} runs" in said


def test_any_bytes_are_records_or_rejected(tmp_path: Path) -> None:
    """Only documented errors leave a decoder, and what it gives accounts for every line, within its memory."""
    fuzz(tmp_path / "all", RUNS, length_max=LENGTH_MAX, timeout_s=110)


@pytest.mark.full
@pytest.mark.timeout(1_900)
@pytest.mark.parametrize("name", [target.name for target in TARGETS])
def test_any_bytes_are_records_or_rejected_at_length(name: str, tmp_path: Path) -> None:
    """The same for each by itself, with many more and longer inputs."""
    fuzz(tmp_path / name, RUNS_FULL, length_max=LENGTH_MAX_FULL, timeout_s=1_800)
