"""Damage to meta.db: the server says what is broken before it serves, and repair brings back what it can."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from tamis.disk.real import RealDisk
from tamis.errors import DamageError
from tamis.integrity.sources.folder import FolderSource
from tamis.metadata.accounts import ADMIN, Accounts
from tamis.metadata.database import FILE_NAME, open_database
from tamis.metadata.mend import mend_database
from tests.support.damages import cut_short, damage, empty, flip_first, zero_all
from tests.support.fragile_disk import FragileDisk, PowerCut

DISK = RealDisk()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with an admin."""
    made = tmp_path / "data"
    made.mkdir()
    accounts = Accounts(open_database(made))
    accounts.set_token(ADMIN, "a token that somebody has")
    accounts.close()
    return made


@pytest.fixture
def good(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def token_hash(folder: Path) -> str | None:
    accounts = Accounts(open_database(folder))
    with contextlib.closing(accounts):
        return accounts.token_hash(ADMIN)


def zero_page_of(folder: Path, table: str) -> None:
    """Lose the page on which a table begins."""
    path = folder / FILE_NAME
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    data[(page - 1) * size : page * size] = bytes(size)
    path.write_bytes(data)


@pytest.mark.parametrize("action", [flip_first, cut_short, zero_all])
def test_a_damaged_file_is_an_error_that_says_what_is_in_it_and_a_copy_mends_it(folder, good, action):
    """Records are not in it; the tokens of the copy open the server again; a second repair finds nothing to do."""
    damage(folder / FILE_NAME, action)
    with pytest.raises(DamageError, match="records are not") as refused:
        open_database(folder)
    assert "tamis repair" in str(refused.value)
    made = mend_database(DISK, folder, [FolderSource(DISK, good)])
    assert made is not None
    assert made.is_all
    assert token_hash(folder) == token_hash(good)
    assert mend_database(DISK, folder, []) is None
    assert (folder / "quarantine" / FILE_NAME).exists()


def test_what_can_be_read_is_kept_without_a_copy(folder, good):
    """A lost page of rules takes no token with it, and is named."""
    zero_page_of(folder, "rules")
    with pytest.raises(DamageError):
        open_database(folder)
    made = mend_database(DISK, folder, [])
    assert made is not None
    assert not made.is_all
    assert "rules" in made.how
    assert token_hash(folder) == token_hash(good)


def test_an_empty_file_is_one_that_was_never_written(folder):
    """SQLite begins it anew; the first start makes a token."""
    damage(folder / FILE_NAME, empty)
    assert mend_database(DISK, folder, []) is None
    assert token_hash(folder) is None


def test_a_copy_that_is_damaged_too_is_not_taken(folder, good):
    """What can be read here is better than nothing."""
    zero_page_of(folder, "rules")
    damage(good / FILE_NAME, cut_short)
    made = mend_database(DISK, folder, [FolderSource(DISK, good)])
    assert made is not None
    assert not made.is_all
    assert token_hash(folder) is not None


def test_a_repair_that_was_killed_is_begun_again(folder, good, tmp_path):
    """At every operation."""
    damage(folder / FILE_NAME, flip_first)
    for cut_at in range(1, 40):
        root = tmp_path / str(cut_at)
        shutil.copytree(folder, root / "data")
        disk = FragileDisk(root, cut_at)
        with contextlib.suppress(PowerCut):
            mend_database(disk, root / "data", [FolderSource(DISK, good)])
        was_cut = disk.was_cut
        disk.after_power_cut("random", seed=cut_at)
        mend_database(DISK, root / "data", [FolderSource(DISK, good)])
        assert token_hash(root / "data") == token_hash(good), cut_at
        if not was_cut:
            break
    else:
        raise AssertionError("there are more operations than were cut")
