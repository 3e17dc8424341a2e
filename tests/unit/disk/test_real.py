"""The machine's own disk: whole files, folders, leftovers, and what it says when it is refused."""

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from tamis.disk.calls import SystemCalls
from tamis.disk.real import RealDisk, sweep_temporary
from tamis.errors import DiskError, NoSpaceError
from tests.support.fragile_disk import FragileCalls, FragileDisk, Mode, PowerCut

DISK = RealDisk()


def test_a_whole_file_is_what_was_written(tmp_path: Path) -> None:
    """Pieces come out joined; a second writing replaces all of the first."""
    path = tmp_path / "a"
    DISK.write_whole(path, [b"one", memoryview(b"two"), b"", bytearray(b"three")])
    assert DISK.read(path) == b"onetwothree"
    assert DISK.size(path) == 11
    DISK.write_whole(path, [])
    assert DISK.read(path) == b""
    assert DISK.names(tmp_path) == ["a"]


class Sparing(SystemCalls):
    """Takes and gives few bytes at a time, as the system may."""

    def write(self, handle: int, data: object) -> int:
        return os.write(handle, data[0][:3])  # type: ignore[index]  # a sequence of memoryviews

    def read_at(self, handle: int, length: int, position: int) -> bytes:
        return super().read_at(handle, min(length, 5), position)


def test_short_writes_and_reads_are_gone_on_with(tmp_path: Path) -> None:
    """However few bytes the system takes or gives at once, all are written and read."""
    disk = RealDisk(Sparing())
    disk.write_whole(tmp_path / "a", [b"0123456789", b"ab", b"c"])
    assert disk.read(tmp_path / "a") == DISK.read(tmp_path / "a") == b"0123456789abc"


@pytest.mark.parametrize("call", ["create", "write", "sync", "rename"])
def test_a_failed_replacement_leaves_the_old_file_and_nothing_else(tmp_path: Path, call: str) -> None:
    """Whatever step fails, the old content is in place and no temporary file remains."""
    disk = FragileDisk(tmp_path)
    disk.write_whole(tmp_path / "a", [b"old"])
    disk.refuse(call, errno.EIO)
    with pytest.raises(DiskError, match=r"cannot write .*; the device failed"):
        disk.write_whole(tmp_path / "a", [b"new"])
    assert disk.read(tmp_path / "a") == b"old"
    assert disk.names(tmp_path) == ["a"]
    disk.after_power_cut("forget")
    assert DISK.read(tmp_path / "a") == b"old"


def test_a_full_disk_names_needed_and_available(tmp_path: Path) -> None:
    """ENOSPC is NoSpaceError with figures."""
    disk = FragileDisk(tmp_path)
    disk.refuse("write", errno.ENOSPC)
    with pytest.raises(NoSpaceError) as raised:
        disk.write_whole(tmp_path / "a", [b"x" * 60, b"y" * 40])
    assert raised.value.needed == 100
    assert raised.value.available > 0
    assert raised.value.path == str(tmp_path / "a")
    disk.refuse("write", errno.EDQUOT)
    with pytest.raises(NoSpaceError) as raised:
        disk.write_whole(tmp_path / "a", [b"x"])
    assert raised.value.available == 0


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (errno.EACCES, "let the user that runs Tamis"),
        (errno.EROFS, "mounted read-only"),
        (errno.EMFILE, "limit of open files"),
        (errno.EUCLEAN, "look at the disk"),
    ],
)
def test_a_refusal_says_where_and_what_to_do(tmp_path: Path, error: int, advice: str) -> None:
    """Every DiskError has the path and an advice; the system's error is its cause."""
    disk = FragileDisk(tmp_path)
    disk.refuse("create", error)
    with pytest.raises(DiskError, match=advice) as raised:
        disk.write_whole(tmp_path / "name", [b"x"])
    assert str(tmp_path / "name") in str(raised.value)
    assert isinstance(raised.value.__cause__, OSError)


def test_temporary_files_are_swept_and_nothing_else(tmp_path: Path) -> None:
    """What a cut left behind is recognised by its name; all other names stay."""
    (tmp_path / ".tamis-notes.tmp").write_bytes(b"a user's")
    (tmp_path / "b.tmp").write_bytes(b"a user's")
    disk = FragileDisk(tmp_path, cut_at=2)
    with pytest.raises(PowerCut):
        disk.write_whole(tmp_path / "a", [b"x"])
    disk.after_power_cut("keep")
    (left,) = sweep_temporary(DISK, tmp_path)
    assert left.startswith(".tamis-")
    assert DISK.names(tmp_path) == [".tamis-notes.tmp", "b.tmp"]
    assert sweep_temporary(DISK, tmp_path) == []


@pytest.mark.parametrize("mode", ["forget", "random"])
def test_a_made_folder_survives_with_its_parents(tmp_path: Path, mode: Mode) -> None:
    """`create_folder` returns when the whole way is safe, also when some of it was there; twice is once."""
    disk = FragileDisk(tmp_path)
    disk.create_folder(tmp_path / "a" / "b" / "c")
    disk.create_folder(tmp_path / "a" / "b" / "c")
    disk.create_folder(tmp_path / "a" / "d")
    disk.after_power_cut(mode)
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert (tmp_path / "a" / "d").is_dir()


def test_create_folder_makes_safe_what_a_killed_process_left(tmp_path: Path) -> None:
    """A folder and a name in it, made by a process killed before its sync, are safe after the call."""
    disk = FragileDisk(tmp_path)
    disk.calls.make_folder(tmp_path / "data")
    handle = disk.calls.create(tmp_path / "data" / "x")
    disk.calls.close(handle)
    disk.restart()
    disk.create_folder(tmp_path / "data")
    disk.after_power_cut("forget")
    assert DISK.names(tmp_path / "data") == ["x"]


def test_a_file_in_the_way_of_a_folder_is_an_error(tmp_path: Path) -> None:
    """A folder is not made where a file has its name."""
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(DiskError, match="not a folder"):
        DISK.create_folder(tmp_path / "a")
    with pytest.raises(DiskError, match="not a folder"):
        DISK.create_folder(tmp_path / "a" / "b")


def test_what_was_removed_stays_away(tmp_path: Path) -> None:
    """Removal is safe on return, and removing what is not there is nothing."""
    (tmp_path / "day").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    disk = FragileDisk(tmp_path)
    disk.remove_folder(tmp_path / "day")
    disk.remove_folder(tmp_path / "day")
    disk.after_power_cut("forget")
    assert DISK.names(tmp_path) == ["file"]
    disk = FragileDisk(tmp_path)
    disk.remove(tmp_path / "file")
    disk.remove(tmp_path / "file")
    disk.after_power_cut("forget")
    assert DISK.names(tmp_path) == []


def test_a_removal_is_made_safe_for_a_process_that_was_killed(tmp_path: Path) -> None:
    """Removing what another process had removed before its death makes that removal safe."""
    (tmp_path / "file").write_bytes(b"x")
    disk = FragileDisk(tmp_path)
    disk.calls.unlink(tmp_path / "file")
    disk.restart()
    disk.remove(tmp_path / "file")
    disk.after_power_cut("forget")
    assert DISK.names(tmp_path) == []


def test_a_folder_with_something_in_it_is_not_removed(tmp_path: Path) -> None:
    """DiskError, and everything stays."""
    DISK.create_folder(tmp_path / "day")
    DISK.write_whole(tmp_path / "day" / "a", [b"x"])
    with pytest.raises(DiskError, match="move away what is still"):
        DISK.remove_folder(tmp_path / "day")
    assert DISK.names(tmp_path / "day") == ["a"]


@pytest.mark.parametrize("step", ["remove", "remove_folder"])
def test_a_removal_that_does_not_sync_is_caught(tmp_path: Path, step: str) -> None:
    """The test above fails on a disk whose folder syncs do nothing."""

    class NoFolderSync(FragileCalls):
        def sync_folder(self, path: Path) -> None:
            pass

    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    disk = FragileDisk(tmp_path, calls=NoFolderSync(tmp_path))
    if step == "remove":
        disk.remove(tmp_path / "file")
    else:
        disk.remove_folder(tmp_path / "folder")
    disk.after_power_cut("forget")
    assert DISK.names(tmp_path) == ["file", "folder"]


def test_appended_bytes_are_found_again(tmp_path: Path) -> None:
    """Positions count from the beginning of the file, also after reopening and truncating."""
    file = DISK.open_append(tmp_path / "a")
    assert file.append([b"abc", b"def"]) == 0
    assert file.append([b"g"]) == 6
    file.close()
    file.close()
    file = DISK.open_append(tmp_path / "a")
    assert file.size == 7
    file.truncate(2)
    assert file.append([b"X"]) == 2
    file.sync()
    file.close()
    assert DISK.read(tmp_path / "a") == b"abX"
    with pytest.raises(DiskError, match="was closed"):
        file.append([b"y"])


def test_the_name_of_an_opened_file_is_safe(tmp_path: Path) -> None:
    """A new file is there, empty, after a power cut right after `open_append`."""
    disk = FragileDisk(tmp_path)
    disk.open_append(tmp_path / "a")
    disk.after_power_cut("forget")
    assert DISK.read(tmp_path / "a") == b""


def test_what_is_read_of_an_opened_file_is_safe(tmp_path: Path) -> None:
    """Bytes that a killed process had not synced are safe once the file was opened again."""
    disk = FragileDisk(tmp_path)
    disk.open_append(tmp_path / "a").append([b"by a process that was killed"])
    disk.restart()
    disk.open_append(tmp_path / "a")
    shown = disk.read(tmp_path / "a")
    disk.after_power_cut("forget")
    assert DISK.read(tmp_path / "a") == shown == b"by a process that was killed"


def test_pieces_are_read_from_anywhere(tmp_path: Path) -> None:
    """`read_at` gives what is there, less only at the end, nothing behind it."""
    DISK.write_whole(tmp_path / "a", [b"0123456789"])
    file = DISK.open_read(tmp_path / "a")
    assert file.size == 10
    assert (file.read_at(3, 4), file.read_at(8, 9), file.read_at(10, 1)) == (b"3456", b"89", b"")
    file.close()
    file.close()
    with pytest.raises(DiskError, match="was closed"):
        file.read_at(0, 1)


def test_what_is_absent_is_said_to_be(tmp_path: Path) -> None:
    """Absence is False for `exists` and DiskError for everything that needs the file."""
    assert not DISK.exists(tmp_path / "a")
    assert not DISK.exists(tmp_path / "a" / "b")
    assert DISK.exists(tmp_path)
    for ask in (DISK.read, DISK.size, DISK.names, DISK.open_read):
        with pytest.raises(DiskError, match="check that the path is right"):
            ask(tmp_path / "a")


def open_handles() -> set[str]:
    return {link.name for link in Path("/proc/self/fd").iterdir()}


def test_no_handle_is_left_open(tmp_path: Path) -> None:
    """Every operation gives its handles back, also when it fails."""
    before = open_handles()
    disk = FragileDisk(tmp_path)
    disk.create_folder(tmp_path / "b")
    for call in ("create", "write", "sync", "rename", "sync_folder"):
        disk.refuse(call)
        with pytest.raises(DiskError):
            disk.write_whole(tmp_path / "a", [b"x"])
    disk.refuse("sync_folder")
    with pytest.raises(DiskError):
        disk.open_append(tmp_path / "b" / "c")
    disk.open_append(tmp_path / "b" / "c").close()
    disk.read(tmp_path / "a")
    assert open_handles() == before


def test_a_private_file_is_private_from_its_first_moment(tmp_path: Path) -> None:
    """With a mode of 0600 nobody else may open the file, nor the temporary one it comes from."""
    modes = []

    class Watching(SystemCalls):
        def write(self, handle: int, data: Sequence[memoryview]) -> int:
            modes.append(stat.S_IMODE(os.fstat(handle).st_mode))
            return super().write(handle, data)

    RealDisk(Watching()).write_whole(tmp_path / "secret", [b"x"], mode=0o600)
    assert [*modes, stat.S_IMODE((tmp_path / "secret").stat().st_mode)] == [0o600, 0o600]


def test_a_moved_file_has_one_name_and_replaces_nothing(tmp_path):
    """Also from folder to folder; a name that is taken is refused, and both files stay as they were."""
    disk = RealDisk()
    disk.create_folder(tmp_path / "a")
    disk.create_folder(tmp_path / "b")
    disk.write_whole(tmp_path / "a/one", [b"one"])
    disk.write_whole(tmp_path / "a/two", [b"two"])
    disk.move(tmp_path / "a/one", tmp_path / "b/one")
    assert disk.names(tmp_path / "a") == ["two"]
    assert disk.read(tmp_path / "b/one") == b"one"
    with pytest.raises(DiskError, match="exists"):
        disk.move(tmp_path / "a/two", tmp_path / "b/one")
    assert disk.read(tmp_path / "a/two") == b"two"
    assert disk.read(tmp_path / "b/one") == b"one"
