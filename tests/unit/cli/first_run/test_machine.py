"""Which of a machine's logs the first run takes: the system's first, and no service more than its share."""

import gzip
import os
from pathlib import Path

import pytest

from tamis.cli.first_run import machine
from tamis.cli.first_run.machine import end_of, find_logs

DATED = "2026-11-21 10:00:{second:02} status installed libsieve{second}:amd64 1.0\n"
UNDATED = "gcc -c sieve{second}.c\n"


@pytest.fixture
def system(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    return tmp_path / "log"


@pytest.fixture
def more(tmp_path: Path) -> Path:
    (tmp_path / "more").mkdir()
    return tmp_path / "more"


def write(path: Path, line: str = DATED, lines: int = 20, age_s: int = 0) -> Path:
    path.write_text("".join(line.format(second=n % 60) for n in range(lines)))
    os.utime(path, (1_800_000_000 - age_s,) * 2)
    return path


def taken(system: Path, more: Path, bytes_max: int = 1 << 30) -> list[str]:
    return [file.path.name for file in find_logs(bytes_max, [str(system)], [str(more)]).files]


def test_newest_first_and_what_is_no_log_is_left(system: Path, more: Path) -> None:
    """Logs of the system come newest first; dumps, binary and empty files are not among them."""
    write(system / "dpkg.log", age_s=10)
    write(system / "syslog")
    write(system / "eipp.log")
    write(system / "README")
    (system / "wtmp").write_bytes(bytes(4096))
    (system / "empty.log").touch()
    assert taken(system, more) == ["syslog", "dpkg.log"]


def test_of_a_large_log_the_newest_part_is_taken(
    system: Path, more: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One service cannot fill the picture: its newest files first, of the last one the end, from a whole line on;
    older and compressed ones that do not fit are passed over."""
    size = write(system / "app.log", lines=40).stat().st_size
    write(system / "app.log.1", lines=40, age_s=10)
    write(system / "app.log.2", lines=40, age_s=20)
    write(system / "other.log", age_s=30)
    (system / "packed.log.gz").write_bytes(gzip.compress(os.urandom(size // 4).hex().encode() + b"\n"))
    monkeypatch.setattr(machine, "SERVICE_BYTES_MAX", size + size // 2)
    monkeypatch.setattr(machine, "ASIDE_BYTES_MAX", size)
    logs = find_logs(1 << 30, [str(system)], [str(more)])
    assert [(file.path.name, file.cut) for file in logs.files] == [
        ("app.log", False), ("app.log.1", True), ("other.log", False),
    ]  # fmt: skip
    assert (logs.cut, logs.passed_over) == (1, 2)
    assert logs.bytes == size + size // 2 + (system / "other.log").stat().st_size
    end = b"".join(end_of(logs.files[1].path, logs.files[1].bytes)).splitlines(keepends=True)
    assert end == (system / "app.log.1").read_bytes().splitlines(keepends=True)[-len(end) :]
    assert 15 < len(end) <= 20


def test_the_budget_holds(system: Path, more: Path) -> None:
    """Not more bytes than asked for are read."""
    sizes = [write(system / f"{name}.log", age_s=age).stat().st_size for age, name in enumerate("abc")]
    logs = find_logs(sizes[0] + 100, [str(system)], [str(more)])
    assert (logs.bytes, logs.passed_over) == (sizes[0] + 100, 1)


def test_elsewhere_only_what_has_times(system: Path, more: Path) -> None:
    """A build log says nothing over time: it is taken only where there is no other log at all."""
    write(system / "dpkg.log")
    write(more / "tool.log")
    write(more / "build.log", UNDATED)
    assert taken(system, more) == ["dpkg.log", "tool.log"]
    (more / "tool.log").unlink()
    assert taken(system, more) == ["dpkg.log"]
    (system / "dpkg.log").unlink()
    assert taken(system, more) == ["build.log"]


def test_a_system_with_logs_enough_is_shown_alone(
    system: Path, more: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other folders are looked at only when the system has little."""
    monkeypatch.setattr(machine, "LITTLE_BYTES", 100)
    write(system / "dpkg.log")
    write(more / "tool.log")
    assert taken(system, more) == ["dpkg.log"]
