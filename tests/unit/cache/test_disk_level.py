"""The disk level's file: damaged, taken away, read-only, without room, in a forked child."""

import os
import runpy
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tamis.cache.database import DAMAGED_NAME, FILE_NAME
from tamis.cache.disk import DiskLevel, DiskLimits
from tamis.cache.multilevel import MultiLevelCache
from tamis.errors import DamageError, DiskError, NoSpaceError
from tests.tidy.sources import ROOT

WAIT_S = 60.0
PATIENT = DiskLimits(timeout_s=WAIT_S)


def filled(folder: Path) -> Path:
    """A folder with an entry; its file, which nobody holds."""
    level = DiskLevel(folder, PATIENT)
    for number in range(50):
        level.write(f"k{number}", os.urandom(3_000), ttl_s=600, tags=("t",))
    level.close()
    return folder / FILE_NAME


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    for place in range(100, len(data), 997):
        data[place] ^= 0xFF
    file.write_bytes(data)


def reverse_pages(file: Path) -> None:
    data = file.read_bytes()
    pages = [data[start : start + 4_096] for start in range(0, len(data), 4_096)]
    file.write_bytes(b"".join([pages[0], *reversed(pages[1:])]))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "garbage": lambda file: file.write_bytes(b"garbage" * 10_000),
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: os.truncate(file, 20_000),
    "cut in the head": lambda file: os.truncate(file, 50),
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "flipped": flip,
    "pages swapped": reverse_pages,
    "another's": lambda file: sqlite3.connect(file).executescript("DROP TABLE state").close(),
    "no state": lambda file: sqlite3.connect(file).executescript("DELETE FROM state").close(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: str) -> None:
    """Callers get nothing wrong and no error, and after a few calls it works again; two levels over it agree."""
    DAMAGES[damage](filled(tmp_path))
    levels = [DiskLevel(tmp_path, PATIENT), DiskLevel(tmp_path, PATIENT)]
    for number in range(50):
        for level in levels:
            with suppress(DamageError):  # the first to see it
                level.remove_tag("t")
                level.remove(f"k{number}")
    for level in levels:
        assert level.read("k1") is None
    assert levels[0].write("new", 1, ttl_s=60)
    found = levels[1].read("new")
    assert found is not None
    assert found.value == 1
    if damage != "pages swapped" and damage != "flipped":
        assert (tmp_path / DAMAGED_NAME).exists()
    for level in levels:
        level.close()


def named_wrongly(file: Path) -> None:
    """One byte of the table's definition is no UTF-8: SQLite's own message cannot be read then."""
    data = bytearray(file.read_bytes())
    data[data.index(b"CREATE TABLE entries") + len(b"CREATE TABLE en")] = 0x8E
    file.write_bytes(data)


@pytest.mark.parametrize("first", ["read", "clear"])
def test_one_byte_that_makes_errors_unreadable_is_mended(tmp_path: Path, first: str) -> None:
    """The first call sets the file aside, the next works; to clear it works at once."""
    file = filled(tmp_path)
    named_wrongly(file)
    level = DiskLevel(tmp_path, PATIENT)
    if first == "read":
        with pytest.raises(DamageError, match="set aside"):
            level.read("k1")
        assert level.read("k1") is None
    else:
        assert level.clear() == 0
    assert (tmp_path / DAMAGED_NAME).exists()
    assert level.write("new", 1, ttl_s=60)
    assert level.read("new") is not None
    level.close()


def test_a_file_whose_sums_are_wrong_is_set_aside(tmp_path: Path) -> None:
    """To make room for what is not there would never end."""
    file = filled(tmp_path)
    with closing(sqlite3.connect(file)) as db:
        db.execute("UPDATE state SET bytes = 1000000000000")
        db.commit()
    level = DiskLevel(tmp_path, PATIENT)
    with pytest.raises(DamageError, match="nothing is kept"):
        level.write("new", 1, ttl_s=60)
    assert level.write("new", 1, ttl_s=60)
    level.close()


def test_a_file_that_goes_away_is_made_anew(tmp_path: Path) -> None:
    """By whoever comes first; who has the old one open sees that."""
    ours, theirs = DiskLevel(tmp_path, PATIENT), DiskLevel(tmp_path, PATIENT)
    ours.write("a", 1, ttl_s=60)
    assert theirs.read("a") is not None
    before = theirs.position()
    for name in (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"):
        (tmp_path / name).unlink()
    assert ours.read("a") is None
    assert theirs.changes(before).changes is None
    ours.write("a", 2, ttl_s=60)
    assert theirs.read("a") is not None
    ours.close()
    theirs.close()


def test_it_is_there_after_a_restart(tmp_path: Path) -> None:
    """With its time and its tags."""
    filled(tmp_path)
    level = DiskLevel(tmp_path, PATIENT)
    assert level.read("k7") is not None
    assert level.remove_tag("t") == 50
    level.close()


def test_the_file_stays_within_its_bytes(tmp_path: Path) -> None:
    """Whatever is written over it, up to what SQLite needs beside."""
    level = DiskLevel(tmp_path, DiskLimits(bytes_max=2_000_000, timeout_s=WAIT_S))
    for number in range(600):
        assert level.write(f"k{number}", os.urandom(500 + number * 37 % 20_000), ttl_s=600)
    assert level.statistics().bytes <= 2_000_000
    level.close()
    assert (tmp_path / FILE_NAME).stat().st_size <= 2_600_000


def test_no_room_is_told_and_nothing_written(tmp_path: Path) -> None:
    """What must stay free stays free; reading goes on, and so does whoever uses the cache."""
    filled(tmp_path)
    level = DiskLevel(tmp_path, DiskLimits(timeout_s=WAIT_S, reserve_bytes=1 << 62))
    with pytest.raises(NoSpaceError):
        level.write("a", 1, ttl_s=60)
    with pytest.raises(NoSpaceError):
        level.check()
    assert level.read("k1") is not None
    cache = MultiLevelCache(levels=[level])
    assert cache.get_or_compute("a", lambda: 7) == 7
    assert cache.health_check()["status"] == "degraded"
    cache.close()


def test_a_place_that_is_no_folder_is_told(tmp_path: Path) -> None:
    """With its name and what to do; the cache goes on in memory."""
    (tmp_path / "file").write_bytes(b"")
    level = DiskLevel(tmp_path / "file" / "cache", PATIENT)
    with pytest.raises(DiskError, match="file"):
        level.write("a", 1, ttl_s=60)
    cache = MultiLevelCache(levels=[level])
    cache.set("a", 1)
    assert cache.get("a") == 1
    cache.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_a_connection_of_its_own(tmp_path: Path) -> None:
    """Parent and child write, and both read both; the child hears of the parent's changes."""
    cache = MultiLevelCache(levels=[DiskLevel(tmp_path, PATIENT)])
    cache.set("parent", 1)
    child = os.fork()
    if child == 0:
        code = 2
        try:
            cache.set("child", 2)
            cache.catch_up()
            code = 0 if (cache.get("parent"), cache.get("child")) == (1, 2) else 1
        finally:
            os._exit(code)
    end_s = time.monotonic() + WAIT_S
    while (found := os.waitpid(child, os.WNOHANG)) == (0, 0):
        assert time.monotonic() < end_s
        time.sleep(0.01)
    assert found[1] == 0
    assert cache.get("child") == 2
    cache.close()


def test_the_example_says_what_it_promises(capsys: pytest.CaptureFixture[str]) -> None:
    """examples/shared_cache.py as it is."""
    runpy.run_path(str(ROOT / "examples/shared_cache.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines()[1:] == [
        "read: (42, 'EUR')",
        "after its tag was invalidated: nothing",
        "health: healthy",
    ]
