"""Several real processes write and rotate one log file: every line arrives, whole and once."""

import gzip
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tamis.disk.rotated import rotated_files, tidy_rotated, zstd_module

WRITERS, EACH = 4, 5_000


def start_writer(path: Path, name: str, options: str) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "tests.system.writer_process",
        f"file://{path}?{options}",
        name,
        str(EACH),
        "7",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_lines(path: Path) -> list[bytes]:
    if path.suffix == ".gz":
        data = gzip.decompress(path.read_bytes())
    else:
        data = path.read_bytes()
        data = zstd_module().decompress(data) if path.suffix == ".zst" else data
    assert data.endswith(b"\n"), f"{path.name} ends in a torn line"
    return data.splitlines()


def read_all(path: Path) -> Counter[tuple[str, int]]:
    """How often each record stands in the file and those rotated from it; each line must be whole."""
    files = [*rotated_files(path), *([path] if path.exists() and path.stat().st_size else [])]
    found: Counter[tuple[str, int]] = Counter()
    for file in files:
        for line in read_lines(file):
            attributes = json.loads(line)["attributes"]
            found[attributes["writer"], attributes["n"]] += 1
    return found


def wanted(name: str, count: int) -> set[tuple[str, int]]:
    return {(name, n) for n in range(count)}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
def test_processes_that_rotate_one_file_lose_and_double_nothing(tmp_path: Path, compress: str) -> None:
    """Of 20,000 records by four processes 20,000 are there, each once and whole, over a hundred rotations."""
    path = tmp_path / "app.jsonl"
    options = f"rotate_bytes=30000&keep=0&compress={compress}"
    writers = [start_writer(path, f"w{number}", options) for number in range(WRITERS)]
    for writer in writers:
        _, errors = writer.communicate(timeout=240)
        assert writer.returncode == 0, errors
    found = read_all(path)
    assert set(found) == set().union(*(wanted(f"w{number}", EACH) for number in range(WRITERS)))
    assert max(found.values()) == 1
    rotated = rotated_files(path)
    assert len(rotated) > 50
    assert all(file.stat().st_size <= 30_000 for file in rotated)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("compress", ["none", "zstd"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_killed_process_costs_the_others_nothing(tmp_path: Path, compress: str, seed: int) -> None:
    """Two of four are killed at some moment: of them what the sink had taken is there, of the others everything;
    the next process finishes what they left uncompressed."""
    path = tmp_path / "app.jsonl"
    options = f"rotate_bytes=20000&keep=0&compress={compress}"
    writers = {f"w{number}": start_writer(path, f"w{number}", options) for number in range(WRITERS)}
    moments = random.Random(seed)
    taken: dict[str, int] = {}
    for name in ("w1", "w3"):
        process = writers[name]
        assert process.stdout is not None
        until = moments.randrange(7, EACH - 500)
        taken[name] = next(int(line) for line in process.stdout if int(line) >= until)
        process.kill()
        rest, _ = process.communicate(timeout=60)
        taken[name] = max([taken[name], *map(int, rest.split())])
    for name in ("w0", "w2"):
        _, errors = writers[name].communicate(timeout=240)
        assert writers[name].returncode == 0, errors
        taken[name] = EACH
    tidy_rotated(path, "zstd" if compress == "zstd" else "none", 0)
    found = read_all(path)
    missing = set().union(*(wanted(name, count) for name, count in taken.items())) - set(found)
    assert not missing
    assert max(found.values()) == 1
    assert {file.suffix for file in rotated_files(path) if compress == "zstd"} <= {".zst"}
    assert not [file for file in tmp_path.iterdir() if file.suffix == ".part" and compress == "none"]
