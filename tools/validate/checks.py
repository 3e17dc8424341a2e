"""The commands of `make check`, one by one."""

import json
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from tools.validate.model import Check

Say = Callable[[str], None]
PATIENCE_S = 1_800
TOLD_LINES = 15


def commands(root: Path) -> list[str]:
    """What `make check` runs, as the Makefile says."""
    listed = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "check"],
        cwd=root, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    lines = listed.stdout.splitlines()
    return [line for line in lines if line.startswith(".venv/bin/") and not line.startswith(".venv/bin/uv ")]


def name_of(command: str) -> str:
    """Its program and what it is told first."""
    words = shlex.split(command)
    program = words[0].rpartition("/")[2]
    return " ".join([program, *(word for word in words[1:] if not word.startswith("-") and word != ".")])


def run(root: Path, say: Say) -> Iterator[Check]:
    """Each check, as it is done."""
    for command in commands(root):
        name, begin = name_of(command), time.monotonic()
        say(f"check: {name}")
        done = subprocess.run(
            shlex.split(command), cwd=root, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
        told = "\n".join((done.stdout + done.stderr).splitlines()[-TOLD_LINES:]) if done.returncode else ""
        yield Check(name, done.returncode == 0, round(time.monotonic() - begin, 1), told)


def keep(path: Path, checks: list[Check]) -> None:
    """For another look at the same results."""
    path.write_text(json.dumps([asdict(one) for one in checks], indent=1), encoding="utf-8")


def read(path: Path) -> list[Check]:
    """What `keep` wrote."""
    return [Check(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
