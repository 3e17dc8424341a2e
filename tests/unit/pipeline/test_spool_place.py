"""Folders of spools, made while others look for what was left."""

from pathlib import Path

import pytest

from tamis.disk.real import RealDisk
from tamis.errors import DiskError
from tamis.pipeline.spool.place import create_own, hold_orphans, remove_folder


class Crowded(RealDisk):
    """Where another process clears away empty folders of spools, as often as `times`, as soon as they are made."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def create_folder(self, path: Path) -> None:
        super().create_folder(path)
        if self.times:
            self.times -= 1
            for lock in hold_orphans(self, path.parent, "replay"):
                remove_folder(self, lock)


def test_a_folder_that_was_cleared_away_meanwhile_is_made_again(tmp_path: Path) -> None:
    """The lock is held in a folder that is there."""
    with create_own(Crowded(2), tmp_path / "sink", "test") as lock:
        assert (lock.path / "lock").exists()
        assert list((tmp_path / "sink").iterdir()) == [lock.path]


def test_a_folder_that_cannot_be_made_is_a_disk_error(tmp_path: Path) -> None:
    """It names the path, and does not try for ever."""
    with pytest.raises(DiskError, match="sink"):
        create_own(Crowded(1_000), tmp_path / "sink", "test")
