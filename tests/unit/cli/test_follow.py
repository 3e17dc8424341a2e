"""Following files: every line once, whatever happens to the file or to us."""

import gzip
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.cli.embedded import EmbeddedTarget
from tamis.cli.intake.follow import Follower
from tamis.cli.intake.positions import Positions
from tamis.cli.intake.sending import Sender, Tally
from tamis.cli.target import Ask, Receipt
from tamis.disk.real import RealDisk
from tamis.errors import UnreachableError
from tamis.record.model import Columns
from tamis.settings import Settings
from tamis.store.memory import MemoryStore
from tamis.wire.base import DecodeOptions


class StoppedError(Exception):
    """Stands for the death of the process."""


class Hands:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def now_ns(self) -> int:
        return 1_790_000_000_000_000_000 + int(self.now_s * 1e9)

    def monotonic_s(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Trouble(EmbeddedTarget):
    """A target that can fail before or after it has stored a batch."""

    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None

    def append(self, batch: Columns, key: str) -> Receipt:
        if self.before:
            self.before()
        receipt = super().append(batch, key)
        if self.after:
            self.after()
        return receipt


class House:
    """A folder with logs, a store, and followers that come and go."""

    def __init__(self, folder: Path) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.state = folder / "state" / "positions.json"
        self.clock = Hands()
        self.target = Trouble("memory", MemoryStore(), Settings())
        self.told: list[str] = []
        self.followers: list[Follower] = []

    def follower(self, *patterns: str) -> Follower:
        sender = Sender(self.target, DecodeOptions(host="here"), Tally())
        positions = Positions(RealDisk(), self.state)
        names = [str(self.logs / pattern) for pattern in patterns]
        follower = Follower(names, sender, positions, tell=self.told.append, clock=self.clock)
        self.followers.append(follower)
        return follower

    def bury(self) -> None:
        """What the death of a process does: its files are closed, nothing else happens."""
        for follower in self.followers:
            for file in follower._files.values():
                file._file.close()

    def look(self, follower: Follower, times: int = 8) -> None:
        """Let time go by with polls: as long as a last record is waited for."""
        for _ in range(times):
            follower.poll()
            self.clock.now_s += 0.5

    def write(self, name: str, *lines: str, end: str = "\n") -> None:
        with (self.logs / name).open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + end)

    def stored(self) -> list[str]:
        page = self.target.search(Ask(), limit=10_000, order="asc")
        return sorted(record["message"] for record in page["records"])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.bury()


def lines(first: int, last: int, word: str = "line") -> list[str]:
    return [f"{word} number {at:04}" for at in range(first, last)]


def test_lines_are_stored_as_they_come(house: House) -> None:
    """What is appended is stored soon, each line once; a line without an end waits for its end."""
    follower = house.follower("app.log")
    house.write("app.log", *lines(0, 3))
    house.look(follower)
    house.write("app.log", *lines(3, 5), end="")
    house.look(follower)
    assert house.stored() == lines(0, 4)
    house.write("app.log", "", *lines(5, 6))
    house.look(follower)
    assert house.stored() == lines(0, 6)


def test_a_file_that_is_not_there_yet_is_followed_when_it_comes(house: House) -> None:
    """Names and globs are looked for again and again."""
    follower = house.follower("app.log", "*.txt")
    house.look(follower)
    house.write("app.log", *lines(0, 3))
    house.write("other.txt", *lines(0, 3, "other"))
    house.look(follower)
    assert house.stored() == lines(0, 3) + lines(0, 3, "other")


def test_a_restart_goes_on_where_it_stopped(house: House) -> None:
    """Nothing is read twice, nothing is left out, across clean stops."""
    first = house.follower("app.log")
    house.write("app.log", *lines(0, 10))
    house.look(first)
    house.write("app.log", *lines(10, 20))
    first.stop()
    house.write("app.log", *lines(20, 30))
    house.look(house.follower("app.log"))
    assert house.stored() == lines(0, 30)


@pytest.mark.parametrize("rotations", [1, 3])
@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_renamed_files_are_read_to_their_end(house: House, pattern: str, rotations: int) -> None:
    """Rotation by rename while it is followed: lines written after the rename are read too."""
    follower = house.follower(pattern)
    at = 0
    for _ in range(rotations):
        house.write("app.log", *lines(at, at + 5))
        house.look(follower)
        house.write("app.log", *lines(at + 5, at + 8))
        rotate(house.logs)
        house.write("app.log.1", *lines(at + 8, at + 9))
        house.write("app.log", *lines(at + 9, at + 12))
        house.look(follower)
        house.write("app.log.1", *lines(at + 12, at + 13))
        house.look(follower, 40)
        at += 13
    assert house.stored() == lines(0, at)


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_rotation_while_nobody_looks_loses_nothing(house: House, pattern: str) -> None:
    """Files that were renamed, even twice, between two runs are found and finished."""
    first = house.follower(pattern)
    house.write("app.log", *lines(0, 5))
    house.look(first)
    first.stop()
    house.write("app.log", *lines(5, 9))
    rotate(house.logs)
    house.write("app.log", *lines(9, 15))
    age(house.logs)
    rotate(house.logs)
    house.write("app.log", *lines(15, 20))
    second = house.follower(pattern)
    house.look(second, 40)
    assert house.stored() == lines(0, 20)
    second.stop()
    house.look(house.follower(pattern), 40)
    assert house.stored() == lines(0, 20)


def test_a_file_that_lost_its_name_while_nobody_looked_is_finished(house: House) -> None:
    """Its rest is read although nothing has taken its name yet."""
    first = house.follower("app.log")
    house.write("app.log", *lines(0, 5))
    house.look(first)
    first.stop()
    house.write("app.log", *lines(5, 9))
    rotate(house.logs)
    house.look(house.follower("app.log"))
    assert house.stored() == lines(0, 9)


def test_a_death_while_an_old_file_is_finished_leaves_nothing_out(house: House) -> None:
    """The new file under its name is known already; the rest of the old one is still looked for."""
    first = house.follower("app.log")
    house.write("app.log", *lines(0, 5))
    house.look(first)
    first.stop()
    house.write("app.log", *lines(5, 9))
    rotate(house.logs)
    house.write("app.log", *lines(9, 12))
    second = house.follower("app.log")
    second.poll()
    house.bury()
    assert house.stored() == [*lines(0, 8), *lines(9, 11)]
    house.look(house.follower("app.log"))
    assert house.stored() == lines(0, 12)


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_a_compressed_rotation_is_finished(house: House, pattern: str) -> None:
    """The old file is only there as .gz when we come back: its rest is read out of that, nothing twice."""
    first = house.follower(pattern)
    house.write("app.log", *lines(0, 5))
    house.look(first)
    first.stop()
    house.write("app.log", *lines(5, 9))
    content = (house.logs / "app.log").read_bytes()
    (house.logs / "app.log.1.gz").write_bytes(gzip.compress(content))
    (house.logs / "keep").touch()  # holds an inode, so that the next file does not get the old one
    (house.logs / "app.log").unlink()
    house.write("app.log", *lines(9, 12))
    house.look(house.follower(pattern), 40)
    house.look(house.follower(pattern), 40)
    assert house.stored() == lines(0, 12)


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
@pytest.mark.parametrize("running", [True, False])
def test_copytruncate_loses_nothing(house: House, pattern: str, *, running: bool) -> None:
    """A file that is copied and cut: what was not read yet is read out of the copy, nothing twice."""
    follower = house.follower(pattern)
    house.write("app.log", *lines(0, 5))
    house.look(follower)
    if not running:
        follower.stop()
    house.write("app.log", *lines(5, 9))
    shutil.copy(house.logs / "app.log", house.logs / "app.log.1")
    os.truncate(house.logs / "app.log", 0)
    house.write("app.log", *lines(9, 11))
    if not running:
        follower = house.follower(pattern)
    house.look(follower, 40)
    follower.stop()
    house.look(house.follower(pattern), 40)
    assert house.stored() == lines(0, 11)


def test_a_truncated_file_is_read_from_its_beginning(house: House) -> None:
    """A file that was emptied, without a copy, goes on with what is written then, be it longer than before."""
    follower = house.follower("app.log")
    house.write("app.log", *lines(0, 5))
    house.look(follower)
    (house.logs / "app.log").write_text("\n".join(lines(5, 50)) + "\n")
    house.look(follower)
    assert house.stored() == lines(0, 50)


@pytest.mark.parametrize("running", [True, False])
def test_another_content_with_the_same_beginning_is_noticed(house: House, *, running: bool) -> None:
    """A program that begins its log with a long banner, and starts its log anew: all of the new one is read."""
    banner = ["banner " + "=" * 100] * 30
    follower = house.follower("app.log")
    house.write("app.log", *banner, *lines(0, 5))
    house.look(follower)
    if not running:
        follower.stop()
        follower = house.follower("app.log")
    (house.logs / "app.log").write_text("\n".join([*banner, *lines(5, 50)]) + "\n")
    house.look(follower)
    assert [line for line in house.stored() if line.startswith("line")] == lines(0, 50)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("kill_at", [1, 2, 3])
def test_a_death_at_any_moment_doubles_and_loses_nothing(house: House, moment: str, kill_at: int) -> None:
    """Killed before or after the target stored a block, and before that was noted: each line is stored once."""
    calls = 0

    def die() -> None:
        nonlocal calls
        calls += 1
        if calls == kill_at:
            raise StoppedError

    setattr(house.target, moment, die)
    follower = house.follower("app.log")
    for at in range(0, 40, 10):
        house.write("app.log", *lines(at, at + 10))
        try:
            house.look(follower, 3)
        except StoppedError:
            house.write("app.log", f"written while we were dead {at}")
            follower = house.follower("app.log")
    house.look(follower)
    stored = house.stored()
    assert [line for line in stored if line.startswith("line")] == lines(0, 40)
    assert len(stored) == 41


def test_a_target_that_is_away_is_waited_for(house: House) -> None:
    """While the server is away nothing is lost; when it is back, each line is stored once."""
    failures = 5

    def away() -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise UnreachableError("http://there", "no answer")

    house.target.after = away
    house.write("app.log", *lines(0, 20))
    follower = house.follower("app.log")
    asked = 0

    def enough() -> bool:
        nonlocal asked
        asked += 1
        return asked > 10

    follower.run(enough)
    assert house.stored() == lines(0, 20)
    assert [text for text in house.told if "waiting" in text] == ["waiting: http://there: no answer"]


def test_a_record_of_many_lines_stays_whole(house: House) -> None:
    """A stack trace that comes in pieces is one record when the pieces come soon after each other."""
    follower = house.follower("app.log")
    house.write("app.log", "2026-11-21 10:00:00,123 ERROR shop: failed", "Traceback (most recent call last):")
    follower.poll()
    house.clock.now_s += 0.3
    house.write("app.log", '  File "shop.py", line 3, in order', "ValueError: no such thing")
    house.look(follower)
    (record,) = house.stored()
    assert record.endswith("ValueError: no such thing")


def test_binary_files_are_passed_over_with_a_word(house: House) -> None:
    """A folder with a binary file in it is followed; the user hears of the file."""
    (house.logs / "data.bin").write_bytes(bytes(range(256)) * 100)
    house.write("app.log", *lines(0, 2))
    house.look(house.follower(""))
    assert house.stored() == lines(0, 2)
    assert [Path(text.partition(":")[0]).name for text in house.told] == ["data.bin"]


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
@given(actions=st.lists(st.sampled_from(["write", "half", "rotate", "look", "restart", "die"]), max_size=14))
@settings(max_examples=60, deadline=None)
def test_any_course_of_events_ends_with_every_line_once(pattern: str, actions: list[str]) -> None:
    """Writes, halves of lines, rotations, looks, restarts and deaths in any order: nothing is lost or doubled."""
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        try:
            follower = house.follower(pattern)
            written = 1
            house.write("app.log", *lines(0, 1), f"kept in place: {folder}")
            house.look(follower)
            for action in [*actions, "write"]:
                match action:
                    case "write":
                        house.write("app.log", *lines(written, written + 3))
                        written += 3
                    case "half":
                        (line,) = lines(written, written + 1)
                        house.write("app.log", line[:7], end="")
                        follower.poll()
                        house.write("app.log", line[7:])
                        written += 1
                    case "rotate" if (house.logs / "app.log").exists():
                        rotate(house.logs)
                    case "look":
                        house.look(follower, 2)
                    case "restart":
                        follower.stop()
                        follower = house.follower(pattern)
                    case "die":
                        house.bury()
                        follower = house.follower(pattern)
            house.look(follower, 40)
            assert [line for line in house.stored() if line.startswith("line")] == lines(0, written)
        finally:
            house.bury()


def rotate(folder: Path) -> None:
    """What logrotate does: app.log.1 becomes app.log.2, app.log becomes app.log.1."""
    for at in range(20, 0, -1):
        if (folder / f"app.log.{at}").exists():
            (folder / f"app.log.{at}").rename(folder / f"app.log.{at + 1}")
    (folder / "app.log").rename(folder / "app.log.1")


def age(folder: Path) -> None:
    """Make what is there look older than what comes."""
    for path in folder.iterdir():
        stat = path.stat()
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - 10**9))
