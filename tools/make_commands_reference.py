"""Write docs/reference/commands.md from the help of the commands."""

import contextlib
import io
import os
from pathlib import Path
from unittest.mock import patch

from tamis.cli import run
from tamis.cli.app import COMMANDS

PLACE = Path(__file__).resolve().parents[1] / "docs/reference/commands.md"
WIDTH = "100"
HEAD = """\
# Commands

<!-- Written by `make docs` from the help of the commands. -->

What `tamis COMMAND --help` says of each. Commands that ask or send go to the server that `--url` or `TAMIS_URL`
names, else to the one on this machine, which needs no token to be pasted: while it runs, it keeps one in its data
folder. With `--data DIR` they work on a folder without a server. `--json` prints data for programs.

| exit code | means |
|---|---|
| 0 | done |
| 1 | found something wrong (`verify`, `doctor`) |
| 2 | wrong use |
| 3 | could not |
"""


def help_of(command: str) -> str:
    """What a command says of itself, on a terminal of one width."""
    said = io.StringIO()
    environment = {"COLUMNS": WIDTH, "NO_COLOR": "1", "TERM": "dumb", "HOME": "/home/you"}
    with patch.dict(os.environ, environment, clear=True), contextlib.redirect_stdout(said):
        code = run([command, "--help"])
    if code:
        raise RuntimeError(f"tamis {command} --help ended with {code}")
    return "\n".join(line.rstrip() for line in said.getvalue().strip().splitlines())


def reference() -> str:
    """The whole page."""
    return HEAD + "".join(_section(name, purpose) for name, (_, purpose) in COMMANDS.items())


def _section(name: str, purpose: str) -> str:
    return f"\n## `tamis {name}`\n\n{purpose}\n\n```text\n{help_of(name)}\n```\n"


if __name__ == "__main__":
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    PLACE.write_text(reference(), encoding="utf-8")
