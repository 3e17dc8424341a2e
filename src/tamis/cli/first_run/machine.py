"""The log files of this machine: what is there and can be read, newest first, within a budget of bytes."""

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tamis.cli.intake.sources import find_sources, why_not

SYSTEM = ("/var/log",)
MORE = ("/tmp/*.log", "~/*.log", "~/.npm/_logs", "~/.local/state/**/*.log", "~/.cache/**/*.log")  # noqa: S108  # read, never written
"""Where to look too when the system has little: build logs, package managers of languages."""
LITTLE_BYTES = 4 << 20
FILE_BYTES_MAX = 64 << 20
JOURNAL_LINES_MAX = 100_000
JOURNAL_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class MachineLogs:
    """Files to read, newest first, and what was left out."""

    files: tuple[Path, ...]
    bytes: int
    passed_over: int


def find_logs(bytes_max: int, system: Iterable[str] = SYSTEM, more: Iterable[str] = MORE) -> MachineLogs:
    """The readable text files among the logs, the newest ones up to `bytes_max`."""
    found = list(_stated(system))
    if sum(size for _, size, _ in found) < LITTLE_BYTES:
        known = {path for path, _, _ in found}
        found += [one for one in _stated(more) if one[0] not in known]
    kept: list[Path] = []
    total = passed_over = 0
    for path, size, _ in sorted(found, key=lambda one: -one[2]):
        if size > FILE_BYTES_MAX or total + size > bytes_max or why_not(path):
            passed_over += 1
            continue
        kept.append(path)
        total += size
    return MachineLogs(tuple(kept), total, passed_over)


def _stated(places: Iterable[str]) -> Iterator[tuple[Path, int, float]]:
    """Path, size and time of the files that are not empty."""
    for source in find_sources(places, strict=False):
        try:
            stat = source.path.stat()
        except OSError:
            continue
        if stat.st_size and source.path.is_file():
            yield source.path, stat.st_size, stat.st_mtime


def export_journal(path: Path) -> bool:
    """Write what the system's journal has to `path`, when there is one; whether anything was written."""
    program = shutil.which("journalctl")
    if program is None:
        return False
    command = [program, "--output=export", "--no-pager", "--quiet", f"--lines={JOURNAL_LINES_MAX}"]
    try:
        with path.open("wb") as file:
            subprocess.run(  # noqa: S603  # the program of this machine, with our own arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.DEVNULL,
                timeout=JOURNAL_TIMEOUT_S,
                check=True,
            )
    except (OSError, subprocess.SubprocessError):
        return False
    return path.stat().st_size > 0
