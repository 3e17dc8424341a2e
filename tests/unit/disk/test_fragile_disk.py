"""The power-cut disk itself: what it forgets, and that it catches a disk that forgets to sync."""

import errno
from pathlib import Path

import pytest

from tamis.disk.journal import Journal
from tamis.disk.lock import lock_folder
from tamis.disk.real import RealDisk
from tamis.errors import DiskError, JournalClosedError
from tests.support.fragile_disk import FragileCalls, FragileDisk, Mode, PowerCut

OLD, NEW = b"old" * 100, b"new" * 200


def replace_at_every_cut(folder: Path, kind: type[FragileCalls]) -> list[str]:
    """Replace a file on a disk of this kind, cut at each operation; return what went wrong."""
    wrong = []
    whole = trial(folder / "whole", kind, cut_at=None)
    for cut_at in range(1, whole.operations + 2):
        fates: list[tuple[Mode, int]] = [("forget", 0), ("keep", 0), *(("random", seed) for seed in range(8))]
        for mode, seed in fates:
            root = folder / f"{cut_at}-{mode}-{seed}"
            disk = trial(root, kind, cut_at=cut_at)
            disk.after_power_cut(mode, seed)
            allowed = (OLD, NEW) if cut_at <= whole.operations else (NEW,)
            if not (root / "file").exists() or (root / "file").read_bytes() not in allowed:
                wrong.append(f"cut at {cut_at}, {mode} {seed}")
    return wrong


def trial(root: Path, kind: type[FragileCalls], *, cut_at: int | None) -> FragileDisk:
    root.mkdir()
    (root / "file").write_bytes(OLD)
    disk = FragileDisk(root, calls=kind(root, cut_at))
    try:
        disk.write_whole(root / "file", [NEW[:100], NEW[100:]])
    except PowerCut:
        assert disk.was_cut
    return disk


class NoFileSync(FragileCalls):
    def sync(self, handle: int) -> None:
        pass


class NoFolderSync(FragileCalls):
    def sync_folder(self, path: Path) -> None:
        pass


class RenameThenSync(FragileCalls):
    def sync(self, handle: int) -> None:
        self.late = handle

    def close(self, handle: int) -> None:
        pass

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        super().sync(self.late)
        super().close(self.late)


class InPlace(FragileCalls):
    def create(self, path: Path, mode: int = 0o666) -> int:
        handle = self.open_append(path.with_name("file"))
        self.truncate(handle, 0)
        return handle

    def rename(self, source: Path, target: Path) -> None:
        pass


def test_a_file_is_replaced_whole_at_every_cut(tmp_path: Path) -> None:
    """Wherever the power goes, the name holds all of the old content or all of the new; on return, new."""
    assert replace_at_every_cut(tmp_path, FragileCalls) == []


@pytest.mark.parametrize("kind", [NoFileSync, NoFolderSync, RenameThenSync, InPlace])
def test_a_forgotten_step_is_caught(tmp_path: Path, kind: type[FragileCalls]) -> None:
    """A disk that leaves out a sync, syncs too late or writes in place does not pass."""
    assert replace_at_every_cut(tmp_path, kind) != []


def test_after_the_cut_nothing_works_any_more(tmp_path: Path) -> None:
    """A process without power neither reads nor writes; only letting go of handles is quiet."""
    disk = FragileDisk(tmp_path, cut_at=3)
    file = disk.open_append(tmp_path / "a")
    with pytest.raises(PowerCut):
        file.append([b"x"])
    for refused in (
        lambda: file.append([b"x"]),
        file.sync,
        lambda: disk.exists(tmp_path / "a"),
        lambda: disk.names(tmp_path),
        lambda: disk.remove(tmp_path / "a"),
    ):
        with pytest.raises(PowerCut):
            refused()
    file.close()


@pytest.mark.parametrize(
    ("mode", "content"), [("forget", b"safe"), ("keep", b"safe and not")], ids=["forget", "keep"]
)
def test_unsynced_bytes_go_with_the_power_and_stay_after_a_kill(
    tmp_path: Path, mode: Mode, content: bytes
) -> None:
    """``forget`` leaves what was synced, ``keep`` leaves everything."""
    disk = FragileDisk(tmp_path)
    file = disk.open_append(tmp_path / "a")
    file.append([b"safe"])
    file.sync()
    file.append([b" and not"])
    disk.after_power_cut(mode)
    assert (tmp_path / "a").read_bytes() == content


def test_random_fates_are_of_every_kind_and_repeat_with_their_seed(tmp_path: Path) -> None:
    """Unsynced writes are lost, kept, cut and filled with zeros; what was synced is always there."""

    def fate(seed: int, again: int = 0) -> bytes:
        root = tmp_path / f"{seed}-{again}"
        root.mkdir()
        disk = FragileDisk(root)
        file = disk.open_append(root / "a")
        file.append([b"safe"])
        file.sync()
        file.append([b"1" * 50])
        file.append([b"2" * 50])
        disk.after_power_cut("random", seed)
        return (root / "a").read_bytes()

    fates = [fate(seed) for seed in range(40)]
    assert all(content.startswith(b"safe") for content in fates)
    assert b"safe" in fates
    assert b"safe" + b"1" * 50 + b"2" * 50 in fates
    assert any(content.endswith(b"\0") for content in fates)
    assert any(b"1" not in content and b"2" in content for content in fates), (
        "a later write without the earlier"
    )
    assert fate(7, again=1) == fates[7]


def test_truncated_bytes_come_back_unless_the_truncation_was_synced(tmp_path: Path) -> None:
    """A truncation is a change like any other."""
    (tmp_path / "a").write_bytes(b"0123456789")
    disk = FragileDisk(tmp_path)
    file = disk.open_append(tmp_path / "a")
    file.truncate(4)
    file.append([b"ab"])
    disk.after_power_cut("forget")
    assert (tmp_path / "a").read_bytes() == b"0123456789"
    disk = FragileDisk(tmp_path)
    file = disk.open_append(tmp_path / "a")
    file.truncate(4)
    file.sync()
    file.append([b"ab"])
    disk.after_power_cut("forget")
    assert (tmp_path / "a").read_bytes() == b"0123"


def test_names_need_their_folder_to_be_synced(tmp_path: Path) -> None:
    """A name made or taken away is forgotten until its folder is synced, whatever became of the content."""
    (tmp_path / "old").write_bytes(b"old")
    calls = FragileCalls(tmp_path)
    handle = calls.create(tmp_path / "new")
    calls.write(handle, [memoryview(b"new")])
    calls.sync(handle)
    calls.unlink(tmp_path / "old")
    calls.make_folder(tmp_path / "folder")
    calls.power_on("forget", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_a_folder_brings_back_what_was_in_it(tmp_path: Path) -> None:
    """Removing a file and its folder without a sync of either undoes itself in a power cut."""
    (tmp_path / "day").mkdir()
    (tmp_path / "day" / "a").write_bytes(b"a")
    calls = FragileCalls(tmp_path)
    calls.unlink(tmp_path / "day" / "a")
    calls.remove_folder(tmp_path / "day")
    calls.power_on("forget", 0)
    assert (tmp_path / "day" / "a").read_bytes() == b"a"


def test_what_a_killed_process_left_unsafe_stays_unsafe(tmp_path: Path) -> None:
    """A restart of the process makes nothing safe; a later power cut still takes it."""
    disk = FragileDisk(tmp_path, cut_at=4)
    file = disk.open_append(tmp_path / "a")
    file.append([b"unsynced"])
    with pytest.raises(PowerCut):
        file.sync()
    disk.restart()
    assert disk.read(tmp_path / "a") == b"unsynced"
    disk.after_power_cut("forget")
    assert (tmp_path / "a").read_bytes() == b""


def test_a_failed_sync_is_not_made_good_by_the_next(tmp_path: Path) -> None:
    """As on Linux: after one failed fsync a second one succeeds, and the bytes are lost all the same."""
    disk = FragileDisk(tmp_path)
    file = disk.open_append(tmp_path / "a")
    file.append([b"lost"])
    disk.refuse("sync", errno.EIO)
    with pytest.raises(DiskError):
        file.sync()
    file.append([b"kept"])
    file.sync()
    disk.after_power_cut("forget")
    assert (tmp_path / "a").read_bytes() == b"\0\0\0\0kept"


def test_refusals_come_once_and_when_asked_for(tmp_path: Path) -> None:
    """`refuse` fails the call it names, after as many as were to work."""
    disk = FragileDisk(tmp_path)
    journal = Journal.create_journal(disk, tmp_path / "j")
    disk.refuse("write", errno.EIO, after=1)
    journal.append(1, [b"a"])
    with pytest.raises(JournalClosedError):
        journal.append(1, [b"b"])
    disk.write_whole(tmp_path / "other", [b"c"])


def test_a_folder_lock_ends_with_the_power(tmp_path: Path) -> None:
    """A lock that the cut-off code never released does not keep the next one out."""
    held = lock_folder(tmp_path)
    FragileDisk(tmp_path).after_power_cut("forget")
    lock_folder(tmp_path).release()
    held.release()


def test_files_written_past_the_disk_are_left_alone(tmp_path: Path) -> None:
    """What another library keeps in the folder (SQLite, say) is not the power-cut disk's to forget."""
    disk = FragileDisk(tmp_path)
    (tmp_path / "meta.db").write_bytes(b"x")
    disk.write_whole(tmp_path / "a", [b"a"])
    disk.after_power_cut("forget")
    assert RealDisk().names(tmp_path) == ["a", "meta.db"]
