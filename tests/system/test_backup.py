"""Real processes: a server that backs itself up and takes records back, and backups that are killed."""

import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tamis.backup import FolderTarget, open_repository, restore_folder, verify
from tamis.backup.unlock import Provided
from tamis.disk.real import RealDisk
from tamis.keys import FileProvider
from tests.support.commands import ROOT, environment, running_server, start_server, tamis_here
from tests.support.embedded import batch, messages, open_quiet

RECORDS = "".join(f'{{"message":"order {n} placed","n":{n}}}\n' for n in range(200))


def settings(home: Path) -> dict[str, str]:
    return {
        "TAMIS_BACKUP_REPOSITORY": str(home / "repository"),
        "TAMIS_BACKUP_FILE": str(home / "backup.key"),
        "TAMIS_BACKUP_INTERVAL_S": "off",
    }


def lines(home: Path) -> Path:
    path = home / "orders.jsonl"
    path.write_text(RECORDS)
    return path


def test_a_server_backs_itself_up_and_takes_records_back(tmp_path: Path) -> None:
    """By commands and over HTTP, while it runs; the restored folder is served as it was."""
    extra = settings(tmp_path)
    with running_server(tmp_path, **extra) as server:
        where = ("--data", str(server.data))
        assert tamis_here("ingest", str(lines(tmp_path)), *where, home=tmp_path, **extra).code == 0
        made = tamis_here("backup", "create", "--json", *where, home=tmp_path, **extra)
        assert made.code == 0, made.err
        snapshot = msgspec.json.decode(made.out)
        assert (snapshot["records"], snapshot["why"]) == (200, "by local")
        again = tamis_here("backup", "restore", "--json", *where, home=tmp_path, **extra)
        assert again.code == 0, again.err
        done = msgspec.json.decode(again.out)
        assert done["adopted"] + done["appended"] == 0
        shown = tamis_here("backup", "schedule", *where, home=tmp_path, **extra)
        assert "create by local: done" in shown.out
    back = tmp_path / "again"
    back.mkdir()
    restored = tamis_here("backup", "restore", "--to", str(back / "data"), home=tmp_path, **extra)
    assert restored.code == 0, restored.err
    with running_server(back, **extra) as server:
        found = tamis_here("search", "n:7", "--json", "--data", str(server.data), home=tmp_path, **extra)
        assert msgspec.json.decode(found.out)["message"] == "order 7 placed"
    whole = tamis_here("backup", "verify", home=tmp_path, **extra)
    assert (whole.code, "whole; 1 snapshots" in whole.out) == (0, True), whole.out


def test_the_example_runs(tmp_path: Path) -> None:
    """As the page shows it."""
    example = ROOT / "examples/backup.py"
    subprocess.run(
        [sys.executable, "-W", "error", str(example)], check=True, timeout=60, env=environment(tmp_path)
    )


def killed(arguments: tuple[str, ...], home: Path, after_s: float, **extra: str) -> int:
    """Run a command and kill it after a time; its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tamis.cli", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home, env=environment(home, **extra),
    )  # fmt: skip
    try:
        return process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return process.wait(30)


def kill_often(home: Path, rounds: int, seed: int) -> None:
    """Backups and prunes killed at random moments, each after the time that one takes at most."""
    rng, extra, data = random.Random(seed), settings(home), home / "data"
    create = ("backup", "create", "--data", str(data))
    prune = (
        "backup",
        "prune",
        "--keep-last",
        "1",
        "--keep-daily",
        "0",
        "--keep-weekly",
        "0",
        "--keep-monthly",
        "0",
    )
    stored = [f"round 0 record {n}" for n in range(300)]
    with closing(open_quiet(data)) as store:
        store.append(batch(*stored))
    begin = time.monotonic()
    assert tamis_here(*create, home=home, **extra).code == 0
    takes_s = time.monotonic() - begin
    for number in range(1, rounds + 1):
        fresh = [f"round {number} record {n}" for n in range(300)]
        with closing(open_quiet(data, merge_count=2)) as store:
            store.append(batch(*fresh))
            store.seal_now()
            store.merge_now()
        stored += fresh
        killed(create if number % 3 else prune, home, rng.uniform(0.5, 1.0) * takes_s, **extra)
    check(home, stored)


def check(home: Path, stored: list[str]) -> None:
    """Everything is whole, the next backup and prune are made, and what was backed up last comes back."""
    extra, disk = settings(home), RealDisk()
    opener = Provided(FileProvider(disk, home / "backup.key"))
    repository = open_repository(FolderTarget(disk, home / "repository"), opener)
    assert verify(repository).is_whole
    assert tamis_here("backup", "create", "--data", str(home / "data"), home=home, **extra).code == 0
    assert tamis_here("backup", "prune", "--keep-last", "1", home=home, **extra).code == 0
    report = verify(repository)
    assert report.is_whole
    newest = list(repository.snapshots())[-1]
    assert not restore_folder(repository, newest, home / "back", disk).lost
    with closing(open_quiet(home / "back")) as store:
        assert messages(store) == sorted(stored)


def test_a_repository_survives_kill_9(tmp_path: Path) -> None:
    """Kills of backups and prunes: it stays whole, and the next backup has everything."""
    kill_often(tmp_path, 2, seed=1)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_repository_survives_sixty_kills(tmp_path: Path) -> None:
    """Sixty, at random moments."""
    kill_often(tmp_path, 60, seed=2)


@pytest.mark.full
def test_a_server_that_is_killed_while_it_takes_records_back_has_each_once(tmp_path: Path) -> None:
    """Killed right after the restore was asked for, started again, asked again."""
    extra = settings(tmp_path)
    server = start_server(tmp_path, **extra)
    where = ("--data", str(server.data))
    try:
        assert tamis_here("ingest", str(lines(tmp_path)), *where, home=tmp_path, **extra).code == 0
        assert tamis_here("backup", "create", *where, home=tmp_path, **extra).code == 0
    finally:
        server.kill()
    other = tmp_path / "other"
    other.mkdir()
    server = start_server(other, **extra)
    try:
        asked = subprocess.Popen(
            [sys.executable, "-m", "tamis.cli", "backup", "restore", "--data", str(server.data)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=other, env=environment(other, **extra),
        )  # fmt: skip
        while asked.poll() is None and not (server.data / "restoring").exists():
            time.sleep(0.01)
    finally:
        server.kill()
        asked.kill()
        asked.wait(60)
    with running_server(other, **extra) as again:
        where = ("--data", str(again.data))
        assert tamis_here("backup", "restore", *where, home=other, **extra).code == 0
        counted = tamis_here("stats", "* | stats count()", "--json", *where, home=other, **extra)
        assert "200" in counted.out
