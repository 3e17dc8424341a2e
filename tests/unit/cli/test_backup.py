"""`tamis backup` on folders without a server: what it prints, and what its exit codes mean."""

import shutil
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.support.backups import QUICK
from tests.support.commands import Ran, tamis_here
from tests.support.embedded import NOON, batch, open_quiet

DAY_NS = 86_400 * 10**9


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with records of two days."""
    with closing(open_quiet(tmp_path / "data", disk=QUICK)) as store:
        store.append(batch("first day", timestamp=NOON))
        store.seal_now()
        store.append(batch("second day", timestamp=NOON + DAY_NS))
    return tmp_path


def run(home: Path, *words: str) -> Ran:
    return tamis_here("backup", *words, home=home, TAMIS_BACKUP_REPOSITORY=str(home / "repository"))


def test_a_folder_is_backed_up_listed_verified_and_pruned(home: Path) -> None:
    """Each says in a line what came of it, or as JSON."""
    first = run(home, "create", "--data", "data")
    assert (first.code, "2 records" in first.out) == (0, True), first.err
    assert (home / ".config/tamis/backup.key").stat().st_mode & 0o077 == 0
    made = msgspec.json.decode(run(home, "create", "--data", "data", "--json").out)
    assert made["number"] == 2
    listed = run(home, "list")
    assert made["name"][:16] in listed.out
    assert len(msgspec.json.decode(run(home, "list", "--json").out)["snapshots"]) == 2
    assert "whole; 2 snapshots" in run(home, "verify").out
    assert "only lists and sizes" in run(home, "verify", "--quick", made["name"][:8]).out
    few = ("--keep-last", "1", "--keep-daily", "0", "--keep-weekly", "0", "--keep-monthly", "0")
    assert "1 snapshots would be forgotten, 1 stay" in run(home, "prune", *few, "--dry-run").out
    assert "1 snapshots forgotten, 1 stay" in run(home, "prune", *few).out
    assert msgspec.json.decode(run(home, "prune", *few, "--json").out)["packs"] == 0


def test_damage_is_named_and_makes_the_exit_code_one(home: Path) -> None:
    """With the snapshot and the file that it hits; what is whole comes back all the same."""
    run(home, "create", "--data", "data")
    pack = next(path for path in (home / "repository/packs").rglob("*") if path.is_file())
    data = bytearray(pack.read_bytes())
    data[60] ^= 1
    pack.write_bytes(data)
    looked = run(home, "verify")
    assert looked.code == 1
    assert "chunks are not what was written" in looked.out
    assert "hits" in looked.out
    back = run(home, "restore", "--to", "back")
    assert back.code in (1, 3)
    assert "lost" in back.out or "not what was" in back.err


def test_a_day_comes_back_into_a_folder_or_beside_what_is_there(home: Path) -> None:
    """And is searched there."""
    run(home, "create", "--data", "data")
    done = run(home, "restore", "--day", "2026-11-22", "--to", "one")
    assert (done.code, "`tamis serve --data" in done.out) == (0, True), done.err
    assert "second day" in tamis_here("search", "day", "--data", "one", home=home).out
    assert "first day" not in tamis_here("search", "day", "--data", "one", home=home).out
    beside = run(home, "restore", "--data", "data")
    assert "2 were there" in beside.out, beside.err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("restore",), 2, "say where to"),
        (("restore", "--to", "x", "--data", "data"), 2, "give one of them"),
        (("restore", "--to", "x", "--day", "2026-11-21T10:00:00Z"), 2, "is no day"),
        (("restore", "--to", "x", "--day", "2026-11-21", "--since", "1h"), 2, "whole day"),
        (("restore", "--to", "data"), 3, "holds no repository"),
        (("create", "--data", "nowhere"), 2, "no such folder"),
        (("schedule", "--data", "data"), 2, "nothing keeps a schedule"),
        (("verify",), 3, "holds no repository"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(home: Path, words: tuple[str, ...], code: int, told: str) -> None:
    """Nothing is made by a command that could not do what it was asked."""
    done = run(home, *words)
    assert (done.code, told in done.err) == (code, True), done.err
    assert not (home / "x").exists()


def test_an_older_state_of_the_repository_is_refused_until_it_is_meant(home: Path) -> None:
    """The message says how to say so."""
    run(home, "create", "--data", "data")
    shutil.copytree(home / "repository", home / "older")
    run(home, "create", "--data", "data")
    shutil.rmtree(home / "repository")
    (home / "older").rename(home / "repository")
    refused = run(home, "create", "--data", "data")
    assert (refused.code, "--accept-older" in refused.err) == (3, True)
    assert run(home, "create", "--data", "data", "--accept-older").code == 0
    assert run(home, "create", "--data", "data").code == 0
