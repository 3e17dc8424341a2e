"""`pip install tamis` without its extras: what an application has."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

SOURCES = Path(__file__).resolve().parents[2] / "src"

Run = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def run_bare(tmp_path: Path) -> Run:
    """Run a statement in an interpreter that has the standard library, msgspec and tamis alone."""
    (tmp_path / "msgspec").symlink_to(Path(msgspec.__file__).parent)
    paths = [str(SOURCES), str(tmp_path)]

    def run(statement: str) -> subprocess.CompletedProcess[str]:
        code = f"import sys; sys.path[:0] = {paths!r}; {statement}"
        command = [sys.executable, "-I", "-S", "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run


def test_a_command_says_what_to_install(run_bare: Run) -> None:
    """Without the extra, a command ends with a sentence that helps, and never with a trace."""
    done = run_bare("from tamis.cli import main; main(['search', 'x'])")
    assert done.stderr == "tamis: the commands need more libraries: pip install 'tamis[server]'\n"
    assert done.returncode == 3


def test_help_and_version_need_nothing(run_bare: Run) -> None:
    """What there is can be read before anything more is installed."""
    done = run_bare("from tamis.cli import main; main(['--help'])")
    assert done.returncode == 0
    assert "Usage: tamis" in done.stdout
    assert run_bare("from tamis.cli import main; main(['--version'])").stdout.startswith("tamis ")


@pytest.mark.parametrize(
    "part", ["settings", "record", "disk", "query.parser", "http_client", "wire.jsonlines"]
)
def test_what_an_application_needs_is_there(run_bare: Run, part: str) -> None:
    """The light parts import with the standard library and msgspec alone."""
    assert run_bare(f"import tamis.{part}").stderr == ""


def test_help_into_a_reader_that_goes_away() -> None:
    """`tamis --help | head -1` prints one line and no trace."""
    command = f"{sys.executable} -m tamis.cli --help | head -n 1"
    for _ in range(3):
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.stderr == ""
        assert done.stdout == "Usage: tamis COMMAND [OPTIONS]\n"
