"""The log files of this machine: what is there and can be read, newest first, each service with its share."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tamis.cli.intake.sample import looks_binary, read_sample
from tamis.cli.intake.sources import find_sources, service_of
from tamis.errors import WireError
from tamis.wire.compressed import encoding_of
from tamis.wire.detect import detect

SYSTEM = ("/var/log",)
MORE = ("~/*.log", "~/.local/state/**/*.log", "~/.cache/**/*.log", "~/.npm/_logs", "/tmp/*.log")  # noqa: S108  # read, never written
"""Where to look too when the system has little."""
LITTLE_BYTES = 4 << 20
NO_LOGS = ("eipp.log*", "README*", "*hardware-summary", "*.asc", "*.pid")
"""What stands among logs and is none: state that programs dump there."""

SERVICE_BYTES_MAX = 16 << 20
ASIDE_BYTES_MAX = 256 << 10
"""What one service gives when its lines have no times (build logs), or are not the system's."""
PACKED_RATIO = 10
"""Compressed logs count as so many times their bytes."""

JOURNAL_LINES_MAX = 100_000
JOURNAL_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file to read: all of it, or its last `bytes` when it is `cut`."""

    path: Path
    service: str
    bytes: int
    cut: bool


@dataclass(frozen=True, slots=True)
class MachineLogs:
    """Files to read, newest first, and how many were left out."""

    files: tuple[LogFile, ...]
    passed_over: int

    @property
    def bytes(self) -> int:
        """What is to be read."""
        return sum(file.bytes for file in self.files)

    @property
    def cut(self) -> int:
        """Of how many files only the end is read."""
        return sum(file.cut for file in self.files)


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    bytes: int
    packed: bool
    dated: bool


def find_logs(bytes_max: int, system: Iterable[str] = SYSTEM, more: Iterable[str] = MORE) -> MachineLogs:
    """The readable logs up to `bytes_max`: the system's, and where those are few others that have times; text
    without times from elsewhere only when there is nothing else.
    """
    choice = _Choice(bytes_max)
    for found in _readable(system):
        choice.take(found, SERVICE_BYTES_MAX if found.dated else ASIDE_BYTES_MAX)
    if choice.total < LITTLE_BYTES:
        others = list(_readable(more))
        dated = [found for found in others if found.dated]
        chosen = dated if dated or choice.files else others
        choice.passed_over += len(others) - len(chosen)
        for found in chosen:
            choice.take(found, ASIDE_BYTES_MAX)
    return MachineLogs(tuple(choice.files), choice.passed_over)


class _Choice:
    """Files within a budget of bytes, and each service within its share."""

    def __init__(self, bytes_max: int) -> None:
        self.files: list[LogFile] = []
        self.total = self.passed_over = 0
        self._bytes_max = bytes_max
        self._of_service: Counter[str] = Counter()
        self._paths: set[Path] = set()

    def take(self, found: _Found, share: int) -> None:
        """Take a file, or what there is room for of its end; a compressed one has no end that could be read."""
        if found.path in self._paths:
            return
        self._paths.add(found.path)
        service = service_of(found.path)
        size = found.bytes * PACKED_RATIO if found.packed else found.bytes
        taken = min(size, share - self._of_service[service], self._bytes_max - self.total)
        if taken <= 0 or (found.packed and taken < size):
            self.passed_over += 1
            return
        self._of_service[service] += taken
        self.total += taken
        self.files.append(
            LogFile(found.path, service, found.bytes if found.packed else taken, cut=taken < size)
        )


def _readable(places: Iterable[str]) -> Iterator[_Found]:
    """The text files that can be read, newest first."""
    stated = []
    for source in find_sources(places, strict=False):
        try:
            stat = source.path.stat()
        except OSError:
            continue
        if stat.st_size and source.path.is_file():
            stated.append((stat.st_mtime, stat.st_size, source.path))
    for _, size, path in sorted(stated, reverse=True):
        found = _looked_at(path, size)
        if found is not None:
            yield found


def _looked_at(path: Path, size: int) -> _Found | None:
    """What a file is by its first bytes; None when it is no log that we can read."""
    if any(fnmatch(path.name, pattern) for pattern in NO_LOGS):
        return None
    try:
        with path.open("rb") as file:
            packed = bool(encoding_of(file.read(8)))
        sample = read_sample(path)
    except (OSError, WireError):
        return None
    if looks_binary(sample):
        return None
    return _Found(path, size, packed, dated=detect(sample, path.name) != "plain")


def end_of(path: Path, bytes_max: int) -> Iterator[bytes]:
    """The last whole lines of a file, at most so many bytes."""
    with path.open("rb") as file:
        file.seek(-bytes_max, 2)
        file.readline()
        while piece := file.read(1 << 16):
            yield piece


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
