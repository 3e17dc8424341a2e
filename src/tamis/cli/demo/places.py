"""Where the demonstration can be looked at: the address, and commands that work as they are printed."""

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The ways in."""

    url: str
    link: str
    """Signs in once."""
    data: Path

    def search(self, query: str) -> str:
        """The command that shows what a query finds."""
        return f"{tamis_command()} search {shlex.quote(query)} --data {shlex.quote(str(self.data))}"


def tamis_command() -> str:
    """How `tamis` is called from here: by its name where the shell finds it, else by its path."""
    beside = Path(sys.executable).parent / "tamis"
    found = shutil.which("tamis")
    if found is not None or not beside.exists():
        return "tamis"
    short = os.path.relpath(beside)
    return shlex.quote(short if not short.startswith("..") else str(beside))
