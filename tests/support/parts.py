"""Programs of the system that a test needs: there, or the test is skipped; in CI it fails."""

from pathlib import Path

import pytest

from tools.system_parts import VARIABLE, all_wanted, parts


def program(name: str) -> Path:
    """The program of a part of tools/parts.toml; without it the test is skipped, with TEST_PARTS=all failed."""
    part = parts()[name]
    found = part.find()
    if found is not None:
        return found
    why = f"{name} ({', '.join((*part.programs, *part.libraries))}) is not on this machine: make system-parts"
    if all_wanted():
        pytest.fail(f"{why} ({VARIABLE}=all)")
    pytest.skip(why)
