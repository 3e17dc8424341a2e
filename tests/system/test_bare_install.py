"""`pip install tamis` without its extras: what an application has."""

import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "src"


def without_libraries(statement: str) -> subprocess.CompletedProcess[str]:
    """Run a statement in an interpreter that has the standard library and tamis alone."""
    code = f"import sys; sys.path.insert(0, {str(SOURCES)!r}); {statement}"
    command = [sys.executable, "-I", "-S", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_command_says_what_to_install() -> None:
    """Without the extra, a command ends with a sentence that helps, and never with a trace."""
    done = without_libraries("from tamis.cli import main; main(['search', 'x'])")
    assert done.returncode == 3
    assert done.stderr == "tamis: the commands need more libraries: pip install 'tamis[server]'\n"


def test_help_and_version_need_nothing() -> None:
    """What there is can be read before anything is installed."""
    done = without_libraries("from tamis.cli import main; main(['--help'])")
    assert done.returncode == 0
    assert "Usage: tamis" in done.stdout
    assert without_libraries("from tamis.cli import main; main(['--version'])").stdout.startswith("tamis ")


def test_help_into_a_reader_that_goes_away() -> None:
    """`tamis --help | head -1` prints one line and no trace."""
    command = f"{sys.executable} -m tamis.cli --help | head -n 1"
    for _ in range(3):
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.stderr == ""
        assert done.stdout == "Usage: tamis COMMAND [OPTIONS]\n"
